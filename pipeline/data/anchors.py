"""The anchors λ_0 < … < λ_K: their one owner. Where a λ stands among them: at one of them, or in which interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HyperparameterError

TIE = 1e-9
"""Distances to two anchors that differ by less than this part of their interval are equal: rounding decides no tie."""

TOLERANCE = 1e-6
"""λ within this distance of an anchor, relative to it where it exceeds 1, is that anchor: float32 0.99 is in range."""


def check_anchors(values: tuple[float, ...], field: str) -> None:
    """Raise ValueError unless `values` are at least two, finite, distinct and ascending."""
    if len(values) < 2:
        raise ValueError(f"{field} = {list(values)}: at least two anchors are needed")
    check_ascending(values, field)


def check_ascending(values: tuple[float, ...], field: str) -> None:
    """Raise ValueError unless `values` are finite, distinct and ascending."""
    if bad := [v for v in values if not math.isfinite(v)]:
        raise ValueError(f"{field}: {bad} are not finite numbers")
    for left, right in pairwise(values):
        if left == right:
            raise ValueError(f"{field} = {list(values)}: {left} is repeated; every value may stand once")
        if left > right:
            raise ValueError(f"{field} = {list(values)}: {left} comes before {right}; sort them ascending")


@dataclass(frozen=True)
class Anchors:
    """The anchors' values, ascending, of the hyperparameter called `name`."""

    values: tuple[float, ...]
    name: str = "hyperparameter"

    def interval(self, value: float) -> int:
        """The interval k that λ = value lies in; an anchor but the last starts its own.

        Raises HyperparameterError outside the anchors' range.
        """
        if not self.values[0] <= value <= self.values[-1]:
            raise HyperparameterError(
                f"{self.name} {value} lies outside the anchors' range [{self.values[0]}, {self.values[-1]}]"
            )
        return int(np.clip(np.searchsorted(self.values, value, side="right") - 1, 0, len(self.values) - 2))

    def nearest(self, value: float) -> int:
        """The number of the anchor with the smallest |λ − λ_k|; a tie goes to the left one."""
        k = self.interval(value)
        left, right = self.values[k], self.values[k + 1]
        return k + 1 if (value - left) - (right - value) > TIE * (right - left) else k

    def position(self, value: float) -> float:
        """S = (λ − λ_k) / (λ_{k+1} − λ_k) in λ's own interval: the linear clock."""
        k = self.interval(value)
        return (value - self.values[k]) / (self.values[k + 1] - self.values[k])

    def near(self, value: float) -> int | None:
        """The number of the anchor that λ = value is within the tolerance, or None."""
        anchors = np.asarray(self.values)
        differences = np.abs(anchors - value)
        nearest = int(differences.argmin())
        # Never so wide that two anchors become one.
        tolerance = min(TOLERANCE * max(1.0, abs(anchors[nearest])), 0.01 * float(np.diff(anchors).min()))
        return nearest if differences[nearest] <= tolerance else None

    def number_of(self, given: object) -> float:
        """A λ as a number; HyperparameterError for what is none."""
        try:
            return float(given)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise HyperparameterError(f"{self.name} = {given!r} is no number; a real one is needed") from error

    def anchor(self, source: float) -> int:
        """The number of the anchor `source`; HyperparameterError where it is none."""
        number = self.near(self.number_of(source))
        if number is None:
            raise HyperparameterError(f"source = {source} is no anchor; anchors are {list(self.values)}")
        return number

    def places(self, first: int, targets: Sequence[float]) -> list[tuple[int, float]]:
        """(interval, λ) of every target, reached from anchor number `first`; an anchor starts its own interval.

        A λ within the tolerance of an anchor is returned as that anchor.

        Raises HyperparameterError for targets that do not ascend, lie below that anchor or outside the range.
        """
        anchors = self.values
        low, high = anchors[first], anchors[-1]
        places: list[tuple[int, float]] = []
        values = [self.number_of(target) for target in targets]
        for i, target in enumerate(values):
            number = self.near(target)
            if not low < target < high and (number is None or number < first):
                what = "below its source" if anchors[0] <= target < low else "outside the anchors' range"
                raise HyperparameterError(
                    f"{self.name} = {target} lies {what}; anywhere in [{low}, {high}] will do (nothing is extrapolated)"
                )
            if i and target < values[i - 1]:
                raise HyperparameterError(f"targets must ascend, but {values[i - 1]} comes before {target}")
            if number is None:
                places.append((int(np.searchsorted(anchors, target)) - 1, target))
            else:
                places.append((number, anchors[number]))
        return places

    def place_rows(self, values: NDArray[np.floating], count: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Interval and λ of each of `count` rows, from one λ or one a row; HyperparameterError as `places`."""
        if values.shape not in ((), (1,), (count,)):
            raise HyperparameterError(
                f"{self.name} has shape {values.shape}; one value, or one a row ({count},), is needed"
            )
        distinct, inverse = np.unique(values, return_inverse=True)
        places = self.places(0, distinct.tolist())
        of_row = np.broadcast_to(inverse.reshape(values.shape), (count,))
        intervals = np.array([interval for interval, _ in places], np.intp)
        return intervals[of_row], np.array([value for _, value in places], np.float64)[of_row]
