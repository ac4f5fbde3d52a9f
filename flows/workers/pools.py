"""A stage on the workers of another pool: the deployment ``stage/POOL`` runs it, here or in a clone of its own."""

import json
from pathlib import Path
from time import perf_counter

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows.dvc_repo.graph import Stage
from flows.dvc_repo.lock_file import Entry
from flows.dvc_repo.reproduce import Action, Outcome, StageError
from flows.report.terminal import PROGRESS
from flows.workers.own_clone import Handover, orders, take_over

PUSHED = "Pushed"
"""The name of the final state of a stage that ran in another clone: its outputs are in DVC's remote."""
ENTRY = "dvc-lock"
"""The type of the artifact in which such a stage returns its entry of dvc.lock."""
OTHER_VERSION = "its workers run a different version of this project: update their clone, and start them again"


def is_deployed(pool: str) -> bool:
    """Whether the server has the deployment ``stage/POOL``; else the stage runs here, with a warning."""
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(f"stage/{pool}")
        except ObjectNotFound:
            get_run_logger().warning("no deployment stage/%s: the stage runs here", pool, extra=PROGRESS)
            return False
    return True


def run_on_pool(stage: Stage, handover: Handover, *, force: bool) -> Outcome:
    """Run the deployment ``stage/POOL`` and wait for it; its final state's message is the action of the stage.

    Where the worker had a clone of its own, its outputs are fetched from DVC's remote.
    """
    start = perf_counter()
    run = run_deployment(
        f"stage/{stage.pool}",
        parameters=orders(stage, handover, force=force) | {"handover": handover.model_dump()},
        flow_run_name=stage.address,
        poll_interval=1,
    )
    assert isinstance(run, FlowRun)  # not a coroutine: this is a synchronous task
    state = run.state
    if state is None or not state.is_completed():
        raise StageError(
            f"stage {stage.address} failed on pool {stage.pool}:\n{state and (state.message or state.name)}"
        )
    if state.name == PUSHED:
        take_over(Path.cwd(), stage.address, _returned_entry(run))
    return Outcome(stage.address, _as_action(state.message), perf_counter() - start)


def _returned_entry(run: FlowRun) -> Entry:
    """The entry of dvc.lock that a stage in another clone returned."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    with get_client(sync_client=True) as client:
        for artifact in client.read_artifacts(artifact_filter=of_run):
            if artifact.type == ENTRY and isinstance(artifact.data, str):
                return dict(json.loads(artifact.data))
    raise StageError(f"the deployed stage {run.name} returned no entry of dvc.lock; {OTHER_VERSION}")


def _as_action(message: str | None) -> Action:
    match message:
        case "ran" | "restored" | "unchanged":
            return message
    raise StageError(f"the deployed stage ended with {message!r}; {OTHER_VERSION}")
