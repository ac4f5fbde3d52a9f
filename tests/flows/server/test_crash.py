"""Everything is killed in the middle of a run: after the next deploy the schedule goes on as if nothing had been."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun

from tests.flows.conftest import TINY, Checkout
from tests.flows.waiting import free_port, wait_until

pytestmark = pytest.mark.slow
PERIOD = 180
"""Seconds between two runs of the schedule: two of them are enough for a run on a busy machine, too."""


@pytest.fixture
def every_period(finished: Checkout) -> Iterator[Checkout]:
    """The checkout, with a schedule that fires every PERIOD seconds."""
    path = finished.root / "prefect.yaml"
    text = path.read_text()
    house = yaml.safe_load(text)
    nightly = next(d for d in house["deployments"] if d["name"] == "nightly-refresh")
    nightly["schedules"][0]["cron"] = "*/3 * * * *"
    path.write_text(yaml.safe_dump(house))
    yield finished
    path.write_text(text)  # other tests deploy the same checkout


def started_by(checkout: Checkout) -> list[psutil.Process]:
    """What deploy started, with all that these processes started."""
    record = json.loads((checkout.root / ".prefect" / "processes.json").read_text())
    found = [psutil.Process(entry["pid"]) for entry in record["processes"]]
    return [*found, *(child for process in found for child in process.children(recursive=True))]


def fits(checkout: Checkout) -> bool:
    commands = []
    for process in started_by(checkout):
        try:
            commands.append(process.cmdline()[-2:])
        except psutil.NoSuchProcess:
            continue
    return ["pipeline", "fit"] in commands


def kill_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=20)


def runs_of(client: SyncPrefectClient, deployment: str) -> list[FlowRun]:
    return client.read_flow_runs(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])))


def test_a_schedule_goes_on_after_everything_was_killed(every_period):
    finished = every_period
    finished.params(fit=TINY["fit"] | {"solver": "semidual", "outer_steps": 100_000})
    port = free_port()
    try:
        began = datetime.now(UTC)  # the database also knows runs of other tests
        finished.call("flows", "deploy", "--port", str(port))
        wait_until(lambda: fits(finished), 4 * PERIOD)
        kill_all(started_by(finished))
        killed = datetime.now(UTC)  # a run that had to wait may begin as soon as deploy has started the workers
        finished.params()
        finished.call("flows", "deploy", "--port", str(port))
        again = time.monotonic()
        with SyncPrefectClient(f"http://127.0.0.1:{port}/api") as client:

            def states_before(deployment: str) -> list[tuple[str, str | None]]:
                runs = runs_of(client, deployment)
                return [(r.name, r.state_name) for r in runs if r.start_time and began < r.start_time < killed]

            assert [state for _, state in states_before("nightly-refresh")] == ["Crashed"]
            assert [state for name, state in states_before("gpu") if name == "fit"] == ["Crashed"]

            def next_completed() -> bool:
                runs = (r for r in runs_of(client, "nightly-refresh") if r.start_time and r.start_time > killed)
                return any(r.auto_scheduled and r.state is not None and r.state.is_completed() for r in runs)

            wait_until(next_completed, 2 * PERIOD - (time.monotonic() - again))
    finally:
        finished.call("flows", "stop")
    assert finished.is_clean()
