"""The clock: maps a hyperparameter to its position on the path between two anchors.

A clock c is a base u(λ) with a skew γ: c(λ) = (exp(γ v) − 1) / γ of v = (u(λ) − u(λ_0)) / (u(λ_K) − u(λ_0)), and
s = (c(λ) − c(λ_k)) / (c(λ_{k+1}) − c(λ_k)) is the position on the path. γ = 0 is the base itself. The skew of a
quantile's logit or probit makes one tail longer; that of log(1 / (1 − λ)) gives the powers of 1 / (1 − λ).
"""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.clocks.bases import BASES, CALIBRATED, HOLD, check_base
from pipeline.clocks.calibration import Calibration
from pipeline.clocks.skew import Skew
from pipeline.errors import ConfigurationError
from pipeline.transport import ops
from pipeline.transport.networks import Condition, ConditionShape

Values = NDArray[np.float64]

FLAT = 1e-3
"""Skews within ± this count as zero: the limit γ → 0, which rounding would spoil."""


class Clock(nn.Module):
    """A base, hold or a calibration over ascending anchors, with one skew or a skew that depends on the condition.

    Raises ConfigurationError for a base that is not finite on all anchors, and for the base `calibrated` without a
    calibration. As a module it moves to a device, and is saved, with the parts of a surrogate; frozen (see
    `transport.frozen`) it runs on NumPy arrays.
    """

    def __init__(
        self,
        base: str,
        anchors: Sequence[float],
        skew: Skew | float = 0.0,
        calibration: Calibration | None = None,
    ) -> None:
        super().__init__()
        check_base(base, anchors)
        if base == CALIBRATED and calibration is None:
            raise ConfigurationError(
                "clock = 'calibrated' needs outcomes: what came true at conditions that no network was trained on, of "
                "a deterministic sweep over probability levels (see Harvest.from_arrays)"
            )
        self.base = base
        self.calibration = calibration
        self.anchors = tuple(anchors)
        self.skew = skew if isinstance(skew, Skew) else Skew(ConditionShape(0, ()), skew)

    @property
    def label(self) -> str:
        """The base, and whether it is skewed, by condition or equally for all conditions."""
        skew = self.skew.constant
        if skew is None:
            return f"skewed {self.base} by condition"
        return f"skewed {self.base}" if skew else self.base

    def skewed(self, skew: Skew) -> "Clock":
        """The same clock with another skew."""
        return Clock(self.base, self.anchors, skew, self.calibration)

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

    def spans(self, interval: int, values: Sequence[float] | Values) -> tuple[Values, float]:
        """How far v of values (M,) lies beyond the interval's left anchor, and how far its right anchor does."""
        v = self.coordinates(values)
        left, right = self.coordinates(self.anchors[interval : interval + 2])
        return np.clip(v - left, 0.0, right - left), float(right - left)

    def positions(self, interval: int, values: Sequence[float] | Values, condition: Condition) -> Tensor:
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
        v = self.coordinates(self.anchors)
        skew = self.skew.constant
        if skew is not None:
            return position(v, v[-1], skew)
        by_condition = self.skew(condition)
        by_condition = by_condition.cpu() if isinstance(by_condition, Tensor) else by_condition
        return position(v, v[-1], np.asarray(by_condition, np.float64))


@overload
def position(span: Tensor, whole: float, skew: Tensor) -> Tensor: ...
@overload
def position(span: Values | float, whole: Values | float, skew: Values | float) -> Values: ...
def position(span: Any, whole: Any, skew: Any) -> Any:
    """S = (exp(γ span) − 1) / (exp(γ whole) − 1) for 0 ≤ span ≤ whole; arguments broadcast."""
    flat = abs(skew) < FLAT
    bent = ops.where(flat, skew * 0 + 1, skew)
    return ops.where(flat, span / whole, ops.expm1(bent * span) / ops.expm1(bent * whole))
