"""Atomic writes: a file or folder appears under its final name complete, or not at all.

The temporary name ends in ``.partial`` and lies beside the final one, because a rename is atomic only within one file
system. `.dvcignore` and `.gitignore` leave such names out, so that what a killed process left never enters a hash.
What is written is on the disk before it is renamed, and so is the new name before the call returns: after a power
failure, too, there is the old content or the new one.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import BundleError

SUFFIX = ".partial"


def _partial(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{SUFFIX}")


def _sync(path: Path) -> None:
    """Wait until the disk has the content of a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path | str, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path; on success it replaces `path`, on an exception it is removed.

    durable False: nothing waits for the disk. After a power failure the file may then be torn; a kill cannot tear it.
    """
    path = Path(path)
    temporary = _partial(path)
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str, replaces: str | None = None) -> Iterator[Path]:
    """Yield a temporary folder; on success it replaces the folder `path`, on an exception it is removed.

    A folder cannot be replaced in one step where one exists already: the old one is moved aside first and deleted
    last, so that at no moment does `path` hold a mixture of the two. replaces: the file by which a folder that may be
    replaced is known; any other that is not empty, and a file, is refused with a BundleError, and kept.
    """
    path = Path(path).resolve()
    if replaces is not None:
        _check_replaceable(path, replaces)
    temporary, aside = _partial(path), _partial(path)
    temporary.mkdir()
    try:
        yield temporary
        for written in (*temporary.rglob("*"), temporary):
            _sync(written)
        if path.is_dir():
            path.rename(aside)
        temporary.rename(path)
        _sync(path.parent)
    finally:
        if aside.exists() and not path.exists():
            aside.rename(path)
        for leftover in (temporary, aside):
            if leftover.exists():
                shutil.rmtree(leftover)


def remove_left(folder: Path) -> None:
    """Remove what killed processes left of their writing anywhere in a folder; nobody else may be writing there."""
    for left in sorted(folder.rglob(f".*{SUFFIX}")):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)  # it lay in a folder that is gone now


def _check_replaceable(path: Path, known_by: str) -> None:
    if path.exists() and not path.is_dir():
        raise BundleError(f"{path} is a file; choose a new or empty folder")
    if path.is_dir() and any(path.iterdir()) and not (path / known_by).is_file():
        raise BundleError(f"{path} contains other files but no {known_by}; choose a new or empty folder")


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and Inf are refused with a ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
