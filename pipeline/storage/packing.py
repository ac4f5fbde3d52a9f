"""Nested state as tensors and JSON, and back to the bit: what optimisers, generators and counters hold, without pickle.

Dictionaries (of any keys that are packed themselves), lists, tuples, numbers, texts, None, torch tensors and NumPy
arrays. Numbers in JSON come back as they were: Python writes the shortest text that reads as the same float, and whole
numbers of any length. Arrays and tensors are copied, contiguously and to the CPU, with their type and shape.
"""

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]


def pack(value: Any, tensors: Tensors) -> Any:
    """The JSON of a value; its arrays go into `tensors`, by names that the JSON refers to.

    Raises ConfigurationError for a value of another kind.
    """
    import torch

    match value:
        case None | bool() | str():
            return value
        case np.generic():
            return {"number": _add(torch.from_numpy(np.array(value)), tensors)}
        case int() | float():
            return value
        case torch.Tensor():
            return {"tensor": _add(value.detach().cpu().clone(memory_format=torch.contiguous_format), tensors)}
        case np.ndarray():
            return {"array": _add(torch.from_numpy(np.array(value, order="C")), tensors)}
        case dict():
            return {"dict": [[pack(key, tensors), pack(part, tensors)] for key, part in value.items()]}
        case list():
            return [pack(part, tensors) for part in value]
        case tuple():
            return {"tuple": [pack(part, tensors) for part in value]}
    raise ConfigurationError(
        f"a checkpoint cannot hold {value!r}, a {type(value).__name__}; hand in tensors, arrays, numbers, texts, "
        "lists, tuples and dictionaries of them, or an object with state_dict() and load_state_dict()"
    )


def unpack(packed: Any, tensors: Tensors) -> Any:
    """The value that `pack` took; KeyError, TypeError or ValueError where JSON and tensors are not what it made."""
    match packed:
        case {"number": str(name)}:
            return tensors[name].numpy()[()]
        case {"tensor": str(name)}:
            return tensors[name]
        case {"array": str(name)}:
            return tensors[name].numpy()
        case {"dict": list(pairs)}:
            return {unpack(key, tensors): unpack(part, tensors) for key, part in pairs}
        case {"tuple": list(parts)}:
            return tuple(unpack(part, tensors) for part in parts)
        case list():
            return [unpack(part, tensors) for part in packed]
        case dict():
            raise ValueError(f"{packed!r} is nothing that is packed")
    return packed


def _add(tensor: "Tensor", tensors: Tensors) -> str:
    name = str(len(tensors))
    tensors[name] = tensor
    return name


def state_of(part: Any) -> Any:
    """What is packed of something that a loop changes: its state_dict, its state of a generator, or itself."""
    import torch

    match part:
        case torch.Generator():
            return part.get_state()
        case np.random.Generator():
            return part.bit_generator.state
    return part.state_dict() if hasattr(part, "state_dict") else part


def restore(part: Any, saved: Any) -> None:
    """Put back, in place, what `state_of` gave; ValueError or RuntimeError where the two do not fit."""
    import torch

    match part:
        case torch.Generator():
            part.set_state(saved)
        case np.random.Generator():
            part.bit_generator.state = saved
        case torch.Tensor():
            with torch.no_grad():
                part.copy_(saved)
        case np.ndarray():
            part[...] = saved
        case list():
            part[:] = saved
        case dict():
            part.clear()
            part.update(saved)
        case _:
            part.load_state_dict(saved)


def check_changeable(name: str, part: Any) -> None:
    """Raise ConfigurationError for what `restore` cannot put back: a number, a text, a tuple, an object of one's own.

    name: that it is handed in by.
    """
    import torch

    kinds = torch.Generator, np.random.Generator, torch.Tensor, np.ndarray, list, dict
    if not (isinstance(part, kinds) or (hasattr(part, "state_dict") and hasattr(part, "load_state_dict"))):
        raise ConfigurationError(
            f"{name} = {part!r}, a {type(part).__name__}, cannot be put back in place; hand in an array, a list or a "
            "dictionary that holds it, or an object with state_dict() and load_state_dict()"
        )


class GlobalGenerators:
    """The generators of the process: Python's, NumPy's and torch's, on the CPU."""

    def state_dict(self) -> dict[str, Any]:
        """Their states."""
        import torch

        numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 (code that draws from it is what this is for)
        return {"python": random.getstate(), "numpy": numpy_state, "torch": torch.get_rng_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put them back."""
        import torch

        random.setstate(state["python"])
        np.random.set_state(state["numpy"])  # noqa: NPY002
        torch.set_rng_state(state["torch"])


GLOBAL = GlobalGenerators()
