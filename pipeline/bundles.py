"""Reading back what a bundle holds: JSON and safetensors, never a pickle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pipeline.errors import BundleError


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file of a bundle; BundleError names the file and what it belongs to."""
    if not path.is_file():
        raise BundleError(f"{path} is missing: {path.parent} holds no complete {what}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} is corrupted (no JSON): {error}") from error


def read_arrays(path: Path, what: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read the arrays and the metadata of a safetensors file; BundleError where that cannot be."""
    if not path.is_file():
        raise BundleError(f"{path} is missing: {path.parent} holds no complete {what}")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} is corrupted (no safetensors): {error}") from error
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise BundleError(f"{path} is corrupted: {name!r} holds NaN or Inf")
    return arrays, metadata
