"""The formulas of clocks, on tensors or NumPy arrays; this module needs no torch.

A clock c is a base u(λ) with a skew γ: c(λ) = (exp(γ v) − 1) / γ of v = (u(λ) − u(λ_0)) / (u(λ_K) − u(λ_0)), and
s = (c(λ) − c(λ_k)) / (c(λ_{k+1}) − c(λ_k)) is the position on the path. γ = 0 is the base itself. The skew of a
quantile's logit or probit makes one tail longer; that of log(1 / (1 − λ)) gives the powers of 1 / (1 − λ).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks.bases import BASES, HOLD
from pipeline.transport import ops
from pipeline.transport.condition import Condition, ConditionShape

if TYPE_CHECKING:
    from torch import Tensor

Values = NDArray[np.float64]

FLAT = 1e-3
"""Skews within ± this count as zero: the limit γ → 0, which rounding would spoil."""
FEATURES = 128
LARGEST = 12.0
"""Skews are clipped to ± this: the middle of the whole range is then at s = 0.0025 or 0.9975."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A clock's coordinate, tabulated: levels (M,) of λ, ascending, and v (M,) from 0 to 1, strictly ascending."""

    levels: Values
    coordinates: Values

    def __call__(self, values: Values) -> Values:
        """The coordinate at values (…) of λ."""
        return np.interp(values, self.levels, self.coordinates)


class SkewFormulas:
    """γ(x) = γ̄ + w · √2 cos(Ω x + b): random Fourier features of a Gaussian kernel (Rahimi and Recht 2007).

    x: continuous conditions, standardised, then one-hot categories (n, width). mean: γ̄, a scalar. weights w and phases
    b: (FEATURES,); frequencies Ω: (width, FEATURES).
    """

    shape: ConditionShape
    mean: "Tensor"
    weights: "Tensor"
    frequencies: "Tensor"
    phases: "Tensor"

    @property
    def constant(self) -> float | None:
        """γ where it is the same for all conditions, else None."""
        return None if bool(self.weights.any()) else float(self.mean)

    def __call__(self, condition: Condition) -> "Tensor":
        """γ of B conditions, (B, 1)."""
        return self.forward(condition)

    def encode(self, condition: Condition) -> "Tensor":
        """Continuous values and one-hot categories of B rows, (B, width)."""
        parts = [condition.values]
        for i, count in enumerate(self.shape.codes):
            parts.append(ops.one_hot(condition.codes[:, i], count))
        return ops.concat(parts)

    def _features(self, points: "Tensor") -> "Tensor":
        return math.sqrt(2 / FEATURES) * ops.cos(points @ self.frequencies + self.phases)

    def forward(self, condition: Condition) -> "Tensor":
        """γ of B conditions, (B, 1)."""
        value: Tensor = self.mean + self._features(self.encode(condition)) @ self.weights
        return value.clip(-LARGEST, LARGEST)[:, None]


class ClockFormulas:
    """What a clock says of λ: coordinates, positions within an interval, and itself at the anchors."""

    base: str
    anchors: tuple[float, ...]
    calibration: Calibration | None
    skew: SkewFormulas

    @property
    def label(self) -> str:
        """The base, and whether it is skewed, by condition or equally for all conditions."""
        skew = self.skew.constant
        if skew is None:
            return f"skewed {self.base} by condition"
        return f"skewed {self.base}" if skew else self.base

    def coordinates(self, values: Sequence[float] | Values) -> Values:
        """Coordinates v of values (M,) in the anchors' range: 0 at the first, 1 at the last; hold: a step at each."""
        inside = np.clip(np.asarray(values, np.float64), self.anchors[0], self.anchors[-1])
        if self.base == HOLD:
            return np.searchsorted(self.anchors, inside, side="right").astype(np.float64) - 1.0
        if self.calibration is not None:
            return self.calibration(inside)
        u = BASES[self.base].function(inside)
        first, last = BASES[self.base].function(np.array([self.anchors[0], self.anchors[-1]]))
        return np.asarray((u - first) / (last - first))

    @cached_property
    def at_anchors(self) -> Values:
        """The anchors' coordinates."""
        return self.coordinates(self.anchors)

    def spans(self, interval: int, values: Sequence[float] | Values) -> tuple[Values, float]:
        """How far v of values (M,) lies beyond the interval's left anchor, and how far its right anchor does."""
        v = self.coordinates(values)
        left, right = self.at_anchors[interval : interval + 2].tolist()
        return np.clip(v - left, 0.0, right - left), float(right - left)

    def positions(self, interval: int, values: Sequence[float] | Values, condition: Condition) -> "Tensor":
        """Positions s in [0, 1] of λ = values within the interval [λ_k, λ_{k+1}], float32, at B conditions.

        values: (M,), the same for all conditions, or (B, M). The result has the shape of values where the skew is one
        number, else (B, M).
        """
        spans, whole = self.spans(interval, values)
        skew = self.skew.constant
        if skew is not None:
            return ops.like(position(spans, whole, skew), condition.values)
        return position(ops.like(spans, condition.values), whole, self.skew(condition))

    def knots(self, condition: Condition) -> Values:
        """The clock at the anchors, from 0 at the first to 1 at the last, float64.

        (K + 1,) where the skew is one number, else (B, K + 1) for B conditions.
        """
        v = self.at_anchors
        skew = self.skew.constant
        if skew is not None:
            return position(v, v[-1], skew)
        by_condition = self.skew(condition)
        by_condition = by_condition.cpu() if ops.is_tensor(by_condition) else by_condition
        return position(v, v[-1], np.asarray(by_condition, np.float64))


@overload
def position(span: "Tensor", whole: float, skew: "Tensor") -> "Tensor": ...
@overload
def position(span: Values | float, whole: Values | float, skew: Values | float) -> Values: ...
def position(span: Any, whole: Any, skew: Any) -> Any:
    """S = (exp(γ span) − 1) / (exp(γ whole) − 1) for 0 ≤ span ≤ whole; arguments broadcast."""
    flat = abs(skew) < FLAT
    bent = ops.where(flat, skew * 0 + 1, skew)
    return ops.where(flat, span / whole, ops.expm1(bent * span) / ops.expm1(bent * whole))
