"""Lines through the anchors of several hyperparameters: one coordinate of λ moves, the others stay at an anchor's."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import Anchors
from pipeline.data.mesh import Grid
from pipeline.data.values import in_words
from pipeline.report.plane import Plane, Point
from pipeline.report.style import spaced

MOST_LINES = 3
"""Lines of one coordinate that a picture shows."""
_SEARCHED = 401
"""Points among which the ends of a line inside a hull are looked for."""


@dataclass(frozen=True, eq=False)
class Line:
    """The λ at which one coordinate moves from `low` to `high`; through its anchors, ascending in that coordinate."""

    plane: Plane
    coordinate: int
    anchors: tuple[Point, ...]
    low: float
    high: float

    def at(self, value: float) -> Point:
        """λ where the line's coordinate has that value."""
        fixed = self.anchors[0]
        return (*fixed[: self.coordinate], value, *fixed[self.coordinate + 1 :])

    @property
    def others(self) -> str:
        """What stays, in words."""
        names = [column.name for column in self.plane.columns]
        kept = [p for p in range(len(names)) if p != self.coordinate]
        return in_words(tuple(self.anchors[0][p] for p in kept), [names[p] for p in kept])

    @cached_property
    def stops(self) -> tuple[float, ...]:
        """The values of the coordinate at the anchors and at the ends, ascending."""
        return tuple(sorted({self.low, *(anchor[self.coordinate] for anchor in self.anchors), self.high}))

    def pieces(self, points: int) -> list[NDArray[np.float64]]:
        """Values (points,) of the coordinate between neighbouring stops.

        They begin and end just beside a stop that is an anchor, so that a discontinuity there shows.
        """
        between = np.geomspace if self.plane.logarithmic(self.coordinate) else np.linspace
        return [self._inside(between(left, right, points)) for left, right in pairwise(self.stops)]

    def before(self, value: float) -> Point:
        """The last anchor of the line up to a value of the coordinate; the first one where that is none."""
        reached = [anchor for anchor in self.anchors if anchor[self.coordinate] <= value]
        return reached[-1] if reached else self.anchors[0]

    def held_out(self) -> tuple[Point, ...]:
        """The held-out λ on the line."""
        return tuple(point for point in self.plane.held_out if point == self.at(point[self.coordinate]))

    def _inside(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        axis = self.plane.surrogate.mesh.axes[self.coordinate]
        values[0], values[-1] = _beside(axis, values[0], values[-1]), _beside(axis, values[-1], values[0])
        return values


def _beside(axis: Anchors, stop: float, towards: float) -> float:
    """A value next to a stop, as close as is still distinct from every anchor's."""
    step = 1e-6 * (towards - stop)
    while axis.near(float(stop + step)) is not None:
        step *= 2
    return float(stop + step)


def lines_of(plane: Plane, coordinate: int, most: int = MOST_LINES) -> list[Line]:
    """Lines along a coordinate: of a grid at most `most`, evenly spaced; of scattered anchors the middle one's."""
    mesh = plane.surrogate.mesh
    if isinstance(mesh, Grid):
        found = mesh.lines(coordinate)
        chosen = [tuple(mesh.vertices[k] for k in found[i]) for i in spaced(len(found), most)]
        return [Line(plane, coordinate, line, line[0][coordinate], line[-1][coordinate]) for line in chosen]
    middle = mesh.vertices[mesh.spanning_tree[0][0]]
    return [_through(plane, coordinate, middle)]


def _through(plane: Plane, coordinate: int, anchor: Point) -> Line:
    """The line through a scattered anchor, as far as it lies in the hull, and the anchors on it."""
    mesh = plane.surrogate.mesh
    axis = mesh.axes[coordinate].values
    values = np.linspace(axis[0], axis[-1], _SEARCHED)
    points = np.repeat(np.array([anchor]), len(values), axis=0)
    points[:, coordinate] = values
    inside = values[mesh.cell_rows(points) >= 0]
    low, high = (float(f([*inside, anchor[coordinate]])) for f in (np.min, np.max))
    kept = [p for p in range(len(anchor)) if p != coordinate]
    on = [v for v in mesh.vertices if all(v[p] == anchor[p] for p in kept)]
    return Line(plane, coordinate, tuple(sorted(on, key=lambda v: v[coordinate])), low, high)
