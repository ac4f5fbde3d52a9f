"""One stage, run by DVC in a separate process: its outcome, and its output where it failed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

from flows.dvc_repo.rwlock import recover_rwlock
from flows.guard import KILLED, guarded
from pipeline.errors import SweepError

Say = Callable[[str], object]

THREADS = "OMP_NUM_THREADS"
"""Environment variable: how many threads a stage's command may use."""

running: "set[subprocess.Popen[str]]" = set()
"""The stages that this process waits for."""

Action = Literal["ran", "restored", "unchanged"]
"""ran: its command was executed; restored: outputs of an equal earlier run came from DVC's cache."""

LOCKED = re.compile(
    r"^ERROR: (?:failed to reproduce '[^']*': )?"
    r"(?:Unable to acquire lock|'[^']*' is busy, it is (?:being )?blocked by|Unable to read RWLock-file)",
    re.MULTILINE,
)
"""DVC's messages where another process holds the repository or a path in it, or was killed as it wrote that down."""

DVC_CHATTER = re.compile(r"^(Running stage '|> |ERROR: |WARNING: failed to run: |Verifying |Updating lock file|\s*$)")
BEGUN = re.compile(r"^(?:Running stage|Stage) '(?P<address>[^']+)'(?::$| is cached)")
FAILED = re.compile(r"^ERROR: failed to reproduce '([^']+)'", re.MULTILINE)
LAST_LINES = 12


class StageError(SweepError, RuntimeError):
    """A stage's command failed; the message ends with the last lines that it printed."""


class LockedError(StageError):
    """DVC did not get one of its locks: the stage did not start, and may be tried again."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a stage. seconds: wall time, including DVC's own."""

    address: str
    action: Action
    seconds: float


def reproduce(
    address: str,
    root: Path,
    *,
    force: bool = False,
    pull: bool = False,
    threads: int | None = None,
    say: Say = lambda line: None,
) -> Outcome:
    """Bring one stage up to date: ``dvc repro --single-item ADDRESS``.

    force: run its command even where nothing changed. pull: take outputs of an equal earlier run from DVC's remote,
    too. threads: OMP_NUM_THREADS of the command (None: as inherited). say: called with every line of output. Raises
    LockedError, or StageError where the command failed.
    """
    (outcome,) = reproduce_all([address], root, force=force, pull=pull, threads=threads, say=say)
    return outcome


def reproduce_all(
    addresses: Sequence[str],
    root: Path,
    *,
    force: bool = False,
    pull: bool = False,
    threads: int | None = None,
    say: Say = lambda line: None,
) -> list[Outcome]:
    """As `reproduce`, one stage after another, in one process of DVC; none may depend on another.

    Where one fails, the others are run all the same.
    """
    start = perf_counter()
    recover_rwlock(root)
    several = ["--keep-going"] if len(addresses) > 1 else []
    options = ["--single-item", *several, *(["--force"] if force else []), *(["--pull"] if pull else [])]
    # DVC holds its lock while it looks for what changed and while dvc.lock is written, not while the command runs.
    lines: list[tuple[float, str]] = []

    def hear(line: str) -> None:
        lines.append((perf_counter(), line))
        say(line)

    if status := call_dvc(["--wait-for-lock", "repro", *options, *addresses], root, threads=threads, say=hear):
        if status - KILLED in signal.valid_signals():
            hear(f"DVC was killed by signal {status - KILLED}; where nobody did so, the machine ran out of memory")
        raise _failure(addresses, [line for _, line in lines])
    return _outcomes(addresses, lines, start, perf_counter())


def call_dvc(arguments: Sequence[str], root: Path, *, threads: int | None = None, say: Say) -> int:
    """Run DVC in the checkout at `root`, in a process that ends with this one; its exit status."""
    # By its name: in a working tree of another commit, DVC and stages come from there.
    command = guarded([sys.executable, "-m", "flows.dvc_repo.process", *arguments])
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment(threads),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        running.add(process)
        try:
            for line in process.stdout:
                say(line.rstrip())
        finally:
            running.discard(process)
    return process.returncode


def end_stages() -> None:
    """Ask all running stages to end; their guards end what DVC started."""
    for process in tuple(running):
        process.terminate()


def environment(threads: int | None = None) -> dict[str, str]:
    """The environment of a stage: this Python's own folder first, so that `python` in dvc.yaml is this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    limits = {} if threads is None else {THREADS: str(threads)}
    # Unbuffered: output of a stage is seen while it runs, not when it ends.
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1", **limits}


def _outcomes(addresses: Sequence[str], lines: Sequence[tuple[float, str]], start: float, end: float) -> list[Outcome]:
    """What became of every stage. A stage takes until the next one begins; the first one's time has DVC's own start."""
    begun: dict[str, tuple[float, Action]] = {}
    for when, line in lines:
        if (found := BEGUN.match(line)) and found["address"] in addresses:
            begun[found["address"]] = (when, "ran" if line.startswith("Running") else "restored")
    moments = [start, *[when for when, _ in list(begun.values())[1:]], end]
    seconds = {address: moments[i + 1] - moments[i] for i, address in enumerate(begun)}
    return [
        Outcome(address, begun[address][1], seconds[address])
        if address in begun
        else Outcome(address, "unchanged", end - start if len(addresses) == 1 else 0.0)
        for address in addresses
    ]


def _failure(addresses: Sequence[str], lines: list[str]) -> StageError:
    text, which = "\n".join(lines), ", ".join(addresses)
    if LOCKED.search(text):
        return LockedError(f"{which}: another process holds DVC's lock:\n{text}")
    failed = list(dict.fromkeys(FAILED.findall(text))) if len(addresses) > 1 else []
    lines = [line for address in failed for line in _said_by(address, lines)] or lines
    said = [line for line in lines if not DVC_CHATTER.match(line)]
    shown = said or [line for line in lines if line]  # nothing but DVC's own messages: then those give the reason
    return StageError(
        f"stage {', '.join(failed) or which} failed:\n" + "\n".join(f"  {line}" for line in shown[-LAST_LINES:])
    )


def _said_by(address: str, lines: list[str]) -> list[str]:
    """The lines of one stage among those of several."""
    own, said = False, []
    for line in lines:
        if found := BEGUN.match(line):
            own = found["address"] == address
        elif own:
            said.append(line)
    return said
