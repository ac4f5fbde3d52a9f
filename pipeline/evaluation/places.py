"""Where a λ lies among the anchors: its cell, the weights of its corners, the nearest anchor, a point beside an anchor.

With one hyperparameter a cell is an interval with two corners, of weights 1 − s and s. Linear weights are taken in λ
itself, every coordinate scaled to the anchors' range: multilinear in a box, barycentric in a simplex. Scattered anchors
are triangulated anew for them, because a triangle in the clocks' coordinates is none in λ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid, Mesh, Simplices, Tree, Value, axes_of, pruned
from pipeline.data.values import named, numbers, value_of
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

STEP = 1e-6
"""A point beside an anchor lies this part of the way to its cell's other corners, or a little more."""
LEAST_PART = 1e-3
"""A coordinate in which the way there is shorter than this part of the longest one stays as it is."""
MOST_DOUBLINGS = 14
"""Tolerances of anchors are at most 0.01 of an interval: so many doublings of STEP exceed them."""
TIE = 1e-9
"""Distances to two anchors that differ by less than this part of their interval are equal: rounding decides no tie."""


@dataclass(frozen=True)
class Scaled:
    """λ (N, P) → (N, P), every coordinate from 0 at its smallest anchor to 1 at its largest."""

    axes: tuple[Anchors, ...]

    def __call__(self, values: NDArray[np.float64], /) -> NDArray[np.float64]:
        """The scaled coordinates."""
        low, high = (np.array([axis.values[end] for axis in self.axes]) for end in (0, -1))
        return np.asarray((values - low) / (high - low))


@dataclass(frozen=True, eq=False)
class Place:
    """A cell of a mesh."""

    mesh: Mesh
    cell: int

    @property
    def corners(self) -> tuple[int, ...]:
        """The numbers of the anchors that are the cell's corners; with one hyperparameter the left and the right."""
        return self.mesh.corners(self.cell)

    @property
    def values(self) -> tuple[Value, ...]:
        """The corners' λ."""
        return tuple(value_of(self.mesh.vertices[k]) for k in self.corners)

    @property
    def tree(self) -> Tree:
        """Edges from the first corner to all others."""
        return self.mesh.cell_tree(self.cell)


@dataclass(frozen=True, eq=False)
class Stretch(Place):
    """A cell, and anchors beside it that are coupled with its own: all of them along the mesh's tree.

    beside: the numbers of the anchors that are to be reached, the cell's own included.
    """

    beside: tuple[int, ...]

    @property
    def tree(self) -> Tree:
        """Edges from the cell's first corner to all anchors that are to be reached."""
        return pruned(self.mesh.tree(self.corners[0]), self.beside)


def linear_mesh(mesh: Mesh) -> Mesh:
    """The mesh of the same anchors in λ itself: a grid as it is, others triangulated in scaled λ."""
    return mesh if isinstance(mesh, Grid) else Simplices(mesh.axes, mesh.vertices, Scaled(mesh.axes))


def linear_mesh_of(harvest: Harvest) -> Mesh:
    """The same of a harvest's anchors, for methods without clocks."""
    axes = axes_of(harvest.vertices, [column.name for column in harvest.schema.hyperparameters])
    return harvest.grid() or Simplices(axes, harvest.vertices, Scaled(axes))


def place_of(mesh: Mesh, value: Sequence[float]) -> Place:
    """The cell of λ (P,); an anchor's value other than the first ends its interval.

    Raises HyperparameterError outside the anchors' hull.
    """
    for axis, coordinate in zip(mesh.axes, value, strict=True):
        axis.interval(coordinate)
    located = np.array([value], np.float64)
    mesh.check_inside(located)
    return Place(mesh, int(mesh.cell_rows(located)[0]))


def linear_weights(place: Place, value: Sequence[float]) -> list[float]:
    """The weight of every corner of a cell of a `linear_mesh` at λ (P,), summing to 1."""
    mesh = place.mesh
    if not isinstance(mesh, Grid):
        assert isinstance(mesh, Simplices)
        return list(mesh.weights(place.cell, np.array([value], np.float64))[0].tolist())
    ends = [axis.values[k : k + 2] for axis, k in zip(mesh.axes, mesh.place(place.cell), strict=True)]
    return box_weights([(v - left) / (right - left) for v, (left, right) in zip(value, ends, strict=True)])


def own_weights(surrogate: "Surrogate", value: Value, conditions: FloatArray) -> list[NDArray[np.float64]]:
    """The weight (N,) of every corner of λ's cell by the surrogate's own clocks, at conditions (N, C)."""
    mesh = surrogate.mesh
    if isinstance(mesh, Grid):
        positions = np.asarray(surrogate.positions(conditions, given(mesh, value)), np.float64)
        return box_weights(list(positions.reshape(len(conditions), -1).T))
    assert isinstance(mesh, Simplices)
    located = np.array([numbers(value)], np.float64)
    weights = mesh.weights(int(mesh.cell_rows(located)[0]), located)[0]
    return [np.full(len(conditions), weight) for weight in weights]


def given(mesh: Mesh, value: Value) -> float | dict[str, float]:
    """λ as the surrogate's methods take it, whatever the number of rows is."""
    return named(value, [axis.name for axis in mesh.axes])


def box_weights(shares: Sequence[Any]) -> list[Any]:
    """The weights of a box's 2^P corners, in binary order, at shares in [0, 1], one a coordinate: numbers or arrays."""
    corners = product((False, True), repeat=len(shares))
    return [prod(s if far else 1 - s for s, far in zip(shares, corner, strict=True)) for corner in corners]


def nearest(mesh: Mesh, value: Sequence[float]) -> int:
    """The anchor nearest to λ (P,), in λ with every coordinate scaled to the anchors' range; the first of equals."""
    scaled = Scaled(mesh.axes)
    away = scaled(np.array(mesh.vertices)) - scaled(np.array([value], np.float64))
    distances = np.sqrt(np.square(away).sum(1))
    return int(np.flatnonzero(distances <= distances.min() * (1 + 2 * TIE))[0])


def around(mesh: Mesh, value: Value) -> tuple[int, ...]:
    """The numbers of the anchors that a λ lies between: its cell's corners, less those that weigh nothing.

    At an anchor it is that one, on an edge its two ends. Raises HyperparameterError outside the anchors' hull.
    """
    place = place_of(mesh, numbers(value))
    weights = linear_weights(place, numbers(value))
    return tuple(corner for corner, weight in zip(place.corners, weights, strict=True) if weight > TIE)


def place_between(mesh: Mesh, one: int, other: int) -> Place:
    """The first cell that has both anchors as corners."""
    return Place(mesh, next(c for c in range(mesh.cell_count) if {one, other} <= set(mesh.corners(c))))


def beside(place: Place, vertex: int) -> Value:
    """A λ in a cell, as close to one of its corners as is still distinct from it: a discontinuity there shows."""
    mesh = place.mesh
    corner = mesh.vertices[vertex]
    step = _step(mesh, np.array(corner), np.array([mesh.vertices[k] for k in place.corners if k != vertex]))
    for _ in range(MOST_DOUBLINGS):
        moves = zip(mesh.axes, corner, step.tolist(), strict=True)
        if not any(d and axis.near(v - d) is not None for axis, v, d in moves):
            break
        step = 2 * step
    return value_of((np.array(corner) - step).tolist())


def _step(mesh: Mesh, corner: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The difference (P,) of a corner and a point close to it, towards the mean of the others (n, P) of its cell.

    Scattered anchors' cells are simplices in the clocks' coordinates: the direction is taken there, to first order.
    """
    step = STEP * (corner - others.mean(0))
    if not isinstance(mesh, Simplices):
        return np.asarray(step)
    inward = np.where(step, step, STEP * np.ptp(others, axis=0))
    here, there = mesh.clocks(corner[None])[0], mesh.clocks((corner - inward)[None])[0]
    slope = (here - there) / inward
    wanted = STEP * (here - mesh.clocks(others).mean(0))
    wanted[np.abs(wanted) < LEAST_PART * np.abs(wanted).max()] = 0.0
    return np.asarray(np.divide(wanted, slope, out=np.zeros_like(wanted), where=slope > 0))
