"""The main flow: from params.yaml to a registered surrogate, by the stages of dvc.yaml."""

import math
import os
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.disk import watching_disk
from flows.dvc_repo.graph import HOME_POOL, Stage, Survey, grouped
from flows.dvc_repo.remote import push
from flows.dvc_repo.reproduce import Outcome, StageError
from flows.interrupts import end_at_once, ending_stages
from flows.parameters import SweepRun
from flows.report.summary import Summary, publish, read_registration, summarise
from flows.report.terminal import PROGRESS
from flows.selection import select
from flows.server.zombies import record_process
from flows.stage import Options, run_group, run_stage
from flows.unchanged import check_current, check_params, digest_of_params, is_registered, recovered_survey
from flows.workers.engines import open_engine
from pipeline.errors import SweepError
from pipeline.storage.atomic import remove_left
from pipeline.storage.lease import run_lease

REGISTER = "register"
FEW, SHARES, MOST = 8, 4, 50
"""For every stage at a time: so many of one kind run in processes of their own, more of them in so many groups; and the
largest group."""
REFUSED = "NotPromoted"
"""The name of the state of a run whose surrogate does not pass its gates."""
AS_IT_IS = SweepRun()


@flow(name="sweep-to-surrogate", on_running=[record_process])
def sweep_to_surrogate(run: SweepRun = AS_IT_IS, *, dispatch: bool = False) -> Summary | State[Summary]:
    """Train, harvest, fit, validate, register: every stage that DVC calls out of date, in the order of its graph.

    Runs in the root of the checkout. Raises a SweepError before anything is trained where params.yaml, the preset or
    the source data are invalid, and StageError where a stage failed; the outputs of stages that finished are kept.

    dispatch: send stages of another pool (fit, validate: gpu) to that pool's workers; deployments say so, not runs.

    A surrogate that does not pass its gates is a result: the run is completed, and its state is called NotPromoted.
    """
    root = Path.cwd()
    with (
        run_lease(root, f"flow run {flow_run.name}", wait=run.wait, say=_say),
        ending_stages(),
        watching_disk(root, end_at_once),
    ):
        folder = root / "data" / select(run, root).name
        remove_left(folder)
        outcomes = bring_up_to_date(root, folder, run, dispatch=dispatch)
        summary = summarise(folder, outcomes.values())
    publish(summary)
    if not summary.registration.passed:
        return Completed(name=REFUSED, message=summary.registration.reason, data=summary)
    return summary


def bring_up_to_date(root: Path, folder: Path, run: SweepRun, *, dispatch: bool) -> dict[str, Outcome]:
    """Run what is out of date, and make sure that it is up to date then; the outcome of every stage.

    Raises ChangedError where params.yaml, code or data were changed meanwhile.
    """
    params = digest_of_params(root)
    outcomes = run_stages(look(), run, params, dispatch=dispatch)
    if outcomes[REGISTER].action != "ran" and not is_registered(root, read_registration(folder)):
        # A new MLflow store is empty while DVC is up to date, or has the registration's file in its cache.
        outcomes[REGISTER] = run_stage(Stage(REGISTER, HOME_POOL, ()), Options(force=True))
    if any(outcome.action != "unchanged" for outcome in outcomes.values()):
        check_current(look().stale)
    check_params(root, params)
    return outcomes


def _say(line: str) -> None:
    get_run_logger().info(line, extra=PROGRESS)


@task(cache_policy=NO_CACHE)
def look() -> Survey:
    """Read DVC's graph, and what is out of date."""
    return recovered_survey(Path.cwd(), _say)


def run_stages(surveyed: Survey, run: SweepRun, params: str, *, dispatch: bool = False) -> dict[str, Outcome]:
    """Run the stale stages and what follows from them; the outcome of every stage of the graph, in its order.

    params: the digest of params.yaml, which has to stay the same.
    """
    graph = surveyed.graph
    stale = frozenset(s.address for s in graph.stages) if run.force else surveyed.stale
    affected = graph.affected(stale)
    workers = run.max_parallel or len(os.sched_getaffinity(0))
    published = _published(affected, run, dispatch=dispatch) if surveyed.has_remote else frozenset()
    options = Options(run.force, dispatch, surveyed.has_remote, params)
    # The cluster has its own limits: here, there is a thread for every stage that waits for it.
    waiting = len(affected) or 1 if run.cluster and run.max_parallel is None else workers
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=waiting)
    futures: dict[str, PrefectFuture[Any]] = {}
    # First in, first out, dependencies first: a stage that waits never holds the thread of one that it waits for.
    with open_engine(run.runner, run.cluster, workers), runner:
        push(Path.cwd(), sorted(published - {stage.address for stage in affected}))
        for group in grouped(affected, partial(_group_size, run, workers, dispatch)):
            # With stages in parallel, more than one thread each would only slow them down.
            threads = 1 if workers > 1 and graph.has_company(group[0]) else None
            called, parameters = _task_of(group, stale, threads)
            before = [futures[name] for stage in group for name in stage.depends_on if name in futures]
            parameters |= {
                "options": options,
                "publish": not published.isdisjoint(stage.address for stage in group),
                "upstream": list(dict.fromkeys(before)),
            }
            futures |= dict.fromkeys([stage.address for stage in group], runner.submit(called, parameters))
        for future in futures.values():
            future.wait()
    results = dict.fromkeys(futures.values())
    _raise_failures(results)
    unchanged = {s.address: Outcome(s.address, "unchanged", 0.0) for s in graph.stages}
    return unchanged | {outcome.address: outcome for future in results for outcome in _outcomes(future.result())}


def _task_of(
    group: Sequence[Stage], stale: Collection[str], threads: int | None
) -> tuple[Task[..., Any], dict[str, Any]]:
    """The task that runs a group of stages, and the parameters by which it knows them."""
    if len(group) == 1:
        (stage,) = group
        return run_stage, {"stage": stage, "stale": stage.address in stale, "threads": threads}
    name = f"{group[0].address} and {len(group) - 1} more"
    return run_group, {"name": name, "stages": group, "stale": stale, "threads": threads}


def _group_size(run: SweepRun, workers: int, dispatch: bool, stages: Sequence[Stage]) -> int:
    """How many of these stages of one kind run in one process of DVC: one, unless they run here and are many."""
    leave = run.runner != "threads" or (dispatch and stages[0].pool != HOME_POOL)
    if leave or len(stages) <= FEW * workers:
        return 1
    return min(MOST, math.ceil(len(stages) / (SHARES * workers)))


def _outcomes(result: Outcome | list[Outcome]) -> list[Outcome]:
    return [result] if isinstance(result, Outcome) else result


def _published(stages: Iterable[Stage], run: SweepRun, *, dispatch: bool) -> frozenset[str]:
    """The addresses of the stages whose outputs go to DVC's remote: processes in clones of their own may read them."""

    def leaves(stage: Stage) -> bool:
        return (dispatch and stage.pool != HOME_POOL) or (run.cluster is not None and not stage.stays)

    return frozenset(before for stage in stages if leaves(stage) for before in stage.depends_on)


def _raise_failures(futures: Iterable[PrefectFuture[Any]]) -> None:
    """Raise the errors of failed stages. Stages that were not started because of these are not reported."""
    failures: list[SweepError] = []
    for future in futures:
        if future.state.is_failed() or future.state.is_crashed():
            try:
                future.result()
            except SweepError as error:
                failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise StageError("\n".join(map(str, failures)))
