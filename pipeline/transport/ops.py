"""Array operations that torch and NumPy spell differently, so that a formula is written once for both.

Training and large batches run in torch. For a few rows at a time its dispatch costs more than the arithmetic, and the
frozen formulas run on NumPy arrays instead: see `transport.frozen`. Every function takes tensors or NumPy arrays, and
returns the same type; the annotations say Tensor for both, as those of the formulas do. torch is imported where there
is a tensor, so that arrays need no torch (`pipeline.export`).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import TypeIs

SMALL = 1024
"""Fewer values than this take the simpler formula."""


def is_tensor(values: object) -> "TypeIs[Tensor]":
    """Whether these are torch's; without an import of torch."""
    return not isinstance(values, np.ndarray) and hasattr(values, "requires_grad")


def is_traced(values: object) -> bool:
    """Whether an operation on these becomes part of a graph: then branches may depend on weights alone."""
    if not is_tensor(values):
        return False
    import torch

    return torch._C._get_tracing_state() is not None


def to_numpy(values: Any) -> NDArray[Any]:
    """The values as a NumPy array, without a copy where they are one already."""
    return np.asarray(values.detach().cpu() if is_tensor(values) else values)


def silu(values: "Tensor") -> "Tensor":
    """X / (1 + e^{−x})."""
    if is_tensor(values):
        from torch.nn import functional

        return functional.silu(values)
    if values.size < SMALL:
        return values * expit(values)
    sigmoid = np.tanh(0.5 * values)  # twice the logistic function less one, three times as fast for many values
    sigmoid += 1
    sigmoid *= 0.5
    sigmoid *= values
    return sigmoid


def tanh(values: "Tensor") -> "Tensor":
    """The hyperbolic tangent."""
    if is_tensor(values):
        import torch

        return torch.tanh(values)
    return np.tanh(values)


def expm1(values: "Tensor") -> "Tensor":
    """e^x − 1."""
    if is_tensor(values):
        import torch

        return torch.expm1(values)
    return np.expm1(values)


def exp(values: "Tensor") -> "Tensor":
    """e^x."""
    if is_tensor(values):
        return values.exp()
    return np.exp(values)


def normal_cdf(values: "Tensor") -> "Tensor":
    """Φ, the distribution function of the standard normal."""
    if is_tensor(values):
        import torch

        shares: Tensor = torch.special.ndtr(values)
        return shares
    return np.asarray(ndtr(values))


def normal_quantile(shares: "Tensor") -> "Tensor":
    """Φ⁻¹, the quantile function of the standard normal."""
    if is_tensor(shares):
        import torch

        values: Tensor = torch.special.ndtri(shares)
        return values
    return np.asarray(ndtri(shares))


def cos(values: "Tensor") -> "Tensor":
    """The cosine."""
    if is_tensor(values):
        import torch

        return torch.cos(values)
    return np.cos(values)


def sqrt(values: "Tensor") -> "Tensor":
    """The square root."""
    if is_tensor(values):
        return values.sqrt()
    return np.sqrt(values)


def concat(parts: "list[Tensor]") -> "Tensor":
    """Arrays joined along the last axis."""
    if is_tensor(parts[0]):
        import torch

        return torch.cat(parts, dim=-1)
    return np.concatenate(parts, axis=-1)


def stack(parts: "list[Tensor]", axis: int) -> "Tensor":
    """Arrays joined along a new axis."""
    if is_tensor(parts[0]):
        import torch

        return torch.stack(parts, dim=axis)
    return np.stack(parts, axis=axis)


def affine(bias: "Tensor", inputs: "Tensor", weight: "Tensor") -> "Tensor":
    """Batched inputs (K, B, i) times weight (K, i, o), plus bias (K, 1, o)."""
    if is_tensor(inputs):
        import torch

        return torch.baddbmm(bias, inputs, weight)
    if len(inputs) == 1:  # one product of matrices takes half the time of a batch of one
        return (inputs[0] @ weight[0] + bias[0])[None]
    return np.matmul(inputs, weight) + bias


def scaled(values: "Tensor", factor: "Tensor", shift: "Tensor") -> "Tensor":
    """Values · factor + shift."""
    if is_tensor(values):
        import torch

        return torch.addcmul(shift, values, factor)
    return values * factor + shift


def lerp(start: "Tensor", end: "Tensor", share: "Tensor") -> "Tensor":
    """From start to end by a share that broadcasts, exact at both ends."""
    if is_tensor(start):
        import torch

        return torch.lerp(start, end, share)
    return np.where(share < 0.5, start + share * (end - start), end - (1 - share) * (end - start))


def where(condition: "Tensor", first: "Tensor", second: "Tensor") -> "Tensor":
    """`first` where the condition holds, else `second`."""
    if is_tensor(condition):
        import torch

        return torch.where(condition, first, second)
    return np.where(condition, first, second)


def whole(values: "Tensor") -> "Tensor":
    """Values cut to whole numbers, to index with."""
    if is_tensor(values):
        return values.long()
    return values.astype(np.intp)


def gather(values: "Tensor", index: "Tensor") -> "Tensor":
    """values[b, index[b, m]] for values (B, n) and index (B, M)."""
    if is_tensor(values):
        return values.gather(1, index)
    return values[np.arange(len(values))[:, None], index]


def first_at_least(ascending: "Tensor", wanted: "Tensor") -> "Tensor":
    """The first index at which each row of `ascending` (B, n) is at least each of `wanted` (B, M)."""
    if is_tensor(ascending) and not is_traced(ascending):  # ONNX has no counterpart of searchsorted
        import torch

        return torch.searchsorted(ascending, wanted)
    return (ascending[:, None, :] < wanted[:, :, None]).sum(-1)


def squared_distances(first: "Tensor", second: "Tensor") -> "Tensor":
    """|a_i − b_j|² of rows (B, r) and (n, r): (B, n). By a matrix product, equal rows would not be at distance 0."""
    if is_tensor(first):
        import torch

        return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist").square()
    return np.square(first[:, None] - second[None]).sum(-1)


def norm(values: "Tensor") -> "Tensor":
    """The Euclidean norm along the last axis."""
    if is_tensor(values):
        import torch

        lengths: Tensor = torch.linalg.vector_norm(values, dim=-1)
        return lengths
    with np.errstate(over="ignore"):
        return np.linalg.norm(values, axis=-1)


def transposed(values: "Tensor") -> "Tensor":
    """The last two axes exchanged."""
    if is_tensor(values):
        return values.transpose(-1, -2)
    return np.swapaxes(values, -1, -2)


def contiguous(values: "Tensor") -> "Tensor":
    """The same values, contiguous in memory."""
    if is_tensor(values):
        return values.contiguous()
    return np.ascontiguousarray(values)


def single(values: "Tensor") -> "Tensor":
    """Values in float32."""
    if is_tensor(values):
        return values.float()
    return values.astype(np.float32)


def double(values: "Tensor") -> "Tensor":
    """Values in float64."""
    if is_tensor(values):
        return values.double()
    return values.astype(np.float64)


def like(values: Any, other: "Tensor") -> "Tensor":
    """A NumPy array as float32 of the kind, and on the device, of another array."""
    if is_tensor(other):
        import torch

        return torch.as_tensor(values, dtype=torch.float32, device=other.device)
    return np.asarray(values, np.float32)


def like_exact(values: Any, other: "Tensor") -> "Tensor":
    """A NumPy array of the kind and type, and on the device, of another array."""
    if is_tensor(other):
        import torch

        return torch.as_tensor(values, dtype=other.dtype, device=other.device)
    return np.asarray(values, other.dtype)


def descending(values: "Tensor") -> "Tensor":
    """Values sorted along the last axis, the largest first."""
    if is_tensor(values):
        return values.sort(dim=-1, descending=True).values
    return -np.sort(-values, axis=-1)


def running_sum(values: "Tensor") -> "Tensor":
    """Cumulative sums along the last axis."""
    if is_tensor(values):
        return values.cumsum(-1)
    return np.cumsum(values, axis=-1)


def largest(values: "Tensor") -> "Tensor":
    """The largest values along the last axis, which is kept with length 1."""
    if is_tensor(values):
        return values.amax(-1, keepdim=True)
    return values.max(axis=-1, keepdims=True)


def arctan2(sine: "Tensor", cosine: "Tensor") -> "Tensor":
    """The angle of (cosine, sine), in [−π, π]."""
    if is_tensor(sine):
        import torch

        if is_traced(sine):  # onnxruntime has no float64 arc tangent
            return torch.atan2(sine.float(), cosine.float()).to(sine.dtype)
        return torch.atan2(sine, cosine)
    return np.arctan2(sine, cosine)


def empty(shape: tuple[int, ...], other: "Tensor") -> "Tensor":
    """An array of a shape, of the type and on the device of another one."""
    if is_tensor(other):
        import torch

        return torch.empty(shape, dtype=other.dtype, device=other.device)
    return np.empty(shape, other.dtype)


def position_in(table: list[float], values: "Tensor") -> "Tensor":
    """Where an ascending table first is at least each of the values (n,), at most its last position."""
    if is_tensor(values):
        import torch

        known = torch.tensor(table, dtype=values.dtype, device=values.device)
        return torch.searchsorted(known, values.contiguous()).clamp_max(len(table) - 1)
    return np.minimum(np.searchsorted(table, values), len(table) - 1)


def taken(table: list[float], index: "Tensor") -> "Tensor":
    """The entries of a table at an index (n,), float64."""
    if is_tensor(index):
        import torch

        return torch.tensor(table, dtype=torch.float64, device=index.device)[index]
    return np.asarray(table, np.float64)[index]


def no_codes(rows: "Tensor") -> "Tensor":
    """Whole numbers (n, 0) for n rows."""
    if is_tensor(rows):
        import torch

        return torch.zeros(len(rows), 0, dtype=torch.long, device=rows.device)
    return np.zeros((len(rows), 0), np.intp)


def is_finite(values: "Tensor") -> bool:
    """Whether every value is finite."""
    if is_tensor(values):
        import torch

        return bool(torch.isfinite(values).all())
    return bool(np.isfinite(values).all())


def one_hot(codes: "Tensor", count: int) -> "Tensor":
    """Codes (…) below `count` as float32 indicators (…, count)."""
    if is_tensor(codes):
        from torch.nn import functional

        return functional.one_hot(codes, count).float()
    return np.asarray(codes[..., None] == np.arange(count), np.float32)
