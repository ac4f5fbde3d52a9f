import io
import json
import logging
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.__main__ import address_of
from pipeline.storage import progress
from pipeline.storage.checkpoint import kept_work, once, resumable
from pipeline.storage.progress import Loop, Progress, counted, counting, in_time, progress_file, reporting, within
from tests.paths import CHECKOUT

STAGE = "train@0.5"


@pytest.fixture
def unthrottled(monkeypatch):
    monkeypatch.setattr(progress, "PACE", 0.0)


def loops(root: Path) -> list[tuple[str, int, int]]:
    found = Progress.read(root, STAGE)
    assert found is not None
    return [(loop.what, loop.step, loop.steps) for loop in found.loops]


def test_the_file_says_what_step_of_how_many_and_what_is_left(tmp_path, unthrottled):
    with reporting(tmp_path, STAGE):
        for step in counted(range(5), "epochs"):
            if step == 3:
                document = json.loads((tmp_path / ".progress" / "train@0.5.json").read_text())
            time.sleep(0.01)
    (loop,) = document["loops"]
    assert {"what": "epochs", "step": 3, "steps": 5}.items() <= loop.items()
    assert (document["stage"], document["seconds"] < 5, abs(document["written"] - time.time()) < 5) == (STAGE, True, 1)


def test_loops_without_a_reporter_just_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with within("part"), counting("cells", 2) as done:
        done()
        assert list(counted([3, 1, 2], "items")) == [3, 1, 2]
    assert not list(tmp_path.iterdir())


def test_at_constant_pace_the_time_left_is_exact(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(progress, "PACE", 0.0)
    left = []
    with reporting(tmp_path, STAGE):
        for _ in counted(range(10), "steps", first=6):  # six were done by a process that was killed
            left += [loop.eta for loop in getattr(Progress.read(tmp_path, STAGE), "loops", ())]
            now[0] += 3.0
    assert left == [None, *(3.0 * (10 - done) for done in range(1, 10))]


def test_between_two_reports_the_time_left_goes_down():
    found = Progress(STAGE, 60.0, 1000.0, (Loop("folds", 1, 3, 80.0), Loop("paths", 2, 4, 10.0)))
    assert found.left(1000.0) == "about 80 s left of folds"
    assert found.left(1030.0) == "about 50 s left of folds"
    assert found.left(2000.0) == "about 0 s left of folds"
    assert Progress(STAGE, 60.0, 1000.0, (Loop("fits", 1, 3, None), Loop("paths", 2, 4, 10.0))).left(1000.0) == (
        "about 10 s left of paths"
    )
    assert found.place == "folds 1 of 3, paths 2 of 4"
    assert found.share == 1 / 3


def test_steps_that_differ_tell_no_time(tmp_path, unthrottled):
    with reporting(tmp_path, STAGE):
        for _ in counted(range(3), "methods", even=False):
            found = Progress.read(tmp_path, STAGE)
            assert found is not None
            assert found.left(found.written) == ""


def test_a_report_is_written_once_in_two_seconds(tmp_path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(progress.Reporter, "_write", lambda self, found: written.append(now[0]))
    with reporting(tmp_path, STAGE):
        for _ in counted(range(100), "steps"):
            now[0] += 0.25
    assert written == [2.0 * k for k in range(13)]


@pytest.mark.parametrize("kept", [False, True])
def test_checkpointed_loops_and_parts_are_reported(tmp_path, unthrottled, kept):
    def part() -> int:
        for _ in resumable(3, "paths", seen=[]):
            seen.append(loops(tmp_path))
        return 1

    seen: list[list[tuple[str, int, int]]] = []
    with reporting(tmp_path, STAGE):
        if kept:
            with kept_work(tmp_path / "work", lambda: "key"):
                once(part, "fold")
        else:
            once(part, "fold")
    assert seen == [[("fold", 0, 0), ("paths", step, 3)] for step in range(3)]


def test_a_loop_that_is_left_early_is_no_longer_told(tmp_path, unthrottled):
    with reporting(tmp_path, STAGE):
        for step in counted(range(9), "tries"):
            if step == 2:
                break
        for _ in counted(range(2), "steps"):
            assert [what for what, *_ in loops(tmp_path)] == ["steps"]


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_when_a_stage_ends_or_fails(tmp_path, unthrottled, fails):
    progress_file(tmp_path, STAGE).parent.mkdir()
    progress_file(tmp_path, STAGE).write_text("of a stage that was killed")
    try:
        with reporting(tmp_path, STAGE):
            assert Progress.read(tmp_path, STAGE) is None
            for step in counted(range(3), "steps"):
                assert progress_file(tmp_path, STAGE).exists()
                1 / (2 - step if fails else 1)
    except ZeroDivisionError:
        assert fails
    assert not list((tmp_path / ".progress").iterdir())


def test_where_nothing_can_be_written_the_stage_goes_on(tmp_path, unthrottled, caplog):
    (tmp_path / ".progress").write_text("no folder")
    with caplog.at_level(logging.WARNING), reporting(tmp_path, STAGE):
        assert list(counted(range(3), "steps")) == [0, 1, 2]
    assert len(caplog.records) == 1


def test_addresses_are_those_of_dvc(monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert (address_of("fit"), address_of("train", "0.5")) == ("fit", "train@0.5")
    monkeypatch.setenv("DVC_STAGE", "sub/dvc.yaml:train@0.5")
    assert address_of("train") == "train@0.5"
    assert progress_file(Path(), "raw@a/b.csv").name == "raw@a%2Fb.csv.json"


@pytest.mark.parametrize(("seconds", "words"), [(40.4, "40 s"), (170, "3 min"), (7800, "2 h 10 min")])
def test_durations_in_words(seconds, words):
    assert in_time(seconds) == words


SHOWN = """
import logging, sys, time
from pathlib import Path
from pipeline.storage import progress
progress.PACE = 0.0
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
with progress.reporting(Path(sys.argv[1]), "train@0.5"):
    for step in progress.counted(range(4), "epochs"):
        logging.info("said in step %d", step)
        time.sleep(0.6)
"""


def test_a_terminal_has_a_bar_and_a_pipe_none(tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SHOWN, str(tmp_path)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONPATH": str(CHECKOUT)}
    subprocess.run(command, check=True, env=environment, stderr=theirs, cwd=CHECKOUT)
    os.close(theirs)
    with io.FileIO(ours) as terminal:
        shown = terminal.read(100_000).decode()
    piped = subprocess.run(command, check=True, env=environment, capture_output=True, text=True, cwd=CHECKOUT)
    assert "train@0.5  epochs 3 of 4, about 1 s left" in shown
    assert all(f"said in step {step}\r\n" in shown for step in range(4))
    assert piped.stderr == "".join(f"said in step {step}\n" for step in range(4))
