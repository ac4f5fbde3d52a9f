"""Server, workers and deployments, as `make deploy` leaves them: real processes on loopback."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled

from flows.parameters import SweepRun
from pipeline.stages.presets import preset_names
from tests.flows.waiting import free_port
from tests.paths import CHECKOUT

pytestmark = pytest.mark.slow
PATIENCE = 400
TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(scope="module")
def client(finished) -> Iterator[SyncPrefectClient]:
    """The tiny sweep's checkout, deployed with a refresh every minute in place of every night."""
    path = finished.root / "prefect.yaml"
    house = yaml.safe_load(path.read_text())
    nightly = next(d for d in house["deployments"] if d["name"] == "nightly-refresh")
    assert nightly["schedules"] == [{"cron": "30 2 * * *", "timezone": "Europe/Berlin", "active": True}]
    nightly["schedules"][0]["cron"] = "* * * * *"
    path.write_text(yaml.safe_dump(house))
    port = free_port()
    try:
        finished.call("flows", "deploy", "--port", str(port))
        with SyncPrefectClient(f"http://127.0.0.1:{port}/api") as client:
            yield client
    finally:
        finished.call("flows", "stop")


def wait_for(what: Callable[[], FlowRun | None]) -> FlowRun:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (run := what()) is not None:
            return run
        time.sleep(1)
    raise AssertionError(f"nothing within {PATIENCE} s")


def runs_of(client: SyncPrefectClient, deployment: str) -> list[FlowRun]:
    return client.read_flow_runs(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])))


def test_a_schedule_fires_and_a_worker_runs_it(client, finished):
    def fired() -> FlowRun | None:
        done = [r for r in runs_of(client, "nightly-refresh") if r.state and r.state.is_final()]
        return done[0] if done else None

    run = wait_for(fired)
    assert run.auto_scheduled
    assert run.state.is_completed(), run.state.message
    assert run.work_pool_name == "cpu"
    quiet(client)


def quiet(client: SyncPrefectClient) -> None:
    """End the schedule, and wait until none of its runs is left: they would send stages of their own to the pools."""
    client.pause_deployment(client.read_deployment_by_name("sweep-to-surrogate/nightly-refresh").id)

    def ended() -> FlowRun | None:
        runs = runs_of(client, "nightly-refresh")
        return None if any(run.state_type in ("PENDING", "RUNNING") for run in runs) else runs[0]

    wait_for(ended)


def test_the_gpu_pools_worker_runs_what_its_pool_is_named_for(client, finished):
    finished.params(validate={"redraws": 2})
    deployment = client.read_deployment_by_name("sweep-to-surrogate/on-demand")
    run_id = client.create_flow_run_from_deployment(deployment.id).id

    def ended() -> FlowRun | None:
        run = client.read_flow_run(run_id)
        return run if run.state and run.state.is_final() else None

    run = wait_for(ended)
    assert run.state.is_completed(), run.state.message
    dispatched = [r for r in runs_of(client, "gpu") if r.name == "validate"]
    assert all(r.state.is_completed() and r.work_pool_name == "gpu" for r in dispatched)
    assert "ran" in {r.state.message for r in dispatched}
    metrics = json.loads((finished.root / "data" / "tiny" / "validation" / "metrics.json").read_text())
    assert metrics["redraws"] == 2
    assert finished.is_clean()


def test_a_form_asks_for_the_parameters(client):
    schema = client.read_deployment_by_name("sweep-to-surrogate/on-demand").parameter_openapi_schema
    fields = schema["definitions"]["SweepRun"]["properties"]
    assert set(fields) == set(SweepRun.model_fields)
    assert all(field["description"] for field in fields.values())
    assert fields["sweep"]["enum"] == [None, *preset_names(CHECKOUT)]


def test_a_runs_parameters_leave_the_deployments_dispatch_as_it_is(client):
    deployment = client.read_deployment_by_name("sweep-to-surrogate/on-demand")
    # As `prefect deployment run --params '{"run": {"max_parallel": 1}}'` asks; never started.
    run = client.create_flow_run_from_deployment(
        deployment.id, parameters={"run": {"max_parallel": 1}}, state=Scheduled(scheduled_time=TOMORROW)
    )
    assert client.read_flow_run(run.id).parameters == {"run": {"max_parallel": 1}, "dispatch": True}
    client.delete_flow_run(run.id)


def test_a_worker_that_has_ended_is_replaced(client, finished):
    record = finished.root / ".prefect" / "processes.json"
    before = {entry["name"]: entry["pid"] for entry in json.loads(record.read_text())["processes"]}
    worker = psutil.Process(before["worker-gpu"])
    worker.kill()
    worker.wait(10)
    said = finished.call("flows", "deploy").stdout
    assert "worker-gpu had ended, and has been started again" in said
    after = {entry["name"]: entry["pid"] for entry in json.loads(record.read_text())["processes"]}
    assert after["worker-gpu"] != before["worker-gpu"]
    assert {name: after[name] for name in ("server", "worker-cpu")} == {
        name: before[name] for name in ("server", "worker-cpu")
    }
    assert psutil.Process(after["worker-gpu"]).is_running()


def test_deploying_twice_is_refused(client, finished):
    done = finished.call("flows", "deploy", "--port", str(free_port()), check=False)
    assert done.returncode == 1
    assert "lists processes that are still running; stop them first: make deploy-stop" in done.stderr


def test_stop_ends_what_was_started(client, finished):
    record = json.loads((finished.root / ".prefect" / "processes.json").read_text())
    processes = [psutil.Process(entry["pid"]) for entry in record["processes"]]
    assert [entry["name"] for entry in record["processes"]] == ["server", "worker-cpu", "worker-gpu"]
    assert finished.call("flows", "stop").stdout.strip() == "Stopped server, worker-cpu, worker-gpu."
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    assert finished.call("flows", "stop").stdout.strip() == "Nothing is running."
