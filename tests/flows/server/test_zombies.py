"""What is left of runs whose processes were killed: nothing that keeps others from running; and who is left alone."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.states import Cancelling, Pending, Running

from flows.server.zombies import Whereabouts, crash_dead_runs, free_slots, this_host, worker_name
from tests.flows.server.serving import client_at, nothing, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(new_checkout) -> Iterator[SyncPrefectClient]:
    """A server without workers."""
    with serving(new_checkout()) as url, client_at(url) as client:
        yield client


@pytest.fixture
def deployment(client):
    """A deployment of one run at a time on the pool cpu, which nobody works for."""
    client.request("POST", "/work_pools/", json={"name": "cpu", "type": "process"}) if "cpu" not in {
        pool.name for pool in client.read_work_pools()
    } else None
    flow_id = client.create_flow(nothing)
    found = client.create_deployment(flow_id, name="one", concurrency_limit=1, work_pool_name="cpu", entrypoint="x:y")
    yield found
    client.delete_deployment(found)


ROOT = Path("/of/some/checkout")
ENDED = 4_000_000
"""More than any process id here; with a start that none has."""


def started(client, deployment, state, host, pid=ENDED, created=1.0):
    """A run that took its slot, went into a state, and recorded where it works."""
    run = client.create_flow_run_from_deployment(deployment, state=Pending())
    client.set_flow_run_state(run.id, Pending(), force=True)
    client.set_flow_run_state(run.id, state, force=True)
    if host:
        client.update_flow_run_labels(run.id, {"sweep.host": host, "sweep.pid": pid, "sweep.created": created})
    return run


def state_of(client, run):
    return client.read_flow_run(run.id).state


@pytest.mark.parametrize("state", [Running, Cancelling])
def test_a_run_of_this_host_without_its_process_is_crashed(client, deployment, state):
    run = started(client, deployment, state(), this_host())
    assert run.name in crash_dead_runs(client, ROOT, [])
    assert state_of(client, run).is_crashed()
    assert "Its process is gone" in state_of(client, run).message


def test_a_process_id_that_is_in_use_again_is_another_process(client, deployment):
    run = started(client, deployment, Running(), this_host(), os.getpid(), created=1.0)
    assert run.name in crash_dead_runs(client, ROOT, [])


def test_a_living_run_is_left_alone(client, deployment):
    here = Whereabouts.here()
    run = started(client, deployment, Running(), here.host, here.pid, here.created)
    crash_dead_runs(client, ROOT, ["cpu"])
    assert state_of(client, run).is_running()


def test_runs_of_another_host_are_left_alone(client, deployment):
    run = started(client, deployment, Running(), "elsewhere 0123456789ab")
    crash_dead_runs(client, ROOT, ["cpu"])
    assert state_of(client, run).is_running()


def test_a_run_that_nobody_has_begun_is_crashed_with_its_pool_only(client, deployment):
    run = started(client, deployment, Pending(), "")
    # The worker of cpu lives, and may begin any moment.
    assert run.name not in crash_dead_runs(client, ROOT, ["gpu"])
    assert run.name in crash_dead_runs(client, ROOT, ["cpu"])


def test_a_process_about_a_run_speaks_for_it(client, deployment):
    run = started(client, deployment, Pending(), "")
    asleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(asleep, env={**os.environ, "PREFECT__FLOW_RUN_ID": str(run.id)}) as process:
        crash_dead_runs(client, ROOT, ["cpu"])
        process.kill()
    assert state_of(client, run).is_pending()
    assert run.name in crash_dead_runs(client, ROOT, ["cpu"])


def heartbeat_of(client, worker):
    client.request("POST", "/work_pools/{name}/workers/heartbeat", path_params={"name": "cpu"}, json={"name": worker})


def test_a_run_that_another_hosts_worker_may_have_taken_is_left_alone(client, deployment):
    heartbeat_of(client, worker_name("cpu", ROOT))
    own = started(client, deployment, Pending(), "")
    assert own.name in crash_dead_runs(client, ROOT, ["cpu"])
    heartbeat_of(client, worker_name("cpu", Path("/of/another")))
    run = started(client, deployment, Pending(), "")
    crash_dead_runs(client, ROOT, ["cpu"])
    assert state_of(client, run).is_pending()


def slots(client, deployment) -> int:
    return client.read_deployment(deployment).global_concurrency_limit.active_slots


def test_slots_that_no_run_holds_are_free_again_and_others_are_not(client, deployment):
    limit = client.read_deployment(deployment).global_concurrency_limit
    client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(limit=2, active_slots=2))
    started(client, deployment, Running(), "elsewhere 0123456789ab")
    assert free_slots(client) == ("one",)
    assert slots(client, deployment) == 1
    assert free_slots(client) == ()


def test_whereabouts_are_those_of_this_process():
    here = Whereabouts.here()
    assert here.alive
    assert here.created == psutil.Process().create_time()
    assert here.host.startswith(socket.gethostname())
    assert Whereabouts.of(SimpleNamespace(labels={"sweep.host": here.host})) is None
    assert not Whereabouts(here.host, ENDED, 1.0).alive
