"""Entries of dvc.lock: what DVC knows of a stage's inputs and outputs, read and written under DVC's own lock."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.storage.atomic import atomic_file

LOCK = "dvc.lock"
Entry = dict[str, Any]
"""A stage's entry: its command, and the digests of what it read (`deps`, `params`) and wrote (`outs`)."""


def read_entries(root: Path, addresses: Collection[str]) -> dict[str, Entry]:
    """The entries of these stages, by their addresses; those that dvc.lock does not have are left out."""
    with _locked(root):
        stages = _read(root)["stages"]
    return {address: stages[address] for address in addresses if address in stages}


def write_entries(root: Path, entries: Mapping[str, Entry]) -> None:
    """Put these entries in the place of those that dvc.lock has; all others stay."""
    from dvc.utils.serialize import dump_yaml

    with _locked(root):
        document = _read(root)
        document["stages"] |= entries
        with atomic_file(root / LOCK) as path:
            dump_yaml(path, document)


def _read(root: Path) -> dict[str, Any]:
    from dvc.utils.serialize import load_yaml

    path = root / LOCK
    return dict(load_yaml(str(path))) if path.exists() else {"schema": "2.0", "stages": {}}


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    from dvc.repo import Repo, lock_repo

    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
        yield
