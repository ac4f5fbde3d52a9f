"""Shape aliases: the symbols of the method, in one place.

D = output dimension, C = condition dimension, K+1 = number of anchors, N = number of rows, M = number of targets.
Arrays at the edge of the API are NumPy arrays or torch tensors of any float dtype; inside the surrogate everything is
float32.
"""

from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

FloatArray: TypeAlias = NDArray[np.floating]
"""A real array; its shape is said where it is used, e.g. (N, D)."""

ArrayLike: TypeAlias = "FloatArray | torch.Tensor"
"""What the public API takes and gives back: NumPy in, NumPy out; torch in, torch out."""

ArrayT = TypeVar("ArrayT", FloatArray, "torch.Tensor")
