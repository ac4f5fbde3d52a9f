"""A stage as a Prefect task, and as a small flow that the workers of another pool run."""

import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from prefect import Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from flows.graph import HOME_POOL, Stage
from flows.reproduce import Action, LockedError, Outcome, StageError, reproduce
from flows.rwlock import TornLockError
from flows.unchanged import check_params
from flows.zombies import record_process
from pipeline.storage.lease import TOKEN

LOCK_RETRIES, LOCK_DELAY = 200, 3
"""Tries, seconds apart, while another process uses a path of the stage: a killed run's may still be training."""
PROGRESS = {"progress": True}
"""Marks the log records that a terminal shows: one line a stage."""


def held_by_another(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Retry only where DVC could not get a lock: a stage whose command failed would fail again."""
    return isinstance(state.data, LockedError | TornLockError)


@task(
    name="stage",
    task_run_name="{stage.address}",
    cache_policy=NO_CACHE,  # DVC alone decides what is up to date
    retries=LOCK_RETRIES,
    retry_delay_seconds=LOCK_DELAY,
    retry_jitter_factor=0.5,
    retry_condition_fn=held_by_another,
)
def run_stage(
    stage: Stage,
    *,
    stale: bool = True,
    force: bool = False,
    threads: int | None = None,
    dispatch: bool = False,
    params: str = "",
    upstream: Sequence[Outcome] = (),
) -> Outcome:
    """Bring one stage up to date.

    stale: DVC called it changed before the flow began. upstream: outcomes of the stages that it depends on; where all
    are unchanged and it was not stale, DVC is not called. threads: see `reproduce`. dispatch: a stage of another pool
    goes to that pool's workers, where the server knows them. params: the digest that params.yaml has to have, if any.
    Raises StageError with the command's last lines, ChangedError for another params.yaml.
    """
    logger = get_run_logger()
    if params:
        check_params(Path.cwd(), params)
    if not (stale or force or any(outcome.action != "unchanged" for outcome in upstream)):
        return Outcome(stage.address, "unchanged", 0.0)
    if dispatch and stage.pool != HOME_POOL and _is_deployed(stage.pool):
        outcome = _on_pool(stage, force=force)
    else:
        outcome = reproduce(stage.address, Path.cwd(), force=force, threads=threads, say=logger.info)
    logger.info("%-24s %-10s %6.1f s", outcome.address, outcome.action, outcome.seconds, extra=PROGRESS)
    return outcome


def _is_deployed(pool: str) -> bool:
    """Whether the server has the deployment ``stage/POOL``; else the stage runs here, with a warning."""
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(f"stage/{pool}")
        except ObjectNotFound:
            get_run_logger().warning("no deployment stage/%s: the stage runs here", pool, extra=PROGRESS)
            return False
    return True


def _on_pool(stage: Stage, *, force: bool) -> Outcome:
    """Run the deployment ``stage/POOL`` and wait for it; its final state's message is the action of the stage."""
    start = perf_counter()
    run = run_deployment(
        f"stage/{stage.pool}",
        parameters={"address": stage.address, "force": force, "lease": os.environ.get(TOKEN, "")},
        flow_run_name=stage.address,
        poll_interval=1,
    )
    assert isinstance(run, FlowRun)  # not a coroutine: this is a synchronous task
    state = run.state
    if state is None or not state.is_completed():
        raise StageError(
            f"stage {stage.address} failed on pool {stage.pool}:\n{state and (state.message or state.name)}"
        )
    return Outcome(stage.address, _as_action(state.message), perf_counter() - start)


def _as_action(message: str | None) -> Action:
    match message:
        case "ran" | "restored" | "unchanged":
            return message
    raise StageError(f"the deployed stage ended with {message!r}; its workers run a different version of this project")


@flow(name="stage", flow_run_name="{address}", on_running=[record_process])
def stage(address: str, *, force: bool = False, lease: str = "") -> State[None]:
    """One stage, for the workers of the pool that its meta in dvc.yaml names; `address` as in ``dvc stage list``.

    lease: the token of the run that it belongs to.
    """
    os.environ[TOKEN] = lease
    outcome = run_stage(Stage(address, HOME_POOL, ()), force=force)
    return Completed(message=outcome.action)
