"""The edge of the API: NumPy or torch in, tensors inside, and back in the form that came."""

from operator import index

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import DataError
from pipeline.shapes import ArrayT


def to_tensor(values: object, field: str) -> Tensor:
    """A tensor of real numbers, (rows, columns); DataError names `field`. NumPy comes as float64, a copy."""
    if isinstance(values, Tensor):
        tensor = values.detach() if values.requires_grad else values
        if tensor.is_complex():
            raise DataError(f"{field} have dtype {tensor.dtype}; real numbers are needed")
    else:
        if np.ma.is_masked(values):
            raise DataError(f"{field} have masked values; fill them, or drop their rows")
        array = np.asarray(values)
        if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
            raise DataError(f"{field} have dtype {array.dtype}; real numbers are needed")
        # torch takes neither reversed views nor every dtype; and it warns of arrays that cannot be written to.
        tensor = torch.from_numpy(array.astype(np.float64, order="C"))
    if tensor.ndim != 2:
        raise DataError(f"{field} have shape {tuple(tensor.shape)}; (rows, columns) is needed")
    return tensor


def check_finite(values: Tensor, field: str) -> None:
    """Raise DataError where `values` (N, columns) hold NaN or Inf."""
    if not bool((finite := torch.isfinite(values)).all()):
        row, column = torch.nonzero(~finite)[0].tolist()
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


def as_given(result: Tensor, given: ArrayT) -> ArrayT:
    """The result as NumPy or torch, in the float dtype and on the device of what was given (float32 for integers)."""
    if isinstance(given, Tensor):
        dtype = given.dtype if given.dtype.is_floating_point else torch.float32
        return result.to(given.device, dtype)
    kind = np.asarray(given).dtype
    return result.cpu().numpy().astype(kind if np.issubdtype(kind, np.floating) else np.float32)
