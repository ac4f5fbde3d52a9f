"""The edge of the API: NumPy or torch in, tensors inside, and back in the form that came."""

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import DataError
from pipeline.shapes import ArrayT


def to_tensor(values: object, field: str) -> Tensor:
    """A tensor of real numbers, (rows, columns); DataError names `field`. NumPy comes as float64, a copy."""
    if isinstance(values, Tensor):
        tensor = values
    else:
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


def as_given(result: Tensor, given: ArrayT) -> ArrayT:
    """The result as NumPy or torch, in the float dtype and on the device of what was given (float32 for integers)."""
    if isinstance(given, Tensor):
        dtype = given.dtype if given.dtype.is_floating_point else torch.float32
        return result.to(given.device, dtype)
    kind = np.asarray(given).dtype
    return result.cpu().numpy().astype(kind if np.issubdtype(kind, np.floating) else np.float32)
