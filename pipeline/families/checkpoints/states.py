"""Weights that were trained elsewhere: safetensors, and torch files that hold tensors alone. Nothing is unpickled."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from pipeline.errors import BundleError

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS = ".safetensors"
TORCH = (".pt", ".pth", ".ckpt", ".bin")
REMEDY = (
    "save the weights by safetensors.torch.save_file(module.state_dict(), PATH) or torch.save(module.state_dict(), "
    "PATH), or export the module to ONNX"
)


def read_state(path: Path, key: str = "") -> "dict[str, Tensor]":
    """Tensors by name, on the CPU. key: where in a torch file of several entries the state_dict is.

    Raises BundleError for a file that is broken, holds no state_dict, or would have to be unpickled.
    """
    state: Any = _read_safetensors(path) if path.suffix == SAFETENSORS else _read_torch(path)
    if key:
        if not (isinstance(state, Mapping) and key in state):
            raise BundleError(f"{path} holds no entry {key!r}; set train.key to one of {_names(state)}")
        state = state[key]
    if not (isinstance(state, Mapping) and state and _all_tensors(state)):
        raise BundleError(
            f"{path} holds no state_dict, but {_names(state)}; set train.key to the entry that is one, or {REMEDY}"
        )
    return dict(state)


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} is corrupted (not a safetensors file): {error}") from error


def _read_torch(path: Path) -> Any:
    import torch
    from torch.serialization import get_unsafe_globals_in_checkpoint

    if not zipfile.is_zipfile(path):
        raise BundleError(f"{path} is not in the current format of torch.save: a pickle, or corrupted; {REMEDY}")
    try:
        # Checked first, because it names the classes in the file; weights_only=True refuses the same ones.
        foreign = get_unsafe_globals_in_checkpoint(path)
        state = None if foreign else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler's own exceptions derive from no narrower class that can be named here
        raise BundleError(f"{path} is corrupted, or not a file of torch.save ({error}); {REMEDY}") from error
    if foreign:
        raise BundleError(f"{path} is pickled: it holds {sorted(foreign)}, and unpickling runs code; {REMEDY}")
    return state


def _all_tensors(state: Mapping[Any, Any]) -> bool:
    import torch

    return all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items())


def _names(state: Any) -> list[str] | str:
    return sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
