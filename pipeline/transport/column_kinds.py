"""Outputs of declared kinds: circular ones, whose paths go the short way round, and those on a simplex.

A period is 0 where a column does not wrap. What `transport` and `sample` call takes tensors or NumPy arrays.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.shapes import FloatArray
from pipeline.transport import ops

if TYPE_CHECKING:
    from torch import Tensor

Numbers = TypeVar("Numbers", "Tensor", NDArray[np.float64])


def nearest_turn(values: Numbers, reference: Numbers, period: Numbers) -> Numbers:
    """Circular values (…, D) plus the whole periods (D,) that bring them nearest to a reference (…, D)."""
    turns = ((reference - values) / (period + (period == 0))).round()
    shifted: Numbers = values + period * turns
    return shifted


def wrapped(values: "Tensor", lower: "Tensor", period: "Tensor") -> "Tensor":
    """Circular values (…, D) less the whole periods (D,) that bring them into [lower, lower + period)."""
    reduced: Tensor = ops.where(period > 0, lower + (values - lower) % (period + (period == 0)), values)
    return reduced


def on_circles(outputs: FloatArray, period: NDArray[np.float64]) -> FloatArray:
    """Outputs (n, D), circular ones last and as points of circles as long as their periods (D,): (n, D + circular)."""
    turns = period > 0
    if not turns.any():
        return outputs
    radius = period[turns] / (2 * np.pi)
    angle = outputs[:, turns] / radius
    return np.concatenate([outputs[:, ~turns], radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def to_simplex(values: "Tensor") -> "Tensor":
    """The nearest probabilities (…, n) to values (…, n): non-negative, summing to 1; what is valid stays as it is.

    max(v − θ, 0) with θ = max_j (v_(1) + … + v_(j) − 1) / j over the descending values (Held, Wolfe and Crowder, Math.
    Programming 6, 1974).
    """
    sums = ops.running_sum(ops.descending(values)) - 1
    counts = ops.like_exact(np.arange(1.0, values.shape[-1] + 1), values)
    threshold = ops.largest(sums / counts)
    projected: Tensor = (values - threshold).clip(0)
    return projected


def squared_arcs(
    y0: NDArray[np.floating], y1: NDArray[np.floating], period: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What the short way round takes off |y0_i − y1_j|² in circular columns: (n0, n1), from (n0, D) and (n1, D)."""
    change = np.zeros((len(y0), len(y1)))
    for column in np.flatnonzero(period):
        gaps = np.subtract.outer(y0[:, column].astype(np.float64), y1[:, column])
        change += (gaps - period[column] * np.round(gaps / period[column])) ** 2 - gaps**2
    return change
