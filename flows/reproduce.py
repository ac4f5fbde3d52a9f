"""One stage, run by DVC in a separate process: its outcome, and its output where it failed."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

from flows.guard import guarded
from flows.rwlock import recover_rwlock
from pipeline.errors import SweepError

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

DVC_CHATTER = re.compile(r"^(Running stage '|> |ERROR: |Verifying |Updating lock file|\s*$)")
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
    say: Callable[[str], object] = lambda line: None,
) -> Outcome:
    """Bring one stage up to date: ``dvc repro --single-item ADDRESS``.

    force: run its command even where nothing changed. pull: take outputs of an equal earlier run from DVC's remote,
    too. threads: OMP_NUM_THREADS of the command (None: as inherited).
    say: called with every line of output. Raises LockedError, or StageError where the command failed.
    """
    start = perf_counter()
    recover_rwlock(root)
    options = ["--single-item", *(["--force"] if force else []), *(["--pull"] if pull else [])]
    # DVC holds its lock while it looks for what changed and while it writes dvc.lock, not while the command runs.
    command = guarded([sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *options, address])
    lines: list[str] = []
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
                lines.append(line.rstrip())
                say(lines[-1])
        finally:
            running.discard(process)
    if process.returncode:
        raise _failure(address, lines)
    return Outcome(address, _action(address, lines), perf_counter() - start)


def end_stages() -> None:
    """Ask all running stages to end; their guards end what DVC started."""
    for process in tuple(running):
        process.terminate()


def environment(threads: int | None = None) -> dict[str, str]:
    """The environment of a stage: this Python's own folder first, so that `python` in dvc.yaml is this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    # Unbuffered: output of a stage is seen while it runs, not when it ends.
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1", **limits}


def _action(address: str, lines: list[str]) -> Action:
    if f"Running stage '{address}':" in lines:
        return "ran"
    return "restored" if any(line.startswith(f"Stage '{address}' is cached") for line in lines) else "unchanged"


def _failure(address: str, lines: list[str]) -> StageError:
    text = "\n".join(lines)
    if LOCKED.search(text):
        return LockedError(f"{address}: another process holds DVC's lock:\n{text}")
    said = [line for line in lines if not DVC_CHATTER.match(line)]
    shown = said or [line for line in lines if line]  # nothing but DVC's own messages: then those give the reason
    return StageError(f"stage {address} failed:\n" + "\n".join(f"  {line}" for line in shown[-LAST_LINES:]))
