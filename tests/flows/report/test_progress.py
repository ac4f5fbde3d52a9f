"""The progress of running stages: by a real Prefect server, and in a terminal."""

import io
import shutil
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from flows.dvc_repo.graph import Stage
from flows.report.progress import described, lines_in_terminal
from flows.report.summary import Summary, Validation, as_markdown
from flows.report.terminal import show
from pipeline.registry.registration import Registration
from pipeline.storage.progress import Loop, Progress
from tests.flows.conftest import PROJECT, commit

SLOW_STAGE = """
import sys, time
from pathlib import Path
from pipeline.storage.progress import counted, reporting
with reporting(Path.cwd(), sys.argv[1]):
    for step in counted(range(60), "epochs"):
        time.sleep(0.5)
        assert step < 40 or sys.argv[1] != "fails"
Path(sys.argv[1]).touch()
"""


@pytest.fixture(scope="module")
def prefect_server():
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def slow_stages(tmp_path, monkeypatch) -> Path:
    """The working directory, a DVC repository with stages of 30 seconds: one ends well, one fails."""
    (tmp_path / "slow.py").write_text(SLOW_STAGE)
    stages = "".join(
        f"  {name}: {{cmd: PYTHONPATH={PROJECT} {sys.executable} slow.py {name}, outs: [{name}]}}\n"
        for name in ("ends", "fails")
    )
    (tmp_path / "dvc.yaml").write_text(f"stages:\n{stages}")
    (tmp_path / ".dvc").mkdir()
    shutil.copy(PROJECT / ".dvc" / "config", tmp_path / ".dvc")
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_stages_leave_an_artifact_whose_value_rises(slow_stages, prefect_server):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterType

    from flows.stage import run_stage

    states = {}

    def run(name: str) -> None:
        states[name] = run_stage(Stage(name, "cpu", ()), return_state=True)

    threads = [Thread(target=run, args=(name,)) for name in ("ends", "fails")]
    for thread in threads:
        thread.start()
    only = ArtifactFilter(type=ArtifactFilterType(any_=["progress"]))
    seen: dict[str, list[tuple[float, str]]] = {}
    with get_client(sync_client=True) as client:
        while any(thread.is_alive() for thread in threads):
            for found in client.read_artifacts(artifact_filter=only):
                assert found.task_run_id is not None
                seen.setdefault(str(found.key), []).append((float(str(found.data)), str(found.description)))
            time.sleep(0.5)
        last = {a.key: (a.data, a.description) for a in client.read_artifacts(artifact_filter=only)}
    assert (states["ends"].is_completed(), states["fails"].is_failed()) == (True, True)
    assert seen.keys() == last.keys() == {"progress-ends", "progress-fails"}
    values = [value for value, _ in seen["progress-ends"]]
    assert values == sorted(values)
    assert len({*values}) >= 2
    assert 0 < values[0] < 100
    assert "ends: epochs" in seen["progress-ends"][0][1]
    assert " s left, " in seen["progress-ends"][0][1]
    assert last["progress-ends"] == (100.0, "ends: done")
    assert float(last["progress-fails"][0]) < 100
    assert not list((slow_stages / ".progress").iterdir())


@pytest.mark.slow
def test_a_short_stage_has_no_artifact(toy, prefect_server):
    from prefect.client.orchestration import get_client

    from flows.stage import run_stage

    run_stage(Stage("part@a", "cpu", ()))
    with get_client(sync_client=True) as client:
        assert not [a for a in client.read_artifacts() if a.key == "progress-part-a"]


@pytest.mark.slow
def test_an_artifact_that_somebody_deletes_fails_no_stage(slow_stages, prefect_server, caplog):
    from prefect.client.orchestration import get_client

    from flows.stage import run_stage

    outcomes = []
    thread = Thread(target=lambda: outcomes.append(run_stage(Stage("ends", "cpu", ()))))
    with get_client(sync_client=True) as client:
        known = {artifact.id for artifact in client.read_artifacts()}
        thread.start()
        while not (new := [a for a in client.read_artifacts() if a.id not in known and a.type == "progress"]):
            assert thread.is_alive()
            time.sleep(0.5)
        client.delete_artifact(new[0].id)
    thread.join()
    assert [outcome.action for outcome in outcomes] == ["ran"]
    assert sum("is told no more in Prefect" in record.message for record in caplog.records) == 1


def test_a_description_says_loops_time_left_and_time_so_far():
    progress = Progress("fit", 61.2, time.time(), (Loop("folds", 1, 3, 80.2), Loop("paths", 20, 1000, 10.0)))
    assert described(progress) == "fit: folds 1 of 3, paths 20 of 1,000, about 80 s left of folds, 61 s so far"
    assert described(Progress("fit", 61.2, time.time(), ())) == "fit: 61 s so far"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_for_every_running_stage_where_there_is_a_terminal(terminal):
    from flows.report import progress

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100)
    with lines_in_terminal(console):
        for lines in progress._lines:
            for stage in ("train@0.5", "train@1.0"):
                lines.show(Progress(stage, 3.0, time.time(), (Loop("epochs", 1, 4, 9.0),)))
            lines.bars.refresh()
            lines.remove("train@0.5")
            lines.remove("never seen")
    shown = stream.getvalue()
    words = [f"train@{value}  epochs 1 of 4, about 9 s left" in shown for value in ("0.5", "1.0")]
    assert words == [terminal, terminal]
    assert ("25%" in shown) == terminal
    assert terminal or not shown


@pytest.fixture
def summary(tmp_path) -> Summary:
    folder = tmp_path / "a [b] (c) d"
    folder.mkdir()
    (folder / "report.md").write_text("# therapy\n")
    registration = Registration("therapy", 1, "models:/therapy/1", "0" * 64, True, "first")
    return Summary((), registration, Validation("MSE", ("method", "mean"), ()), folder / "report.html")


def test_the_report_is_a_link_in_prefect(summary):
    path = summary.report
    assert f"Report: [`{path}`]({path.as_uri()})" in as_markdown(summary)
    assert path.as_uri().endswith("/a%20%5Bb%5D%20%28c%29%20d/report.html")


def test_the_report_is_a_link_in_a_terminal_and_a_path_elsewhere(summary, capsys, monkeypatch):
    show(summary)
    plain = capsys.readouterr().out
    assert f"Report  {summary.report}\n" in plain
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    show(summary)
    shown = capsys.readouterr().out
    assert f";{summary.report.as_uri()}\x1b\\{summary.report}\x1b]8;;\x1b\\" in shown
