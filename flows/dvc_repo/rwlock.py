"""DVC's list of paths in use, `.dvc/tmp/rwlock`, where its writer was killed: DVC itself would never start again."""

import json
from collections.abc import Callable
from pathlib import Path

import psutil

from pipeline.errors import SweepError

RWLOCK = Path(".dvc") / "tmp" / "rwlock"


class TornLockError(SweepError, RuntimeError):
    """A file of DVC is torn, and somebody who may be writing it is alive."""


def recover_rwlock(root: Path) -> None:
    """Remove the list where it is empty or torn, and no other DVC command runs in the checkout.

    It names paths that live processes use; without any there is nothing to name. Raises TornLockError where a DVC
    command runs: it may be in the middle of writing.
    """
    path = root / RWLOCK
    if is_torn(path, _is_whole, root):
        path.unlink(missing_ok=True)


def is_torn(path: Path, is_whole: Callable[[Path], bool], root: Path) -> bool:
    """Whether a file of DVC is torn, and nobody can be writing it; TornLockError where a DVC command runs."""
    if is_whole(path):
        return False
    if alive := dvc_processes(root):
        if is_whole(path):  # it was being written
            return False
        raise TornLockError(
            f"{path} is torn, and DVC runs in this checkout (processes {alive}); wait until they have ended, then run "
            "again: it is mended then"
        )
    return True


def _is_whole(path: Path) -> bool:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return isinstance(document, dict)


def dvc_processes(root: Path) -> list[int]:
    """The ids of the DVC commands that run with the checkout, or a folder in it, as their working directory."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command, folder = process.info["cmdline"] or [], process.info["cwd"]
        if folder and _is_dvc(command) and Path(folder).resolve().is_relative_to(root.resolve()):
            found.append(process.pid)
    return sorted(found)


def _is_dvc(command: list[str]) -> bool:
    names = [Path(word).name for word in command[:3]]
    return "dvc" in names[:2] or names[1:3] in (["-m", "dvc"], ["-m", "flows.dvc_repo.process"])
