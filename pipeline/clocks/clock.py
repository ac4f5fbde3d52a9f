"""Clocks: monotone functions of λ that say how far between two anchors the outputs have moved.

A clock c is a base u(λ) with a skew γ: c(λ) = (exp(γ v) − 1) / γ of v = (u(λ) − u(λ_0)) / (u(λ_K) − u(λ_0)), and
s = (c(λ) − c(λ_k)) / (c(λ_{k+1}) − c(λ_k)) is the place on the path. γ = 0 is the base itself. The skew of a quantile's
logit or probit says that one tail is longer; that of log(1 / (1 − λ)) gives the powers of 1 / (1 − λ). A base is a
candidate only where it is finite on all anchors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks.bases import BASES
from pipeline.errors import ConfigurationError

Values = NDArray[np.float64]

HOLD = "hold"
"""Outputs stay at the left anchor until the right one."""

FLAT = 1e-3
"""Skews within ± this are none: the limit γ → 0, which rounding would spoil."""


@dataclass(frozen=True)
class Clock:
    """A base, or hold, over ascending anchors; ConfigurationError where it is not finite on all of them."""

    name: str
    anchors: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.name not in BASES and self.name != HOLD:
            raise ConfigurationError(f"clock = {self.name!r} is unknown; known are {sorted([*BASES, HOLD])}")
        if not is_candidate(self.name, self.anchors):
            raise ConfigurationError(
                f"clock = {self.name!r} is not finite on the anchors {list(self.anchors)}; "
                f"choose one of {[*candidates(self.anchors), HOLD]}, or auto"
            )

    def coordinates(self, values: Sequence[float] | Values) -> Values:
        """Coordinates v of values (M,) in the anchors' range: 0 at the first, 1 at the last; hold: a step at each."""
        inside = np.clip(np.asarray(values, np.float64), self.anchors[0], self.anchors[-1])
        if self.name == HOLD:
            return np.searchsorted(self.anchors, inside, side="right").astype(np.float64) - 1.0
        u = BASES[self.name].function(inside)
        first, last = BASES[self.name].function(np.array([self.anchors[0], self.anchors[-1]]))
        return np.asarray((u - first) / (last - first))

    def spans(self, interval: int, values: Sequence[float] | Values) -> tuple[Values, float]:
        """How far v of values (M,) lies beyond the interval's left anchor, and how far its right anchor does."""
        v = self.coordinates(values)
        left, right = self.coordinates(self.anchors[interval : interval + 2])
        return np.clip(v - left, 0.0, right - left), float(right - left)

    def places(self, interval: int, values: Sequence[float] | Values, skew: float = 0.0) -> Values:
        """Places s in [0, 1] of values (M,) within the interval [λ_k, λ_{k+1}]."""
        return place(*self.spans(interval, values), skew)


def place(span: Values | float, whole: Values | float, skew: Values | float) -> Values:
    """Places s = (exp(γ span) − 1) / (exp(γ whole) − 1) for 0 ≤ span ≤ whole; arguments broadcast."""
    span, whole, skew = np.broadcast_arrays(span, whole, skew)
    bent = np.where(np.abs(skew) < FLAT, 1.0, skew)
    return np.where(np.abs(skew) < FLAT, span / whole, np.expm1(bent * span) / np.expm1(bent * whole))


def is_candidate(name: str, anchors: Sequence[float]) -> bool:
    """Whether the clock is finite on all anchors."""
    return name == HOLD or BASES[name].finite(anchors)


def candidates(anchors: Sequence[float]) -> list[str]:
    """The names of all bases that are finite on all anchors, the most fitting first: see `prior_base`."""
    names = [name for name in BASES if is_candidate(name, anchors)]
    first = prior_base(anchors)
    return [first, *(name for name in names if name != first)]


def declared_prior(name: str, anchors: Sequence[float]) -> str:
    """The base that `clock_prior` names; ConfigurationError where it is not finite on all anchors."""
    if not is_candidate(name, anchors):
        raise ConfigurationError(
            f"clock_prior = {name!r} is not finite on the anchors {list(anchors)}; "
            f"choose one of {candidates(anchors)}, or auto"
        )
    return name


def prior_base(anchors: Sequence[float]) -> str:
    """The base to take where samples cannot tell: the first that suits the anchors' range."""
    return next(name for name, base in BASES.items() if base.suits(anchors[0], anchors[-1]))
