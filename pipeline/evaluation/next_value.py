"""The λ to train next: the one whose network is expected to reduce the surrogate's uncertainty most, over all λ.

What an anchor at λ* takes away is the part of u² (`pipeline.evaluation.uncertainty`) that is about timing,

    R = c² ∫ (4 s (1 − s))² |y_1 − y_0|² dλ:

its interval becomes two, each with positions from 0 to 1 and with ends that are nearer to each other. Where the clock
now puts λ* is where they meet, and what the surrogate now answers there is their common end. The mean of R over
conditions, before minus after, is the expected reduction; wide intervals count for more, since more λ lie in them, and
so do intervals in which outputs move far. On a straight uniform line |y_1 − y_0|² = L² and a width w, an anchor at the
share t of the way takes 3 t (1 − t) of (8 / 15) c² L² w: three quarters half way. Noise of training stays what it is.

c, one number for all intervals, does not change which λ is best. With two anchors nothing was ever left out, and all
clocks agree half way: the middle is trained. Where two networks' mixtures are ruinous no anchor elsewhere helps: the λ
that mends a broken interval comes first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import Anchors
from pipeline.data.mesh import Value
from pipeline.data.values import numbers
from pipeline.evaluation.uncertainty import Array, Ends, Movement, Uncertainty, at_condition, squared_distances

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

Why = Literal["barrier", "middle", "uncertainty"]

CELLS = 32
"""Equal parts of an interval of λ, at whose middles the integral is evaluated."""
CANDIDATES = 15
"""λ within an interval that are compared, equally spaced."""
ROUNDING = 1 / 20
"""A λ is rounded to the fewest decimals that move it by no more than this part of its interval."""
MOST_CONDITIONS = 300
MOST_CONDITIONS_OF_DRAWS = 32
"""Conditions that means are over: W₂² takes its time."""

Accepts = Callable[[float], bool]


@dataclass(frozen=True)
class NextValue:
    """A λ to train.

    why: it mends a broken interval; it is the middle of two anchors; or it reduces the uncertainty most. anchors: the
    ends of its interval. before, after: the mean u² over conditions and all λ between the anchors, now, and as expected
    with the network of this λ; None of a barrier. known: it is a held-out value, whose network there is already: the
    family takes no other.
    """

    value: float
    why: Why
    anchors: tuple[float, float]
    before: float | None = None
    after: float | None = None
    known: bool = False

    @property
    def sentence(self) -> str:
        """The λ, why, and what is expected of it."""
        left, right = (f"{anchor:g}" for anchor in self.anchors)
        reasons = {
            "barrier": f"mixtures of the networks of {left} and {right} are ruinous",
            "middle": f"it is the middle of the only two anchors, {left} and {right}",
            "uncertainty": f"between {left} and {right} an anchor takes away most of the uncertainty",
        }
        known = "; it is held out now, and would be a check less" if self.known else ""
        return f"the λ to train next is {self.value:g}: {reasons[self.why]}{self._expectation}{known}"

    @property
    def _expectation(self) -> str:
        if self.before is None or self.after is None or not self.before > 0:
            return ""
        share = 100 * (1 - self.after / self.before)
        return (
            f"; the squared error expected over all λ falls from {self.before:.3g} to {self.after:.3g} (−{share:.0f} %)"
        )


def next_value(
    surrogate: "Surrogate",
    uncertainty: Uncertainty | None,
    conditions: NDArray[np.floating],
    values: Sequence[Value],
    accepts: Accepts = lambda value: True,
) -> NextValue | None:
    """The λ to train next.

    conditions: (N, C), of the score harvest. values: the λ that have a network, which are not named again unless
    `accepts`, whether the family trains at a λ, takes no other. None with several hyperparameters, without an
    uncertainty, and where the family takes nothing.
    """
    if uncertainty is None or len(surrogate.schema.hyperparameters) > 1:
        return None
    taken = [v for (v,) in map(numbers, values)]
    broken = [barrier for barrier in surrogate.barriers or () if barrier.train_at is not None]
    for barrier in sorted(broken, key=lambda b: b.anchors[0] - b.anchors[1]):
        for value in _readable(float(barrier.train_at or 0), barrier.anchors):
            if value not in taken and accepts(value):
                return NextValue(value, "barrier", barrier.anchors)
    some = conditions_for(surrogate, conditions)
    chosen = _chosen(surrogate, some, taken, accepts)
    if chosen is None:
        return None
    k = Anchors(surrogate.anchors).interval(chosen)
    before = mean_squared(surrogate, uncertainty, some)
    gain = uncertainty.timing**2 * float(reductions(surrogate, some, [chosen])[0])
    why: Why = "middle" if len(surrogate.anchors) == 2 else "uncertainty"
    return NextValue(chosen, why, surrogate.anchors[k : k + 2], before, before - gain, chosen in taken)  # type: ignore[arg-type]


def conditions_for(surrogate: "Surrogate", conditions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Some distinct conditions (N, C), as many as the integrals are worth."""
    most = MOST_CONDITIONS if surrogate.deterministic else MOST_CONDITIONS_OF_DRAWS
    found = np.unique(conditions, axis=0)
    return found if len(found) <= most else found[np.linspace(0, len(found) - 1, most).round().astype(np.intp)]


def reductions(surrogate: "Surrogate", conditions: NDArray[np.floating], candidates: Sequence[float]) -> Array:
    """What an anchor at each of the candidates (J,), none of them an anchor, takes from the mean of u² / c²: (J,).

    The mean is over conditions (N, C), outputs and λ between the first anchor and the last; in squared units of the
    outputs.
    """
    anchors = surrogate.anchors
    outputs = [at_condition(surrogate, conditions, anchor) for anchor in anchors]
    intervals = [Anchors(anchors).interval(value) for value in candidates]
    found = np.zeros(len(candidates))
    for k in sorted(set(intervals)):
        chosen = [j for j, interval in enumerate(intervals) if interval == k]
        stretch = _Stretch(surrogate, conditions, anchors[k], anchors[k + 1])
        share = (anchors[k + 1] - anchors[k]) / (anchors[-1] - anchors[0])
        found[chosen] = [share * stretch.reduction(candidates[j], outputs[k], outputs[k + 1]) for j in chosen]
    return found


def mean_squared(surrogate: "Surrogate", uncertainty: Uncertainty, conditions: NDArray[np.floating]) -> float:
    """The mean of u² over conditions (N, C), outputs, and λ between the first anchor and the last."""
    anchors = surrogate.anchors
    total = 0.0
    for k, (left, right) in enumerate(pairwise(anchors)):
        ends, stretch = Ends.of(surrogate, conditions, k), _Stretch(surrogate, conditions, left, right)
        means = [uncertainty.squared(ends.movement(s)).mean() for s in stretch.positions]
        total += float(np.mean(means)) * (right - left) / (anchors[-1] - anchors[0])
    return total


class _Stretch:
    """The interval between two anchors: the clock's positions (CELLS, N, 1) at the middles of equal parts of it."""

    def __init__(self, surrogate: "Surrogate", conditions: NDArray[np.floating], left: float, right: float) -> None:
        self._surrogate, self._conditions = surrogate, conditions
        self._values = left + (right - left) * (np.arange(CELLS) + 0.5) / CELLS
        self.positions = np.stack([self._at(value) for value in self._values.tolist()])
        self.periods = surrogate.schema.periods

    def _at(self, value: float) -> Array:
        return np.asarray(self._surrogate.positions(self._conditions, value), np.float64)[:, None]

    def reduction(self, value: float, left: Array, right: Array) -> float:
        """The mean of u² / c² that an anchor at λ = value takes away; left, right: the ends' outputs (N, n, D)."""
        middle, s = at_condition(self._surrogate, self._conditions, value), self._at(value)
        now = Movement(self.positions, squared_distances(left, right, self.periods)).reach.mean()
        first = self._values < value
        below = Movement(_share(self.positions[first], s), squared_distances(left, middle, self.periods))
        above = Movement(_share(1 - self.positions[~first], 1 - s), squared_distances(middle, right, self.periods))
        after = sum(part.reach.mean(axis=(1, 2)).sum() for part in (below, above))
        return float(now - after / CELLS)


def _share(part: Array, whole: Array) -> Array:
    """The parts of a whole, between 0 and 1; 0 where the whole is 0, since nothing moves there."""
    return np.clip(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0), 0, 1)


def _chosen(
    surrogate: "Surrogate", conditions: NDArray[np.floating], taken: Sequence[float], accepts: Accepts
) -> float | None:
    """The best λ that the family takes, one that has no network before one that has."""
    anchors, held_out = surrogate.anchors, [v for v in taken if v not in surrogate.anchors]
    if len(anchors) == 2:
        middle = sum(anchors) / 2
        candidates = sorted(_between(*anchors), key=lambda v: abs(v - middle))
        held_out.sort(key=lambda v: abs(v - middle))
    else:
        candidates, held_out = (
            _ranked(surrogate, conditions, listed)
            for listed in ([v for ends in pairwise(anchors) for v in _between(*ends)], held_out)
        )
    for candidate in candidates:
        k = Anchors(anchors).interval(candidate)
        for value in _readable(candidate, (anchors[k], anchors[k + 1])):
            if value not in taken and accepts(value):
                return value
    return next((value for value in held_out if accepts(value)), None)


def _ranked(surrogate: "Surrogate", conditions: NDArray[np.floating], values: Sequence[float]) -> list[float]:
    gains = reductions(surrogate, conditions, values)
    return [values[j] for j in np.argsort(-gains, kind="stable")]


def _between(left: float, right: float) -> list[float]:
    return [left + (right - left) * j / (CANDIDATES + 1) for j in range(1, CANDIDATES + 1)]


def _readable(value: float, anchors: tuple[float, float]) -> Iterator[float]:
    """Numbers near λ = value inside the interval, the ones with the fewest decimals first."""
    left, right = anchors
    decimals = -floor(log10(right - left))
    for digits in range(decimals - 1, decimals + 4):
        rounded = round(value, digits) + 0.0  # never −0
        if left < rounded < right and abs(rounded - value) <= ROUNDING * (right - left):
            yield rounded
