"""Who may write in a checkout: one run at a time, or the stages of ``dvc repro``, which exclude each other by DVC.

A run holds the lease alone, by an exclusive lock (flock) on a file; a stage's command that no run started holds it with
others of its kind, by a shared lock. The operating system lets a lock go when its process ends, however it ends, so
that a dead holder's lease is free at once, and a living one's is never taken. Over a file system that another machine
mounts, locks may not reach so far: a run also writes who it is, and touches that file every few seconds. What another
machine wrote counts until it was seen to stay untouched for EXPIRY seconds.

A run tells its own stages by an environment variable that they belong to it.
"""

import fcntl
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import SweepError
from pipeline.storage.atomic import write_json

FOLDER = Path(".lease")
LOCK, HOLDER = FOLDER / "lock", FOLDER / "holder.json"
TOKEN = "SWEEP_LEASE"
"""The environment variable by which a run's own stages know it."""
BEAT, EXPIRY, PATIENCE = 5.0, 60.0, 1.0
"""Seconds: between two touches of the holder's file; until another machine's is taken for dead; between two tries."""

Say = Callable[[str], object]


class BusyError(SweepError, RuntimeError):
    """Somebody else is writing in this checkout."""


@dataclass(frozen=True)
class Holder:
    """A run that holds the lease: what it is, on which machine, its process, since when (UTC), and its token."""

    what: str
    host: str
    pid: int
    since: str
    token: str

    @classmethod
    def here(cls, what: str) -> "Holder":
        """This process, from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(what, socket.gethostname(), os.getpid(), since, uuid.uuid4().hex)

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid} on {self.host}, since {self.since})"


@contextmanager
def run_lease(root: Path, what: str, *, wait: bool = True, say: Say = lambda line: None) -> Iterator[None]:
    """Hold the lease of the checkout at `root` alone; within a run that holds it, do nothing more.

    what: of this run, for others to read. wait: queue while somebody else holds it, and `say` so once for each holder;
    else raise BusyError at once.
    """
    if belongs(root):
        yield
        return
    holder, path = Holder.here(what), root / HOLDER
    with _locked(root, fcntl.LOCK_EX, wait=wait, say=say):
        write_json(path, asdict(holder))
        os.environ[TOKEN] = holder.token
        ended = threading.Event()
        heart = threading.Thread(target=_beat, args=(path, ended), daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()
            del os.environ[TOKEN]
            path.unlink(missing_ok=True)


@contextmanager
def stage_lease(root: Path) -> Iterator[None]:
    """Hold the lease together with other stages; within a run that holds it, do nothing more.

    Raises BusyError while a run holds it, which this process does not belong to: to wait here could stop both, since
    whoever calls a stage holds locks of its own.
    """
    if belongs(root):
        yield
        return
    with _locked(root, fcntl.LOCK_SH, wait=False, say=lambda line: None):
        yield


def belongs(root: Path) -> bool:
    """Whether this process was started by the run that holds the lease."""
    holder = _holder(root)
    return holder is not None and os.environ.get(TOKEN) == holder.token


def belongs_here(root: Path) -> bool:
    """As `belongs`, and the run is on this machine: processes of another one cannot be seen, nor their locks."""
    holder = _holder(root)
    return holder is not None and os.environ.get(TOKEN) == holder.token and holder.host == socket.gethostname()


@contextmanager
def _locked(root: Path, kind: int, *, wait: bool, say: Say) -> Iterator[None]:
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    with (root / LOCK).open("ab") as lock:
        known: dict[str, float] = {}
        told = ""
        while (busy := _try(root, lock.fileno(), kind, known)) is not None:
            if not wait:
                raise BusyError(f"{busy}; wait until that has ended")
            if busy != told:
                say(f"Waiting: {busy}.")
                told = busy
            time.sleep(PATIENCE)
        yield  # closing the file lets the lock go


def _try(root: Path, lock: int, kind: int, known: dict[str, float]) -> str | None:
    """Lock, or say who holds the lease; known: when files of another machine were first seen as they are."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(root)
        return f"this checkout is in use by {holder or 'stages that dvc repro runs'}"
    holder = _holder(root)
    if holder is None or holder.host == socket.gethostname() or _seems_dead(root / HOLDER, known):
        return None
    fcntl.flock(lock, fcntl.LOCK_UN)
    return f"this checkout is in use by {holder}"


def _seems_dead(path: Path, known: dict[str, float]) -> bool:
    """Whether a holder's file has stayed untouched for EXPIRY seconds of this machine's clock."""
    try:
        state = str(path.stat().st_mtime_ns)
    except FileNotFoundError:
        return True
    first = known.setdefault(state, time.monotonic())
    return time.monotonic() - first > EXPIRY


def _holder(root: Path) -> Holder | None:
    """Who wrote the holder's file; None where nobody did."""
    try:
        return TypeAdapter(Holder).validate_json((root / HOLDER).read_bytes())
    except (FileNotFoundError, ValidationError):  # written by another version, whose lock counts all the same
        return None


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        if path.exists():
            os.utime(path)
