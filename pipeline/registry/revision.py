"""The git revision of a checkout; read only."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN = 20
"""Paths that are named; a tag of MLflow holds a few thousand characters."""


@dataclass(frozen=True)
class Revision:
    """A commit's hash, or why there is none; dirty: "true" (changed or new files), "false", "unknown" without one.

    changes: the paths, relative to the repository's root, that make it dirty.
    """

    commit: str
    dirty: str
    changes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The changes on one line, the first ones where there are many."""
        further = len(self.changes) - SHOWN
        return ", ".join(self.changes[:SHOWN]) + (f" and {further} more" if further > 0 else "")


def read_revision(root: Path, recorded: Sequence[Path] = ()) -> Revision:
    """The revision that `root` has checked out, and whether the tree differs from it; no repository is not an error.

    recorded: files that do not count, because their content is kept elsewhere: a run itself changes them.
    """
    try:
        head = git(root, "rev-parse", "--verify", "HEAD")
        top = git(root, "rev-parse", "--show-toplevel")
        status = git(root, "status", "--porcelain", "-z", "--no-renames")
    except FileNotFoundError:
        return Revision("none: git is not installed", "unknown")
    if head.returncode or status.returncode:
        fault = (head.stderr or status.stderr).strip().splitlines()
        return Revision(f"none: {fault[0] if fault else 'git failed'}", "unknown")
    kept = {path.resolve() for path in recorded}
    found = [entry[3:] for entry in status.stdout.split("\0") if entry]  # two letters and a blank, then the path
    changes = tuple(path for path in found if (Path(top.stdout.strip()) / path).resolve() not in kept)
    return Revision(head.stdout.strip(), "true" if changes else "false", changes)


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in a checkout; FileNotFoundError where it is not installed."""
    # Without optional locks, reading the status never disturbs a git command that runs beside it.
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
