"""The anchors λ_0 < … < λ_K: their one owner. Where a λ stands among them: at one of them, or in which interval."""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HyperparameterError

TOLERANCE = 1e-6
"""λ within this distance of an anchor, relative to it where it exceeds 1, is that anchor: float32 0.99 is in range."""


def check_anchors(values: tuple[float, ...], field: str) -> None:
    """Raise ValueError unless `values` are at least two, finite, distinct and ascending."""
    if len(values) < 2:
        raise ValueError(f"{field} = {list(values)}: at least two anchors are required")
    check_ascending(values, field)


def check_ascending(values: tuple[float, ...], field: str) -> None:
    """Raise ValueError unless `values` are finite, distinct and ascending."""
    if bad := [v for v in values if not math.isfinite(v)]:
        raise ValueError(f"{field}: {bad} are not finite numbers")
    for left, right in pairwise(values):
        if left == right:
            raise ValueError(f"{field} = {list(values)}: {left} is repeated; values must be unique")
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
        return min(max(bisect_right(self.values, value) - 1, 0), len(self.values) - 2)

    @cached_property
    def _closest(self) -> float:
        """The largest tolerance: never so wide that two anchors become one."""
        return 0.01 * min(right - left for left, right in pairwise(self.values))

    def near(self, value: float) -> int | None:
        """The number of the anchor that λ = value is within the tolerance of, or None."""
        right = min(max(bisect_left(self.values, value), 1), len(self.values) - 1)
        nearest = right if self.values[right] - value < value - self.values[right - 1] else right - 1
        anchor = self.values[nearest]
        tolerance = min(TOLERANCE * max(1.0, abs(anchor)), self._closest)
        return nearest if abs(anchor - value) <= tolerance else None

    def number_of(self, given: object) -> float:
        """A λ as a number; HyperparameterError for anything else."""
        try:
            return float(given)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise HyperparameterError(f"{self.name} = {given!r} must be a real number") from error

    def locate(self, value: object) -> float:
        """A λ in range as a float, an anchor's own value within the tolerance of it.

        Raises HyperparameterError for what is not a number or lies outside the anchors' range.
        """
        number = self.number_of(value)
        near = self.near(number)
        if near is not None:
            return self.values[near]
        low, high = self.values[0], self.values[-1]
        if not low < number < high:
            raise HyperparameterError(
                f"{self.name} = {number} lies outside the anchors' range; anywhere in [{low}, {high}] will do "
                "(nothing is extrapolated)"
            )
        return number

    def locate_rows(self, values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
        """The located λ of each of `count` rows, from one λ or one a row: (N,).

        Raises HyperparameterError as `locate`, and for another number of values.
        """
        if values.shape not in ((), (1,), (count,)):
            raise HyperparameterError(
                f"{self.name} has shape {values.shape}; expected a scalar or one value per row ({count},)"
            )
        if values.size and (values == (first := values.flat[0])).all():  # one λ for all, as most calls have it
            return np.full(count, self.locate(float(first)))
        distinct, inverse = np.unique(values, return_inverse=True)
        located = np.array([self.locate(value) for value in distinct.tolist()], np.float64)
        return np.broadcast_to(located[inverse.reshape(values.shape)], (count,))

    def intervals(self, located: NDArray[np.float64]) -> NDArray[np.intp]:
        """The interval of each located λ (N,); an anchor but the first ends its interval."""
        return np.clip(np.searchsorted(self.values, located, side="left") - 1, 0, len(self.values) - 2)
