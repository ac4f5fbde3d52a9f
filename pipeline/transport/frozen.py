"""Frozen modules on NumPy arrays: the same methods, with arrays in place of the parameters.

A method that is written with the operations that torch and NumPy share, and `transport.ops` for the rest, runs on both.
So no formula is written twice; a frozen module has no methods for training or gradients.
"""

from typing import Any

import numpy as np
from torch import Tensor, nn


def frozen(module: nn.Module) -> Any:
    """A twin of a module: its methods and attributes, its parameters and buffers as arrays, its submodules as twins.

    Calling the twin runs the module's `forward`. float64 buffers stay so; the arrays share memory with the tensors.
    """
    if isinstance(module, nn.ModuleList):
        return [frozen(child) for child in module]
    if isinstance(module, nn.ParameterList):
        return [_array(parameter) for parameter in module]
    twin = _twin_class(type(module))()
    for name, value in vars(module).items():
        if not name.startswith("_") and name != "training":
            setattr(twin, name, value)
    for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        setattr(twin, name, _array(tensor))
    for name, child in module.named_children():
        setattr(twin, name, frozen(child))
    return twin


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().cpu().numpy()


def _twin_class(kind: type[nn.Module]) -> type:
    """A class with the methods and properties that `kind` adds to torch's own module."""
    members: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base not in (object, nn.Module) and not base.__module__.startswith("torch."):
            members |= {n: v for n, v in vars(base).items() if not n.startswith("__") or n == "__call__"}
    members["__call__"] = members.get("forward", _no_forward)
    return type(f"Frozen{kind.__name__}", (), members)


def _no_forward(*_: object) -> None:
    raise TypeError("this module has no forward pass")
