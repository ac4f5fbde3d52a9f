"""How far the surrogate may be from the network trained at λ, at every condition: a band that covers nine in ten.

Two things are unknown at (x, λ): when an output moves between its ends, and what training does by chance. With the
clock's position s and the ends' outputs y_0, y_1 at x,

    u² = σ² (1 + (1 − s)² + s²) + (c · 4 s (1 − s))² |y_1 − y_0|²,

where σ² is the variance of an output over trainings (of the network at λ, and of the two ends, which the surrogate
mixes): half the mean square difference of an anchor's network from one trained by another seed. c, a share of the way
between the ends, is calibrated where the truth is known: every interior anchor is left out and predicted, and c is the
smallest for which ± 1.645 u covers nine in ten of its outputs. In use the clock knows the anchor that it was left out
of, hence CARRIED. Of draws, the same with squared Wasserstein distances: u² bounds the one to the truth's draws, and σ²
stands for the distance that the draws of two trainings keep at nine in ten conditions, the noise of finite samples
included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """Between the ends of an interval: the positions (N, 1), and squared distances (N, D), or (N, 1) of draws."""

    position: Array
    squared: Array

    @classmethod
    def of(cls, surrogate: "Surrogate", conditions: NDArray[np.floating], value: float) -> Self:
        """At conditions (N, C) and one λ of one hyperparameter."""
        k = Anchors(surrogate.anchors).interval(value)
        left, right = (at_condition(surrogate, conditions, surrogate.anchors[j]) for j in (k, k + 1))
        position = np.asarray(surrogate.positions(conditions, value), np.float64)[:, None]
        return cls(position, squared_distances(left, right, surrogate.schema.periods))

    @property
    def reach(self) -> Array:
        """(4 s (1 − s))² times the squared distances, (N, ·)."""
        s = self.position
        return np.asarray((4 * s * (1 - s)) ** 2 * self.squared)


def at_condition(surrogate: "Surrogate", conditions: NDArray[np.floating], value: float) -> Array:
    """Outputs (N, 1, D) of a deterministic surrogate, draws (N, DRAWS, D) of another, at conditions (N, C)."""
    draws = 1 if surrogate.deterministic else DRAWS
    return np.asarray(surrogate.sample(conditions, value, draws=draws, seed=0), np.float64)


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

    noise: σ² by output (D,), or of draws (1,), the distance of two trainings' samples at nine in ten conditions.
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
    return noise * (1 + (1 - s) ** 2 + s**2) if deterministic else np.broadcast_to(noise, movement.squared.shape)


def _ratios(movement: Movement, errors: Array, noise: Array, *, deterministic: bool) -> Array:
    """c² that a single error needs, (N, ·); 0 where an output does not move."""
    needed = errors / NORMAL**2 if deterministic else errors
    spare = needed - _noise(movement, noise, deterministic=deterministic)
    return np.divide(spare, movement.reach, out=np.zeros_like(spare), where=movement.reach > 0)


def noise_of(trained: Array, again: Array, periods: Sequence[float] = ()) -> Array:
    """σ² of two trainings' outputs (N, 1, D): (D,); of their draws (N, n, D) the distance of nine in ten (1,)."""
    squared = squared_distances(trained, again, periods)
    return np.asarray(squared.mean(0) / 2 if trained.shape[1] == 1 else np.quantile(squared, COVERAGE, axis=0))
