"""Retries and skipping, by a real Prefect server and real locks."""

import json
import os
import threading
import time

import pytest

from flows.dvc_repo.graph import Stage
from flows.dvc_repo.reproduce import Outcome, StageError
from flows.dvc_repo.rwlock import RWLOCK

pytestmark = pytest.mark.slow
PART = Stage("part@a", "cpu", ())


@pytest.fixture(scope="module", autouse=True)
def prefect_server():
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


def runs(toy) -> list[str]:
    log = toy / "ran.log"
    return log.read_text().split() if log.exists() else []


def test_a_stage_waits_for_a_path_in_use(toy):
    from flows.stage import run_stage

    # A path that another process writes: DVC does not wait for those.
    holder = {"pid": os.getpid(), "cmd": "dvc repro"}
    (toy / RWLOCK).parent.mkdir(exist_ok=True)
    (toy / RWLOCK).write_text(json.dumps({"write": {str(toy / "part-a"): holder}, "read": {}}))
    release = threading.Timer(6, (toy / RWLOCK).unlink)
    release.start()
    start = time.monotonic()
    state = run_stage(PART, return_state=True)
    release.join()
    assert state.is_completed()
    assert time.monotonic() - start > 6
    assert state.result().action == "ran"
    assert runs(toy) == ["a"]


def test_a_failing_stage_is_not_tried_again(toy):
    from flows.stage import run_stage

    with pytest.raises(StageError, match="said to stderr"):
        run_stage(Stage("broken", "cpu", ()))
    assert runs(toy) == ["broken"]


@pytest.mark.parametrize(
    ("stale", "upstream", "action"),
    [(False, "unchanged", "unchanged"), (False, "ran", "ran"), (False, "restored", "ran"), (True, "unchanged", "ran")],
)
def test_dvc_is_asked_only_where_something_may_have_changed(toy, stale, upstream, action):
    from flows.stage import run_stage

    assert run_stage(PART, stale=stale, upstream=[Outcome("before", upstream, 0.0)]).action == action
    assert runs(toy) == (["a"] if action == "ran" else [])


def test_the_stage_flow_says_what_became_of_it(toy):
    from flows.stage import stage

    messages = [stage("part@a", return_state=True).message for _ in range(2)]
    assert messages == ["ran", "unchanged"]


def test_without_workers_a_stage_of_another_pool_runs_here(toy):
    from flows.stage import Options, run_stage

    assert run_stage(Stage("part@a", "gpu", ()), Options(dispatch=True)).action == "ran"


def test_what_ran_beside_a_failure_is_kept(toy):
    from prefect import flow

    from flows.dvc_repo.graph import survey
    from flows.parameters import SweepRun
    from flows.sweep_to_surrogate import run_stages

    with pytest.raises(StageError, match="stage broken failed:\n  said to stdout"):
        flow(lambda: run_stages(survey(), SweepRun(max_parallel=2), ""), name="toy")()
    assert (toy / "whole").read_text() == "1\n1\n1\n"
    assert survey().stale == {"broken"}


def test_many_stages_of_one_kind_share_processes(toy):
    from prefect import flow

    from flows.dvc_repo.graph import survey
    from flows.parameters import SweepRun
    from flows.sweep_to_surrogate import run_stages

    values = list(range(20))
    (toy / "dvc.yaml").write_text(
        "stages:\n  part:\n    matrix: {v: " + str(values) + "}\n"
        "    cmd: ps -o ppid= -p $PPID >> parents.log && cat source > part-${item.v}\n"
        '    deps: [source]\n    outs: ["part-${item.v}"]\n'
    )
    outcomes = flow(lambda: run_stages(survey(), SweepRun(max_parallel=2), ""), name="toy")()
    assert sorted(outcomes) == sorted(f"part@{v}" for v in values)
    assert {outcome.action for outcome in outcomes.values()} == {"ran"}
    assert len((toy / "parents.log").read_text().split()) == 20
    assert len(set((toy / "parents.log").read_text().split())) == 7  # groups of three, a process of DVC each
    assert not survey().stale
