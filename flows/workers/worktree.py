"""Git: the commit that a checkout has and what differs from it, and a temporary working tree at a commit."""

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SweepError
from pipeline.registry.revision import git

FOLDER = Path(".worktrees")
SUFFIX = ".lock"


class GitError(SweepError, RuntimeError):
    """Git could not do what a worker in a clone of its own needs."""


def head(root: Path) -> str:
    """The commit that a checkout has; empty without a repository, a commit or git."""
    try:
        return _git(root, "rev-parse", "--verify", "HEAD").strip()
    except GitError:
        return ""


def changed_files(root: Path) -> tuple[str, ...]:
    """The tracked files of a checkout that differ from its commit, relative to `root`; GitError without git."""
    return tuple(name for name in _git(root, "diff", "--name-only", "--relative", "-z", "HEAD").split("\0") if name)


@contextmanager
def worktree(clone: Path, commit: str) -> Iterator[Path]:
    """Yield a temporary working tree of a clone at a commit, which is fetched where the clone does not have it.

    What killed processes left of theirs is removed first. Raises GitError where the commit cannot be had.
    """
    _obtain(clone, commit)
    _remove_left(clone)
    tree = (clone / FOLDER / uuid.uuid4().hex[:12]).resolve()
    tree.parent.mkdir(exist_ok=True)
    with _locked(tree) as free:
        assert free
        try:
            _git(clone, "worktree", "add", "--quiet", "--detach", str(tree), commit)
            yield tree
        finally:
            _remove(clone, tree)


def _obtain(clone: Path, commit: str) -> None:
    if _has(clone, commit):
        return
    _git(clone, "fetch", "--quiet", "--all")
    if not _has(clone, commit):
        raise GitError(
            f"the clone {clone.resolve()} has no commit {commit}, nor have the repositories that it fetches from; push "
            "it there (git push) and run again"
        )


def _has(clone: Path, commit: str) -> bool:
    try:
        _git(clone, "cat-file", "-e", f"{commit}^{{commit}}")
    except GitError:
        return False
    return True


def _remove_left(clone: Path) -> None:
    for path in (clone / FOLDER).glob(f"*{SUFFIX}"):
        tree = path.with_suffix("").resolve()
        with _locked(tree) as free:
            if free:
                _remove(clone, tree)


def _remove(clone: Path, tree: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)
    _git(clone, "worktree", "prune")
    tree.with_suffix(SUFFIX).unlink(missing_ok=True)


@contextmanager
def _locked(tree: Path) -> Iterator[bool]:
    """Hold a tree's lock file, and yield whether it was free: the system lets it go where the holder is killed."""
    with tree.with_suffix(SUFFIX).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _git(root: Path, *arguments: str) -> str:
    try:
        done = git(root, *arguments)
    except FileNotFoundError as error:
        raise GitError("git is not installed; install it on every machine that runs a worker") from error
    if done.returncode:
        raise GitError(f"git {' '.join(arguments)} failed in {root.resolve()}:\n{done.stderr.strip()}")
    return done.stdout
