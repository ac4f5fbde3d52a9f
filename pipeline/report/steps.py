"""The values of λ that the interactive part of the report can show, and how much of all there is to show fits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid, Mesh, Value
from pipeline.data.schema import Column
from pipeline.data.values import numbers, value_of
from pipeline.report.style import spaced

STEPS = 16
"""Steps of λ between two anchors."""
EVEN_STEPS = 64
"""Steps of a coordinate of scattered anchors, over its whole range."""
MOST_VALUES = 9
"""Values of a coordinate where λ has several: their combinations are shown."""
MOST_POINTS = 1000
"""Combinations of them, unless the anchors alone are more."""
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
    def short(
        cls, column: Column, anchors: Sequence[float], held_out: Sequence[float], steps: int, most: int = MOST_VALUES
    ) -> "Axis":
        """At most `most` values, or the anchors alone where they are more; held-out values are thinned for it."""
        held_out = sorted(set(held_out) - set(anchors))
        kept = [held_out[i] for i in spaced(len(held_out), max(0, most - len(anchors)))]
        tried = (cls.of(column, anchors, kept, n) for n in range(steps, 0, -1))
        return next((axis for axis in tried if len(axis.values) <= most), cls.of(column, anchors, kept, 1))

    @classmethod
    def even(cls, column: Column, anchors: Sequence[float], held_out: Sequence[float], steps: int) -> "Axis":
        """As `of`, with `steps` even steps over the whole range: for scattered anchors, which have no intervals."""
        values = values_between((anchors[0], anchors[-1]), (*anchors[1:-1], *held_out), steps)
        return cls(column, values, _places(values, anchors), _places(values, held_out))


def axes_of(mesh: Mesh, score: Harvest, steps: int) -> list[Axis]:
    """One axis a coordinate; where there are several, short ones, all of whose combinations are shown."""
    count = len(mesh.axes)
    if count == 1:
        return _axes(mesh, score, partial(Axis.of, steps=steps))
    most = next(n for n in range(MOST_VALUES, 0, -1) if n**count <= MOST_POINTS)
    return _axes(mesh, score, partial(Axis.short, steps=steps, most=most))


def fine_axes_of(mesh: Mesh, score: Harvest) -> list[Axis]:
    """One axis a coordinate, as fine as a single one is: where only lines along them are asked."""
    if isinstance(mesh, Grid):
        return _axes(mesh, score, partial(Axis.of, steps=STEPS))
    return _axes(mesh, score, partial(Axis.even, steps=EVEN_STEPS))


def _axes(mesh: Mesh, score: Harvest, make: Callable[..., Axis]) -> list[Axis]:
    points = [numbers(value) for value in score.values]
    return [
        make(column, axis.values, sorted({point[p] for point in points} - set(axis.values)))
        for p, (column, axis) in enumerate(zip(score.schema.hyperparameters, mesh.axes, strict=True))
    ]


def combinations(axes: Sequence[Axis]) -> tuple[Value, ...]:
    """Every λ of the axes' values, the last coordinate changing fastest."""
    return tuple(value_of(point) for point in product(*(axis.values.tolist() for axis in axes)))


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
