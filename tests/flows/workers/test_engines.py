"""Stages on local clusters of Dask and Ray: real ones, of which a process may be killed."""

import threading
import time
from pathlib import Path

import psutil
import pytest
from prefect import flow
from pydantic import ValidationError

from flows import guard
from flows.dvc_repo.graph import survey
from flows.parameters import SweepRun
from pipeline.storage.lease import run_lease

PATIENCE = 120
SLOW_STAGES = """
stages:
  part:
    matrix: {v: [a, b]}
    cmd: echo $$ ${item.v} >> ran.log && sleep 5 && cat source > part-${item.v}
    deps: [source]
    outs: ["part-${item.v}"]
  whole:
    cmd: cat part-a part-b > whole && echo $OMP_NUM_THREADS > threads
    deps: [part-a, part-b]
    outs: [whole]
"""


def test_a_cluster_without_its_engine_is_refused():
    with pytest.raises(ValidationError, match="cluster = 'tcp://somewhere:1' with runner = 'threads'; say whose it is"):
        SweepRun(cluster="tcp://somewhere:1")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_sweep_on_a_cluster(new_checkout, finished, engine):
    checkout = new_checkout()
    checkout.params()
    said = checkout.flow("--runner", engine, "--max-parallel", "2").stdout
    assert "Stages: 14 ran" in said
    assert checkout.is_clean()
    assert checkout.digests() == finished.first_digests


@pytest.fixture(scope="module")
def prefect_server():
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_killed_process_of_the_cluster_loses_nothing(prefect_server, toy, engine, monkeypatch):
    from flows.sweep_to_surrogate import run_stages

    monkeypatch.setenv("SWEEP_CHECKOUT", str(toy))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # engines set 1 in their processes
    (toy / "dvc.yaml").write_text(SLOW_STAGES)
    (toy / "params.yaml").touch()
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(toy / "ran.log", killed))
    killer.start()
    run = SweepRun(runner=engine, max_parallel=2)
    with run_lease(toy, "test"):
        outcomes = flow(lambda: run_stages(survey(), run, ""), name="toy")()
    killer.join()
    assert killed
    assert {outcome.action for outcome in outcomes.values()} == {"ran"}
    assert (toy / "whole").read_text() == "1\n1\n"
    assert (toy / "threads").read_text() == "2\n"
    assert len((toy / "ran.log").read_text().splitlines()) == 3  # the killed one twice
    assert not survey().stale


def kill_a_worker(log: Path, killed: list[int]) -> None:
    """Kill the process of the cluster that waits for the first stage in the log."""
    deadline = time.monotonic() + PATIENCE
    while not (log.exists() and log.read_text().strip()):
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)
    stage = psutil.Process(int(log.read_text().split()[0]))
    # Above the command's shell: DVC, its guard, and the process that called them.
    caller = next(p for p in stage.parents() if not {"flows.dvc_repo.process", guard.__file__} & set(p.cmdline()))
    caller.kill()
    killed.append(caller.pid)
