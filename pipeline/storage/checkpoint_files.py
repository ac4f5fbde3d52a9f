"""The files of checkpoints: a folder for every work, in it one for its key, in it safetensors files of finished parts.

<work>/<key>/running.safetensors     the loop that runs, as it was last
<work>/<key>/1.2.safetensors         parts that are finished, by the address of one of them
"""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.errors import BundleError
from pipeline.storage.atomic import atomic_file
from pipeline.storage.files import read_tensors_with
from pipeline.storage.packing import Tensors, pack, unpack

logger = logging.getLogger(__name__)

Address = tuple[int, ...]
"""The number of a part in its work, of a part in that, …"""

SUFFIX, RUNNING = ".safetensors", "running"
DAYS_KEPT = 14
"""After so many days without a write a checkpoint of other work in the same folder is removed."""


@dataclass(frozen=True)
class Entry:
    """A loop as it was after `step` steps, or the result of a part: its values as JSON and tensors."""

    name: str
    step: int
    packed: Any
    tensors: Tensors

    @classmethod
    def of(cls, name: str, step: int, values: Mapping[str, Any]) -> Self:
        """Copy values as they are now."""
        tensors: Tensors = {}
        return cls(name, step, pack(dict(values), tensors), tensors)

    def values(self) -> dict[str, Any]:
        """The values, in memory of their own."""
        own = {name: tensor.clone() for name, tensor in self.tensors.items()}
        return dict(unpack(self.packed, own))


def write_entries(folder: Path, entries: Mapping[Address, Entry], seconds: float, running: bool = False) -> None:
    """Write entries into one file of the folder, in place of the running one or beside the others.

    seconds: that the work has taken so far. Raises OSError where they cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors: Tensors = {}
    parts = {}
    for address, entry in entries.items():
        name = ".".join(map(str, address))
        tensors |= {f"{name}/{key}": tensor for key, tensor in entry.tensors.items()}
        parts[name] = {"name": entry.name, "step": entry.step, "packed": entry.packed}
    text = json.dumps({"seconds": seconds, "entries": parts})
    metadata = {"state": text, "sha256": _digest(text, tensors)}
    path = folder / f"{RUNNING if running else name}{SUFFIX}"
    with atomic_file(path, durable=False) as partial:  # a torn one is known by its checksum
        try:
            save_file(tensors, partial, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_entries(folder: Path) -> tuple[dict[Address, Entry], float]:
    """What a folder holds by address, and the seconds of work before; torn and corrupted files are removed."""
    found: dict[Address, Entry] = {}
    seconds = 0.0
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stem != RUNNING):  # finished ones replace it
        try:
            entries, so_far = _read(path)
        except BundleError as error:
            logger.warning("a checkpoint is not used: %s", error)
            path.unlink()
            continue
        found |= entries
        seconds = max(seconds, so_far)
    return found, seconds


def _read(path: Path) -> tuple[dict[Address, Entry], float]:
    tensors, metadata = read_tensors_with(path, "checkpoint")
    text = metadata.get("state", "")
    if metadata.get("sha256") != _digest(text, tensors):
        raise BundleError(f"{path} is corrupted (checksum mismatch)")
    document = json.loads(text)
    entries = {}
    for name, part in document["entries"].items():
        own = {key.removeprefix(f"{name}/"): t for key, t in tensors.items() if key.startswith(f"{name}/")}
        entries[tuple(map(int, name.split(".")))] = Entry(part["name"], part["step"], part["packed"], own)
    return entries, float(document["seconds"])


def _digest(text: str, tensors: Tensors) -> str:
    import torch

    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def clear(work: Path) -> None:
    """Remove a work's folder, and those above it that it leaves empty, up to the folder of all checkpoints."""
    if work.exists():
        shutil.rmtree(work)


def clear_others(work: Path, own: Path) -> None:
    """Remove checkpoints of a work that are of another key than the folder `own`."""
    for other in work.glob("*"):
        if other != own:
            logger.info("a checkpoint of other settings, data or code is removed: %s", other)
            shutil.rmtree(other)


def clear_old(checkpoints: Path, days: float = DAYS_KEPT) -> None:
    """Remove files below a folder that nothing has written for so many days, and the folders that this leaves empty."""
    for path in sorted(checkpoints.rglob("*"), reverse=True):
        if path.is_file() and time.time() - path.stat().st_mtime > 86_400 * days:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
