"""The values of λ that the interactive part of the report can show, and how much of all there is to show fits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column
from pipeline.report.style import spaced

STEPS = 16
"""Steps of λ between two anchors."""
MOST_VALUES = 9
"""Values of a coordinate where λ has several: their combinations are shown."""
DECADE = 10.0


@dataclass(frozen=True, eq=False)
class Axis:
    """One coordinate of λ: values (M,), ascending, and the numbers of those that are anchors' and held-out ones."""

    column: Column
    values: NDArray[np.float64]
    anchors: tuple[int, ...]
    held_out: tuple[int, ...]

    @classmethod
    def of(cls, column: Column, anchors: Sequence[float], held_out: Sequence[float], steps: int) -> "Axis":
        """All anchors and held-out values, and evenly spaced ones between."""
        values = values_between(anchors, held_out, steps)
        return cls(column, values, _places(values, anchors), _places(values, held_out))

    @classmethod
    def short(cls, column: Column, anchors: Sequence[float], held_out: Sequence[float], steps: int) -> "Axis":
        """At most MOST_VALUES values, or the anchors alone where they are more; held-out values are thinned for it."""
        held_out = sorted(set(held_out) - set(anchors))
        kept = [held_out[i] for i in spaced(len(held_out), max(0, MOST_VALUES - len(anchors)))]
        tried = (cls.of(column, anchors, kept, n) for n in range(steps, 0, -1))
        return next((axis for axis in tried if len(axis.values) <= MOST_VALUES), cls.of(column, anchors, kept, 1))


def values_between(anchors: Sequence[float], held_out: Sequence[float], steps: int) -> NDArray[np.float64]:
    """Anchors, held-out values, and `steps` even steps an interval, without those too close to a held-out value.

    Steps are even in log λ in an interval of a decade and more.
    """
    found = [np.array([*anchors, *held_out], np.float64)]
    for left, right in pairwise(anchors):
        spacing = np.geomspace if left > 0 and right >= DECADE * left else np.linspace
        regular = spacing(left, right, steps + 1)
        places = np.interp(held_out, regular, np.arange(steps + 1))
        near = np.abs(np.arange(1, steps)[:, None] - places).min(axis=1, initial=np.inf) < 0.5
        found.append(regular[1:-1][~near])
    return np.unique(np.concatenate(found))


def _places(values: NDArray[np.float64], some: Sequence[float]) -> tuple[int, ...]:
    return tuple(np.searchsorted(values, sorted(set(some))).tolist())


@dataclass(frozen=True)
class Extent:
    """How much is shown: steps of λ an interval, draws of a condition, conditions."""

    steps: int
    draws: int
    conditions: int


_FLOORS = (Extent(4, 10, 2), Extent(1, 1, 1))
"""Steps, draws and conditions are thinned in this order down to the first, and only then further."""


def largest(full: Extent, numbers: Callable[[Extent], int], most: int) -> Extent | None:
    """The first of the thinned extents whose count of numbers is at most `most`; None where there is none."""
    return next((extent for extent in _thinned(full) if numbers(extent) <= most), None)


def _thinned(extent: Extent) -> Iterator[Extent]:
    """An extent, and ever smaller ones: halved in steps, then draws, then conditions."""
    yield extent
    for floor in _FLOORS:
        for field in ("steps", "draws", "conditions"):
            while (count := getattr(extent, field)) > getattr(floor, field):
                extent = replace(extent, **{field: max(count // 2, getattr(floor, field))})
                yield extent
