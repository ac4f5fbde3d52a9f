"""The git revision of a checkout; read only."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Revision:
    """A commit's hash, or why there is none; dirty: "true" (changed or new files), "false", "unknown" without one."""

    commit: str
    dirty: str


def read_revision(root: Path) -> Revision:
    """The revision that `root` has checked out, and whether the tree differs from it; no repository is not an error."""
    try:
        head = _git(root, "rev-parse", "--verify", "HEAD")
        status = _git(root, "status", "--porcelain")
    except FileNotFoundError:
        return Revision("none: git is not installed", "unknown")
    if head.returncode or status.returncode:
        fault = (head.stderr or status.stderr).strip().splitlines()
        return Revision(f"none: {fault[0] if fault else 'git failed'}", "unknown")
    return Revision(head.stdout.strip(), "true" if status.stdout.strip() else "false")


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without optional locks, reading the status never disturbs a git command that runs beside it.
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
