"""Flow runs whose process is gone: they are set to Crashed, which frees the concurrency slots that they hold.

Prefect learns of a run's end from its process, or from the worker that started it. Where both are killed, the run stays
Running for ever. Every run records on which host and in which process it works (`record_process`), so that this host
can say of its own runs whether they live. Of runs of other hosts it says nothing: they are left as they are, and
Prefect's heartbeats watch them (`flows.server.automations`).
"""

import hashlib
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.client.schemas.responses import DeploymentResponse

LABEL = "sweep."
"""Begins the names of the labels by which a flow run says where it works."""
RUN_ID = "PREFECT__FLOW_RUN_ID"
"""The environment variable by which a worker tells a process which flow run it is."""
GRACE = timedelta(minutes=2)
"""A worker that sent its last heartbeat so long before a run began may still have taken it."""
PAGE = 200
"""Flow runs that a server hands out at once."""
MESSAGE = "Its process is gone: host {host} was restarted, or the process was killed."


def this_host() -> str:
    """This machine's name, with the id that its operating system has where there is one: names are used twice."""
    machine = Path("/etc/machine-id")
    known = machine.read_text(encoding="utf-8").strip() if machine.is_file() else ""
    return f"{socket.gethostname()} {known[:12]}".strip()


@dataclass(frozen=True)
class Whereabouts:
    """Where a flow run works. created: the start of the process in seconds, since process ids are used again."""

    host: str
    pid: int
    created: float

    @classmethod
    def here(cls) -> Self:
        """This process."""
        process = psutil.Process()
        return cls(this_host(), process.pid, process.create_time())

    @classmethod
    def of(cls, run: "FlowRun") -> "Whereabouts | None":
        """What a run recorded; None where it has not come so far, or is of another version of this project."""
        labels = {name.removeprefix(LABEL): value for name, value in run.labels.items() if name.startswith(LABEL)}
        try:
            return TypeAdapter(Whereabouts).validate_python(labels)
        except ValidationError:
            return None

    @property
    def alive(self) -> bool:
        """Whether the process, which is one of this host, still runs."""
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def record_process(flow: "Flow[..., Any]", flow_run: "FlowRun", state: "State[Any]") -> None:
    """Write into a flow run's labels where it works; Prefect calls this where a run of a flow begins."""
    from prefect.client.orchestration import get_client

    labels = {f"{LABEL}{name}": value for name, value in asdict(Whereabouts.here()).items()}
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(flow_run.id, labels)


def worker_name(pool: str, root: Path) -> str:
    """The name of the worker of a pool for the checkout at `root` on this host."""
    checkout = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:6]
    return f"{pool} on {this_host()} in {root.name} {checkout}"


def crash_dead_runs(client: "SyncPrefectClient", root: Path, pools: Collection[str]) -> tuple[str, ...]:
    """Set runs whose process on this host is gone to Crashed; their names.

    pools: those whose worker of the checkout at `root` does not run. A run that has not recorded where it works counts
    as dead where no process of this host is about it, it is of one of these pools, and no other worker can have it.
    """
    about, idle = set(_runs_of_processes()), {pool: worker_name(pool, root) for pool in pools}
    dead = [run for run in _unfinished(client) if _is_dead(client, run, idle, about)]
    for run in dead:
        _crash(client, run)
    return tuple(run.name for run in dead)


def free_slots(client: "SyncPrefectClient") -> tuple[str, ...]:
    """Take back the slots of deployments that no run holds; the names of these deployments.

    A server that kept leases in memory alone, as versions of this project before did, forgot them when it was killed.
    """
    holders = [run.deployment_id for run in _unfinished(client)]
    return tuple(d.name for d in client.read_deployments(limit=PAGE) if _freed(client, d, holders.count(d.id)))


def _freed(client: "SyncPrefectClient", deployment: "DeploymentResponse", held: int) -> bool:
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    limit = deployment.global_concurrency_limit
    if limit is None or limit.active_slots <= held:
        return False
    client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=held))
    return True


def _unfinished(client: "SyncPrefectClient") -> "list[FlowRun]":
    """The runs that hold a slot."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType

    types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    states = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)))
    found: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=states, limit=PAGE, offset=len(found)):
        found += page
    return found


def _is_dead(client: "SyncPrefectClient", run: "FlowRun", idle: Mapping[str, str], about: set[str]) -> bool:
    """idle: this checkout's workers that do not run, by their pools. about: runs that processes here are about."""
    from prefect.client.schemas.objects import StateType

    where = Whereabouts.of(run)
    if where is not None and run.state_type != StateType.PENDING:  # of one that begins again, it is of the last time
        return where.host == this_host() and not where.alive
    pool = run.work_pool_name or ""
    return pool in idle and str(run.id) not in about and not _has_strangers(client, run, pool, idle[pool])


def _has_strangers(client: "SyncPrefectClient", run: "FlowRun", pool: str, own: str) -> bool:
    """Whether a worker of the pool that is not this checkout's own was there when a run began."""
    began = (run.state.timestamp if run.state else None) or datetime.now(UTC)
    workers = (w for w in client.read_workers_for_work_pool(pool) if w.name != own)
    return any(w.last_heartbeat_time is None or w.last_heartbeat_time > began - GRACE for w in workers)


def _runs_of_processes() -> Iterator[str]:
    """The ids of the flow runs that this user's processes on this host are about."""
    for process in psutil.process_iter():
        try:
            if run := process.environ().get(RUN_ID):
                yield run
        except psutil.Error:  # it has ended, or is another user's
            continue


def _crash(client: "SyncPrefectClient", run: "FlowRun") -> None:
    from prefect.states import Crashed

    client.set_flow_run_state(run.id, Crashed(message=MESSAGE.format(host=socket.gethostname())), force=True)
