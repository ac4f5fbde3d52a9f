"""Conversion at the API: NumPy or torch in, tensors inside, and back in the form of the input."""

from operator import index
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.shapes import ArrayT
from pipeline.transport import ops

if TYPE_CHECKING:
    from torch import Tensor


def to_tensor(values: object, field: str) -> "Tensor":
    """A tensor of real numbers, (rows, columns); DataError names `field`. NumPy comes as float64, a copy."""
    if not ops.is_tensor(values):
        import torch

        return torch.from_numpy(to_array(values, field))
    if values.is_complex():
        raise DataError(f"{field} have dtype {values.dtype}; real numbers are needed")
    _check_table(values.shape, field)
    return values.detach() if values.requires_grad else values


def to_array(values: object, field: str) -> NDArray[np.float64]:
    """A float64 copy, (rows, columns), of what is no tensor; DataError as `to_tensor`."""
    if np.ma.is_masked(values):
        raise DataError(f"{field} have masked values; fill them, or drop their rows")
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{field} have dtype {array.dtype}; real numbers are needed")
    _check_table(array.shape, field)
    # A copy: torch takes neither reversed views nor every dtype, and it warns of arrays that cannot be written to.
    return array.astype(np.float64, order="C")


def _check_table(shape: tuple[int, ...], field: str) -> None:
    if len(shape) != 2:
        raise DataError(f"{field} have shape {tuple(shape)}; (rows, columns) is needed")


def check_finite(values: "Tensor", field: str) -> None:
    """Raise DataError where `values` (N, columns), a tensor or an array, hold NaN or Inf."""
    if not ops.is_finite(values):
        row, column = np.argwhere(~np.isfinite(np.asarray(values.tolist())))[0]
        raise DataError(f"{field}[{row}, {column}] = {values[row, column].item()}; NaN and Inf cannot be used")


def whole_number(value: object, field: str, least: int) -> int:
    """A whole number of at least `least`; DataError names `field`."""
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise DataError(f"{field} = {value!r}; a whole number is needed") from error
    if number < least:
        raise DataError(f"{field} = {number}; at least {least} is needed")
    return number


def as_given(result: "Tensor | NDArray[np.floating]", given: ArrayT) -> ArrayT:
    """The result as NumPy or torch, in the float dtype and on the device of what was given (float32 for integers)."""
    if ops.is_tensor(given):
        import torch

        dtype = given.dtype if given.dtype.is_floating_point else torch.float32
        tensor = result if ops.is_tensor(result) else torch.from_numpy(result)
        return tensor.to(given.device, dtype)
    kind = np.asarray(given).dtype
    array = ops.to_numpy(result)
    return array.astype(kind if np.issubdtype(kind, np.floating) else np.float32)
