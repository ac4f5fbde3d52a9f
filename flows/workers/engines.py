"""Stages on a cluster of Dask or Ray, through Prefect's task runners: the machines of an engine that is there already.

A stage runs in a process of the cluster. One that sees the run's checkout works in it; any other works in a clone of
its own, which SWEEP_CHECKOUT names, and hands its outputs over by DVC's remote (`flows.workers.own_clone`).
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.dvc_repo.graph import Stage
from flows.dvc_repo.lock_file import Entry
from flows.dvc_repo.reproduce import THREADS, Outcome, reproduce
from flows.environment import CHECKOUT
from flows.parameters import EngineName
from flows.workers.own_clone import Handover, orders, run_in_clone, take_over
from pipeline.errors import ConfigurationError
from pipeline.storage.lease import TOKEN, belongs_here

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner


ENGINES_LIMITS = (THREADS, "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Engines set these to 1 in their processes. How many threads a stage has is the run's to say: sums of floating-point
numbers differ with it, and a stage gives the same result wherever it runs."""

_open: "ContextVar[TaskRunner[Any] | None]" = ContextVar("engine", default=None)
"""No parameter of tasks: Prefect would send those of the task that waits to the process that works."""


@contextmanager
def open_engine(name: EngineName, cluster: str | None, processes: int) -> Iterator[None]:
    """While this lasts, `run_on_engine` has processes to send stages to; with threads, it has none.

    cluster: its address; None for one on this machine, with so many processes, that ends with the run. Raises
    ConfigurationError where the engine is not installed.
    """
    os.environ.setdefault(CHECKOUT, str(Path.cwd()))  # for the processes of a cluster that starts here
    with _task_runner(name, cluster, processes) as engine:
        token = _open.set(engine)
        try:
            yield
        finally:
            _open.reset(token)


def _task_runner(
    name: EngineName, cluster: str | None, processes: int
) -> "AbstractContextManager[TaskRunner[Any] | None]":
    try:
        match name:
            case "threads":
                return nullcontext()
            case "dask":
                from prefect_dask.task_runners import DaskTaskRunner

                local = {"n_workers": processes, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
                return DaskTaskRunner(address=cluster) if cluster else DaskTaskRunner(cluster_kwargs=local)
            case "ray":
                from prefect_ray import RayTaskRunner

                runner: TaskRunner[Any] = RayTaskRunner(cluster, {"num_cpus": processes} if cluster is None else {})
                return runner
    except ImportError as error:
        raise ConfigurationError(
            f"runner = {name!r}: {error.name} is not installed; install the extra: pip install -e '.[{name}]'"
        ) from error


def is_open() -> bool:
    """Whether there is an engine to send stages to."""
    return _open.get() is not None


def run_on_engine(stage: Stage, handover: Handover, *, force: bool, threads: int | None) -> Outcome:
    """Run a stage in a process of the open engine and wait for it; outputs of another clone are fetched."""
    engine = _open.get()
    assert engine is not None
    start = perf_counter()
    if threads is None and (own := os.environ.get(THREADS)):
        threads = int(own)
    parameters = {**orders(stage, handover, force=force), "threads": threads}
    outcome, entry = engine.submit(_run_there, parameters).result()
    if entry is not None:
        take_over(Path.cwd(), stage.address, entry)
    return Outcome(stage.address, outcome.action, perf_counter() - start)


@task(name="on-engine", task_run_name="{address}", cache_policy=NO_CACHE)
def _run_there(
    address: str, handover: Handover, lease: str, *, force: bool, threads: int | None
) -> tuple[Outcome, Entry | None]:
    """In a process of the cluster: the stage's outcome, and its entry of dvc.lock where it ran in a clone."""
    os.environ[TOKEN] = lease
    for name in ENGINES_LIMITS:
        os.environ.pop(name, None)
    say = get_run_logger().info
    checkout = Path(os.environ.get(CHECKOUT) or Path.cwd())
    if handover.is_of(checkout) and belongs_here(checkout):
        return reproduce(address, checkout, force=force, threads=threads, say=say), None
    return run_in_clone(address, handover, checkout, force=force, say=say)
