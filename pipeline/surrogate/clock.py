"""Clocks: monotone functions of λ that say how far between two anchors the outputs have moved.

s = (c(λ) − c(λ_k)) / (c(λ_{k+1}) − c(λ_k)) is the place on the path. A clock is a candidate only where it is finite on
all anchors.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.errors import ConfigurationError
from pipeline.harvest import Harvest
from pipeline.surrogate.coupling import conditional_coupling, exact_coupling, group_rows, squared_distances
from pipeline.surrogate.scaling import Standardiser

CLOCKS: dict[str, Callable[[float], float]] = {
    "probit": lambda value: float(ndtri(value)),
    "linear": lambda value: value,
}
"""From the most specific to the most general: where the samples cannot tell, the first candidate is the prior. A probit
is finite only where all anchors lie within (0, 1), a probability."""

MOST_DRAWS = 256
"""So many draws of a condition are compared: exact transport of more takes longer than it tells."""

TIE = 1e-3
"""Errors within this relative distance of the best do not tell two clocks apart."""


@dataclass(frozen=True)
class Clock:
    """A named clock over ascending anchors; ConfigurationError where it is not finite on all of them."""

    name: str
    anchors: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.name not in CLOCKS:
            raise ConfigurationError(f"clock = {self.name!r} is unknown; known are {sorted(CLOCKS)} and auto")
        if not is_candidate(self.name, self.anchors):
            raise ConfigurationError(
                f"clock = {self.name!r} is not finite on the anchors {list(self.anchors)}; "
                f"choose one of {candidates(self.anchors)}, or auto"
            )

    def place(self, interval: int, value: float) -> float:
        """The place s in [0, 1] of λ = value within the interval [λ_k, λ_{k+1}]."""
        left, right = self.anchors[interval : interval + 2]
        return place(self.name, left, right, value)


def place(name: str, left: float, right: float, value: float) -> float:
    """The place s in [0, 1] of λ = value between the anchors left and right, by the named clock."""
    start, end, now = (CLOCKS[name](v) for v in (left, right, min(max(value, left), right)))
    return min(max((now - start) / (end - start), 0.0), 1.0)


def is_candidate(name: str, anchors: Sequence[float]) -> bool:
    """Whether the clock is finite on all anchors."""
    return all(math.isfinite(CLOCKS[name](a)) for a in anchors)


def candidates(anchors: Sequence[float]) -> list[str]:
    """The names of all clocks that are finite on all anchors."""
    return [name for name in CLOCKS if is_candidate(name, anchors)]


def choose_clock(harvest: Harvest, deterministic: bool) -> tuple[str, dict[str, float]]:
    """The clock that foretells left-out anchors best, and every candidate's error.

    Each interior anchor is left out in turn: its neighbours' samples, coupled within shared conditions, move on
    straight lines to where the clock puts the anchor; the error, in standardised units, is the mean squared error
    (deterministic) or the mean W₂² per condition. Clocks that agree at the left-out anchors (all of them do at the
    middle of three symmetric ones), two anchors, and conditions that the anchors do not share leave it open: then the
    most specific candidate is taken.
    """
    anchors = tuple(harvest.hyperparameter.tolist())
    names = candidates(anchors)
    groups = group_rows(*harvest.conditions)
    shared = all(np.array_equal(np.unique(groups[0]), np.unique(g)) for g in groups[1:])
    if len(anchors) < 3 or len(names) == 1 or not shared:
        return names[0], {}
    errors = dict.fromkeys(names, 0.0)
    scale = Standardiser.of(harvest).output_scale.numpy()
    rows = _thin(groups)
    outputs = [y[kept] / scale for y, kept in zip(harvest.outputs, rows, strict=True)]
    groups = [group[kept] for group, kept in zip(groups, rows, strict=True)]
    for k in range(1, len(anchors) - 1):
        left, right = outputs[k - 1], outputs[k + 1]
        pairs = conditional_coupling(left, groups[k - 1][:, None], right, groups[k + 1][:, None])
        for name in names:
            s = place(name, anchors[k - 1], anchors[k + 1], anchors[k])
            moved = (1 - s) * left[pairs.left] + s * right[pairs.right]
            error = _distance(moved, groups[k - 1][pairs.left], outputs[k], groups[k], deterministic)
            errors[name] += error / (len(anchors) - 2)
    best = min(errors.values())
    return next(name for name in names if errors[name] <= (1 + TIE) * best), errors


def _thin(groups: Sequence[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
    """Rows of every anchor, drawn so that each condition has as many at all of them, at most MOST_DRAWS."""
    counts = np.stack([np.bincount(group) for group in groups])
    limit = np.minimum(counts.min(0), MOST_DRAWS)
    generator = np.random.default_rng(0)
    kept = []
    for group, count in zip(groups, counts, strict=True):
        shuffled = generator.permutation(len(group))
        order = shuffled[np.argsort(group[shuffled], kind="stable")]
        rank = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
        kept.append(order[rank < limit[group[order]]])
    return kept


def _distance(
    moved: np.ndarray, moved_group: np.ndarray, truth: np.ndarray, truth_group: np.ndarray, deterministic: bool
) -> float:
    if deterministic:
        first = np.zeros(truth_group.max() + 1, np.intp)
        first[truth_group] = np.arange(len(truth_group))
        return float(np.mean((moved - truth[first[moved_group]]) ** 2))
    total = 0.0
    names = np.unique(moved_group)
    for group in names:
        cost = squared_distances(moved[moved_group == group], truth[truth_group == group])
        pair = exact_coupling(cost)
        total += float(pair.weight @ cost[pair.left, pair.right])
    return total / len(names)
