"""How far the surrogate may be from the network trained at λ, at every condition: a band that covers nine in ten.

Two things are unknown at (x, λ): when an output moves between its ends, and what training does by chance. With the
clock's position s and the ends' outputs y_0, y_1 at x,

    u² = σ² (1 + (1 − s)² + s²) + (c · 4 s (1 − s))² |y_1 − y_0|²,

where σ² is the variance of an output over trainings (of the network at λ, and of the two ends, which the surrogate
mixes): half the mean square difference of an anchor's network from one trained by another seed. c, a share of the way
between the ends, is calibrated where the truth is known: every interior anchor is left out and predicted, and c is the
smallest for which ± 1.645 u covers nine in ten of its outputs. In use the clock knows the anchor that it was left out
of, hence CARRIED.

Of draws, the same with squared Wasserstein distances: u² bounds the one to the truth's draws, in place of |y_1 − y_0|²
stands the distance between the ends' draws, and in place of σ² (1 + (1 − s)² + s²) stands η ((1 − s) d_0 + s d_1). d_0
and d_1 are the distances between two samples of the same end at x, the noise of finite samples, which grows with the
spread of the draws. η says how many times that far the draws of two trainings are apart at nine in ten conditions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import Anchors
from pipeline.evaluation.distances import wasserstein2_squared
from pipeline.transport.column_kinds import nearest_turn, on_circles

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

COVERAGE = 0.9
NORMAL = 1.6448536269514722
"""± so many standard deviations hold nine tenths of a normal distribution."""
PRIOR = 0.25
"""c where no anchor can be left out: a quarter of the way, half way between the ends. Declared, not found."""
CARRIED = 0.75
"""The part of c found without an anchor that counts with it."""
DRAWS = 64
"""Draws of a condition that distances are computed of."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Movement:
    """Between the ends of an interval: the positions (N, 1), and squared distances (N, D), or (N, 1) of draws.

    own: of draws, the squared distances between two samples of the same end, mixed by position (N, 1); else 1.
    """

    position: Array
    squared: Array
    own: Array = field(default_factory=lambda: np.ones((1, 1)))

    @classmethod
    def of(cls, surrogate: "Surrogate", conditions: NDArray[np.floating], value: float) -> "Movement":
        """At conditions (N, C) and one λ of one hyperparameter."""
        position = np.asarray(surrogate.positions(conditions, value), np.float64)[:, None]
        return Ends.of(surrogate, conditions, Anchors(surrogate.anchors).interval(value)).movement(position)

    @property
    def reach(self) -> Array:
        """(4 s (1 − s))² times the squared distances, (N, ·)."""
        s = self.position
        return np.asarray((4 * s * (1 - s)) ** 2 * self.squared)


@dataclass(frozen=True, eq=False)
class Ends:
    """The anchors around an interval, at conditions: squared distances between them (N, D), or (N, 1) of draws.

    own: of draws, the squared distances between two samples of the same anchor, of the left ones and the right ones
    (2, N, 1); else 1.
    """

    squared: Array
    own: Array

    @classmethod
    def of(cls, surrogate: "Surrogate", conditions: NDArray[np.floating], k: int) -> Self:
        """Of the interval after anchor k, at conditions (N, C)."""
        anchors, periods = surrogate.anchors[k : k + 2], surrogate.schema.periods
        left, right = (at_condition(surrogate, conditions, anchor) for anchor in anchors)
        squared = squared_distances(left, right, periods)
        if surrogate.deterministic:
            return cls(squared, np.ones((2, 1, 1)))
        again = [at_condition(surrogate, conditions, anchor, seed=1) for anchor in anchors]
        own = [squared_distances(a, b, periods) for a, b in zip((left, right), again, strict=True)]
        return cls(squared, np.array(own))

    def movement(self, position: Array) -> Movement:
        """At positions (N, 1)."""
        return Movement(position, self.squared, (1 - position) * self.own[0] + position * self.own[1])


def at_condition(surrogate: "Surrogate", conditions: NDArray[np.floating], value: float, seed: int = 0) -> Array:
    """Outputs (N, 1, D) of a deterministic surrogate, draws (N, DRAWS, D) of another, at conditions (N, C)."""
    draws = 1 if surrogate.deterministic else DRAWS
    return np.asarray(surrogate.sample(conditions, value, draws=draws, seed=seed), np.float64)


def squared_distances(one: Array, other: Array, periods: Sequence[float] = ()) -> Array:
    """Squared differences (N, D) of single outputs (N, 1, D); of draws (N, n, D) exact W₂² within conditions (N, 1).

    periods: (D,), of circular outputs, which differ the short way round, of draws by its chord; 0 of others.
    """
    period = np.array(periods or [0.0] * one.shape[-1])
    if one.shape[1] == 1:
        end = nearest_turn(other[:, 0], one[:, 0], period) if period.any() else other[:, 0]
        return np.asarray((one[:, 0] - end) ** 2)
    pairs = ((on_circles(a, period), on_circles(b, period)) for a, b in zip(one, other, strict=True))
    return np.array([[wasserstein2_squared(a, b)] for a, b in pairs])


@dataclass(frozen=True)
class Uncertainty:
    """The calibrated u.

    noise: σ² by output (D,), or η of draws (1,).
    timing: c. deterministic: whether u² is a variance by output, or bounds a distance. left_out: how many anchors c was
    calibrated on; 0: it is PRIOR. retrained: whether the noise of training is in σ², or the noise of draws alone.
    """

    noise: tuple[float, ...]
    timing: float
    deterministic: bool
    left_out: int
    retrained: bool

    @classmethod
    def calibrated(
        cls, left_out: Sequence[tuple[Movement, Array]], noise: Array, *, deterministic: bool, retrained: bool
    ) -> Self:
        """From predictions of anchors without themselves: movements, and squared errors (N, D), or distances (N, 1)."""
        timing = PRIOR
        if left_out:
            ratios = [_ratios(m, errors, noise, deterministic=deterministic).ravel() for m, errors in left_out]
            timing = CARRIED * float(np.sqrt(max(0.0, np.quantile(np.concatenate(ratios), COVERAGE))))
        return cls(tuple(noise.tolist()), timing, deterministic, len(left_out), retrained)

    @property
    def sentence(self) -> str:
        """What it rests on."""
        anchors = "one left-out anchor" if self.left_out == 1 else f"{self.left_out} left-out anchors"
        timing = f"calibrated on {anchors}" if self.left_out else "a prior, since no anchor can be left out"
        noise = "a retrained network" if self.retrained else "no retrained network: the noise of training is missing"
        return f"c = {self.timing:.3g} of the way between the ends, {timing}; {noise}"

    def squared(self, movement: Movement) -> Array:
        """u² (N, D), or (N, 1) of draws."""
        noise = _noise(movement, np.array(self.noise), deterministic=self.deterministic)
        return np.asarray(noise + self.timing**2 * movement.reach)

    def bound(self, movement: Movement) -> Array:
        """What covers nine in ten: half widths (N, D) in units of the outputs; of draws the W₂² (N, 1)."""
        squared = self.squared(movement)
        return NORMAL * np.sqrt(squared) if self.deterministic else squared

    def covers(self, movement: Movement, errors: Array) -> NDArray[np.bool_]:
        """Whether squared errors (N, D), or distances (N, 1), lie within the bound."""
        return errors <= (self.bound(movement) ** 2 if self.deterministic else self.bound(movement))


def _noise(movement: Movement, noise: Array, *, deterministic: bool) -> Array:
    s = movement.position
    return noise * (1 + (1 - s) ** 2 + s**2) if deterministic else noise * movement.own


def _ratios(movement: Movement, errors: Array, noise: Array, *, deterministic: bool) -> Array:
    """c² that a single error needs, (N, ·); 0 where an output does not move."""
    needed = errors / NORMAL**2 if deterministic else errors
    spare = needed - _noise(movement, noise, deterministic=deterministic)
    return np.divide(spare, movement.reach, out=np.zeros_like(spare), where=movement.reach > 0)


def variance_over_trainings(trained: Array, again: Array, periods: Sequence[float] = ()) -> Array:
    """σ² (D,) of two trainings' outputs (N, 1, D)."""
    return np.asarray(squared_distances(trained, again, periods).mean(0) / 2)


def distance_ratio(draws: Array, more: Array, again: Array, periods: Sequence[float] = ()) -> Array:
    """η (1,): the distance of `draws` from `again` that nine conditions in ten keep, over the mean one from `more`.

    All are draws (N, n, D), the second ones of the same network, the third of its second training. 0 where the draws of
    a network do not vary.
    """
    own = squared_distances(draws, more, periods).mean(0)
    kept = np.quantile(squared_distances(draws, again, periods), COVERAGE, axis=0)
    return np.asarray(np.divide(kept, own, out=np.zeros_like(kept), where=own > 0))
