"""DVC's remote storage, over which checkouts on different machines hand one another the outputs of stages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.dvc_repo.reproduce import LAST_LINES, StageError, call_dvc


class RemoteError(StageError):
    """Outputs could not be sent to the remote, or are not there."""


def push(root: Path, targets: Sequence[str]) -> None:
    """Send the outputs of these stages and data files to the remote; RemoteError where that fails."""
    _dvc(root, "push", targets)


def pull(root: Path, targets: Sequence[str]) -> None:
    """Fetch the outputs of these stages and data files into their places; RemoteError where one is missing."""
    _dvc(root, "pull", targets)


def _dvc(root: Path, command: str, targets: Sequence[str]) -> None:
    if not targets:
        return
    lines: list[str] = []
    if call_dvc(["--wait-for-lock", command, *targets], root, say=lines.append):
        last = "\n".join(f"  {line}" for line in lines[-LAST_LINES:])
        raise RemoteError(f"dvc {command} {' '.join(targets)} failed:\n{last}")


def fetch_earlier_runs(root: Path, address: str) -> None:
    """Fetch what the remote knows of earlier runs of this stage with the inputs that it has here.

    DVC's own `fetch --run-cache` copies the records of all stages there ever were, every time.
    """
    _copy_runs(root, address, to_remote=False)


def push_runs(root: Path, address: str) -> None:
    """Tell the remote of the run of this stage, whose outputs it has."""
    _copy_runs(root, address, to_remote=True)


def _copy_runs(root: Path, address: str, *, to_remote: bool) -> None:
    from dvc.repo import Repo, lock_repo
    from dvc_objects.fs.generic import copy

    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
        stores = [repo.cache.legacy, repo.cloud.get_remote_odb(hash_name="md5-dos2unix")]
        source, target = stores if to_remote else reversed(stores)
        folder = _runs_of(repo, address)
        if folder is None or not source.fs.exists(known := source.fs.join(source.path, *folder)):
            return
        for path in source.fs.find(known):
            copied = target.fs.join(target.path, *folder, source.fs.name(path))
            target.fs.makedirs(target.fs.parent(copied), exist_ok=True)
            copy(source.fs, path, target.fs, copied)


def _runs_of(repo: Any, address: str) -> tuple[str, ...] | None:
    """Where DVC files the runs of a stage with its present inputs; None for a stage whose runs it does not file."""
    from dvc.stage.cache import _can_hash, _get_stage_hash

    stage = repo.stage.load_one(str(Path(repo.root_dir) / "dvc.yaml"), address)  # whatever the working directory is
    stage.save_deps()
    if not _can_hash(stage):
        return None
    key = str(_get_stage_hash(stage))
    return "runs", key[:2], key
