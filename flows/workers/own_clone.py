"""A stage that runs in another clone, perhaps on another machine: what it is given, and what comes back.

Nothing is shared but git, DVC's remote and Prefect's server. The run hands over its commit, params.yaml and the digests
of what the stage reads; the worker checks these out beside its clone, runs the stage there, sends its outputs to the
remote, and returns the stage's entry of dvc.lock, which says what they are.
"""

import hashlib
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from flows.dvc_repo.graph import Stage
from flows.dvc_repo.lock_file import LOCK, Entry, read_entries, write_entries
from flows.dvc_repo.remote import fetch_earlier_runs, pull, push, push_runs
from flows.dvc_repo.reproduce import Outcome, StageError, reproduce
from flows.workers.worktree import changed_files, head, worktree
from pipeline.stages.params import PARAMS
from pipeline.storage.atomic import write_text
from pipeline.storage.checkpoint_files import clear_old
from pipeline.storage.lease import TOKEN
from pipeline.storage.stage_work import FOLDER as CHECKPOINTS

OWN_FILES = {str(PARAMS), LOCK}
"""Files that differ from the commit as a rule, and are handed over."""


class CloneError(StageError):
    """A worker in a clone of its own cannot have what a stage needs."""


class Handover(BaseModel):
    """What a worker in a clone of its own needs to know of a run's checkout.

    host, folder: the checkout. commit: of its code; empty without git. changed: files of the stage, or dvc.yaml, that
    differ from the commit. params: the text of params.yaml. inputs: the entries of dvc.lock of the stages whose outputs
    are read. data_files: tracked data files (``*.dvc``) that are read. has_remote: whether the checkout has a remote.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    folder: str
    commit: str
    changed: tuple[str, ...]
    params: str
    inputs: dict[str, Entry]
    data_files: tuple[str, ...]
    has_remote: bool

    @classmethod
    def of(cls, stage: Stage, root: Path, *, has_remote: bool) -> "Handover":
        """What the checkout at `root` hands over for a stage."""
        entries = read_entries(root, stage.depends_on)
        commit = head(root)
        return cls(
            host=socket.gethostname(),
            folder=str(root.resolve()),
            commit=commit,
            changed=tuple(_read_by(stage, changed_files(root))) if commit else (),
            params=(root / PARAMS).read_text(encoding="utf-8"),
            inputs={name: {"cmd": entry["cmd"], "outs": entry.get("outs", [])} for name, entry in entries.items()},
            data_files=stage.data_files,
            has_remote=has_remote,
        )

    def is_of(self, checkout: Path) -> bool:
        """Whether this checkout is the run's own."""
        return self.host == socket.gethostname() and Path(self.folder) == checkout.resolve()

    def check(self) -> None:
        """Raise CloneError where a worker in another clone cannot have the run's code or data."""
        place = f"this worker has a clone of its own on {socket.gethostname()}, and the run's checkout {self}"
        if not self.commit:
            raise CloneError(f"{place} is no git repository with a commit; make it one, or start the worker in it")
        if self.changed:
            raise CloneError(
                f"{place} has changes that are not committed: {', '.join(self.changed)}; commit and push them, or run "
                "without dispatch"
            )
        if not self.has_remote:
            raise CloneError(
                f"{place} has no DVC remote; give both the same one: dvc remote add --local --default NAME URL"
            )

    def __str__(self) -> str:
        return f"{self.folder} on {self.host}"


def _read_by(stage: Stage, files: Sequence[str]) -> list[str]:
    read = [Path(path) for path in (*stage.reads, "dvc.yaml")]
    return [f for f in files if f not in OWN_FILES and any(Path(f).is_relative_to(path) for path in read)]


def orders(stage: Stage, handover: Handover, *, force: bool) -> dict[str, Any]:
    """What is sent to whoever runs a stage of this process's run; lease: the token by which its stages know it."""
    return {"address": stage.address, "handover": handover, "lease": os.environ.get(TOKEN, ""), "force": force}


def run_in_clone(
    address: str, handover: Handover, clone: Path, *, force: bool, say: Callable[[str], object]
) -> tuple[Outcome, Entry]:
    """Bring one stage up to date in a temporary working tree of this clone; its outcome, and its entry of dvc.lock.

    Outputs of an equal earlier run are taken from the remote. Raises CloneError, GitError, RemoteError, and StageError
    where the command failed.
    """
    handover.check()
    with worktree(clone, handover.commit) as tree:
        _configure(clone, tree)
        (tree / CHECKPOINTS).symlink_to(_checkpoints(clone, handover))  # the tree goes with its process, they do not
        write_text(tree / PARAMS, handover.params)
        write_entries(tree, handover.inputs)
        pull(tree, [*handover.inputs, *handover.data_files])
        fetch_earlier_runs(tree, address)
        outcome = reproduce(address, tree, force=force, pull=True, say=say)
        push(tree, [address])
        push_runs(tree, address)
        return outcome, read_entries(tree, [address])[address]


def _checkpoints(clone: Path, handover: Handover) -> Path:
    """The place of checkpoints in a clone: one for every params.yaml, so that runs side by side keep their own."""
    clear_old(clone / CHECKPOINTS)
    place = clone.resolve() / CHECKPOINTS / hashlib.sha256(handover.params.encode()).hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    return place


def _configure(clone: Path, tree: Path) -> None:
    """Give a working tree the cache and the remotes of its clone, whose paths may be relative to it."""
    from dvc.config import Config
    from dvc.repo import Repo

    with Repo(str(clone)) as repo:
        remotes, default = dict(repo.config["remote"]), repo.config["core"].get("remote")
        cache = Path(repo.cache.local.path).parents[1]
    if default is None:
        raise CloneError(
            f"the clone {clone.resolve()} on {socket.gethostname()} has no DVC remote; give it the one that the run's "
            "checkout has: dvc remote add --local --default NAME URL"
        )
    with Config(str(tree / ".dvc"), validate=False).edit("local") as local:
        local["cache"] = {"dir": str(cache)}
        local["core"] = {"remote": default}
        local["remote"] = {name: dict(remote) for name, remote in remotes.items()}


def take_over(root: Path, address: str, entry: Entry) -> None:
    """Take the outputs of a stage that ran elsewhere: its entry into dvc.lock, and they themselves from the remote."""
    write_entries(root, {address: entry})
    pull(root, [address])
