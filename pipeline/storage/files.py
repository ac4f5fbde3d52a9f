"""Reading back what a bundle holds, unchanged: JSON and safetensors, never a pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pipeline.errors import BundleError

if TYPE_CHECKING:
    from torch import Tensor


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file of a bundle; BundleError names the file and what it belongs to."""
    if not path.is_file():
        raise BundleError(f"{path} is missing: {path.parent} does not contain a complete {what}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} is corrupted (not valid JSON): {error}") from error


def file_checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def check_files(folder: Path, checksums: Mapping[str, str], what: str) -> None:
    """Raise BundleError where a file is missing or has changed since its checksum was taken."""
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path} is missing: {folder} does not contain a complete {what}")
        if _sha256(path) != expected:
            raise BundleError(f"{path} is corrupted (checksum mismatch); write the {what} again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_arrays(path: Path, what: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read arrays and metadata of a safetensors file; BundleError where that cannot be, or an array is not finite."""
    arrays, metadata = _read(path, what, "numpy")
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise BundleError(f"{path} is corrupted: {name!r} contains NaN or Inf")
    return arrays, metadata


def read_tensors(path: Path, what: str) -> "dict[str, Tensor]":
    """Read a safetensors file as torch tensors: of types that NumPy lacks, and infinite ones (masks) too."""
    return read_tensors_with(path, what)[0]


def read_tensors_with(path: Path, what: str) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """As `read_tensors`, with the file's metadata."""
    return _read(path, what, "pt")


def _read(path: Path, what: str, framework: str) -> tuple[dict[str, Any], dict[str, str]]:
    if not path.is_file():
        raise BundleError(f"{path} is missing: {path.parent} does not contain a complete {what}")
    try:
        with safe_open(path, framework=framework) as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} is corrupted (not a safetensors file): {error}") from error
