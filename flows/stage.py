"""A stage as a Prefect task, and as a small flow that the workers of another pool run."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger, task
from prefect.artifacts import Artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from flows.dvc_repo.graph import HOME_POOL, Stage
from flows.dvc_repo.remote import push
from flows.dvc_repo.reproduce import LockedError, Outcome, reproduce, reproduce_all
from flows.dvc_repo.rwlock import TornLockError
from flows.report.progress import watching
from flows.report.terminal import PROGRESS
from flows.server.zombies import record_process
from flows.unchanged import check_params
from flows.workers.engines import is_open, run_on_engine
from flows.workers.own_clone import Handover, run_in_clone
from flows.workers.pools import ENTRY, PUSHED, is_deployed, run_on_pool
from pipeline.storage.lease import TOKEN, belongs_here

LOCK_RETRIES, LOCK_DELAY = 200, 3
"""Tries, seconds apart, while another process uses a path of the stage: a killed run's may still be training."""


@dataclass(frozen=True)
class Options:
    """What holds for all stages of a run.

    force: run commands even where nothing changed. dispatch: a stage of another pool goes to that pool's workers, where
    the server knows them. has_remote: the checkout has a DVC remote, by which workers in clones of their own get data.
    params: the digest that params.yaml has to have, if any.
    """

    force: bool = False
    dispatch: bool = False
    has_remote: bool = False
    params: str = ""


AS_IT_IS = Options()


def held_by_another(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Retry only where DVC could not get a lock: a stage whose command failed would fail again."""
    return isinstance(state.data, LockedError | TornLockError)


WAITING: dict[str, Any] = {
    "retries": LOCK_RETRIES,
    "retry_delay_seconds": LOCK_DELAY,
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": held_by_another,
}
"""How tasks wait for paths in use."""


# DVC alone decides what is up to date: Prefect caches nothing.
@task(name="stage", task_run_name="{stage.address}", cache_policy=NO_CACHE, **WAITING)
def run_stage(
    stage: Stage,
    options: Options = AS_IT_IS,
    *,
    stale: bool = True,
    publish: bool = False,
    threads: int | None = None,
    upstream: Sequence[Outcome | Sequence[Outcome]] = (),
) -> Outcome:
    """Bring one stage up to date.

    stale: DVC called it changed before the flow began. upstream: outcomes of what it depends on; where all are
    unchanged and it was not stale, DVC is not called. publish: send the outputs to DVC's remote, since a stage of
    another pool reads them. threads: see `reproduce`. Raises StageError with the command's last lines, ChangedError for
    another params.yaml.
    """
    if options.params:
        check_params(Path.cwd(), options.params)
    if not (stale or options.force or changed_in(upstream)):
        outcome = Outcome(stage.address, "unchanged", 0.0)
    else:
        with watching(Path.cwd(), [stage.address]):
            outcome = _run(stage, options, threads)
    if publish:
        push(Path.cwd(), [stage.address])
    _tell([outcome])
    return outcome


@task(name="group", task_run_name="{name}", cache_policy=NO_CACHE, **WAITING)
def run_group(
    name: str,
    stages: Sequence[Stage],
    options: Options = AS_IT_IS,
    *,
    stale: Collection[str] = (),
    publish: bool = False,
    threads: int | None = None,
    upstream: Sequence[Outcome | Sequence[Outcome]] = (),
) -> list[Outcome]:
    """Bring stages up to date that do not depend on one another, one after another in one process of DVC.

    Hundreds of short stages cost less so: DVC starts, and writes dvc.lock, once for all of them. name: of the group.
    stale: addresses that DVC called changed. The other arguments are those of `run_stage`.
    """
    if options.params:
        check_params(Path.cwd(), options.params)
    changed = changed_in(upstream)
    wanted = [s.address for s in stages if options.force or s.address in stale or changed.intersection(s.depends_on)]
    say = get_run_logger().info
    ran: list[Outcome] = []
    if wanted:
        with watching(Path.cwd(), wanted):
            ran = reproduce_all(wanted, Path.cwd(), force=options.force, threads=threads, say=say)
    outcomes = [*ran, *(Outcome(s.address, "unchanged", 0.0) for s in stages if s.address not in wanted)]
    if publish:
        push(Path.cwd(), [stage.address for stage in stages])
    _tell(outcomes)
    return outcomes


def changed_in(upstream: Sequence[Outcome | Sequence[Outcome]]) -> set[str]:
    """The addresses of the stages that are not as they were."""
    flat = [o for outcomes in upstream for o in ([outcomes] if isinstance(outcomes, Outcome) else outcomes)]
    return {outcome.address for outcome in flat if outcome.action != "unchanged"}


def _tell(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.seconds:
            words = (outcome.address, outcome.action, outcome.seconds)
            get_run_logger().info("%-24s %-10s %6.1f s", *words, extra=PROGRESS)


def _run(stage: Stage, options: Options, threads: int | None) -> Outcome:
    """Run a stage where it belongs: on its pool's workers, on the engine, or here."""
    root, force = Path.cwd(), options.force
    if options.dispatch and stage.pool != HOME_POOL and is_deployed(stage.pool):
        return run_on_pool(stage, Handover.of(stage, root, has_remote=options.has_remote), force=force)
    if is_open() and not stage.stays:
        handover = Handover.of(stage, root, has_remote=options.has_remote)
        return run_on_engine(stage, handover, force=force, threads=threads)
    return reproduce(stage.address, root, force=force, threads=threads, say=get_run_logger().info)


@flow(name="stage", flow_run_name="{address}", on_running=[record_process])
def stage(address: str, *, force: bool = False, lease: str = "", handover: Handover | None = None) -> State[None]:
    """One stage, for the workers of the pool that its meta in dvc.yaml names; `address` as in ``dvc stage list``.

    lease: the token of the run that it belongs to. handover: what a worker needs whose checkout is not the run's.
    """
    os.environ[TOKEN] = lease
    if handover is None or (handover.is_of(Path.cwd()) and belongs_here(Path.cwd())):
        outcome = run_stage(Stage(address, HOME_POOL, ()), Options(force=force))
        return Completed(message=outcome.action)
    outcome, entry = run_in_clone(address, handover, Path.cwd(), force=force, say=get_run_logger().info)
    Artifact(type=ENTRY, description=f"What dvc.lock says of {address}", data=entry).create()
    return Completed(name=PUSHED, message=outcome.action)
