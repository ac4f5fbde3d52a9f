"""The cells of a surrogate's anchors: the mesh in the clocks' coordinates, and points within a cell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks.formulas import ClockFormulas
from pipeline.data.mesh import Grid, Mesh, Simplices, axes_of, grid_of
from pipeline.transport import ops
from pipeline.transport.condition import Condition
from pipeline.transport.nested import Between, in_box, in_simplex, on_line

if TYPE_CHECKING:
    from torch import Tensor

NEGLIGIBLE = 1e-9
"""Weight of a simplex' corner up to which it is rounding."""


class Edge(NamedTuple):
    """The number of an edge, and of the anchors that it joins."""

    number: int
    ends: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ClockCoordinates:
    """Clocks as a function of λ (N, P): their coordinates (N, P) in [0, 1], without skews."""

    clocks: Sequence[ClockFormulas]

    def __call__(self, values: NDArray[np.float64], /) -> NDArray[np.float64]:
        """The coordinates of λ (N, P)."""
        return np.stack([clock.coordinates(values[:, p]) for p, clock in enumerate(self.clocks)], axis=1)


def make_mesh(
    vertices: Sequence[tuple[float, ...]],
    names: Sequence[str],
    clocks: Sequence[ClockFormulas],
    order: Sequence[int],
    straight: Sequence[str] = (),
) -> Mesh:
    """The grid that the anchors form, or their triangulation in the clocks' coordinates.

    order: the coordinates in the order in which draws are coupled and geodesics nested. straight: the names of those
    along which paths are straight. Raises ConfigurationError for anchors that span no volume.
    """
    axes = axes_of(vertices, names)
    grid = grid_of(vertices, axes, tuple(order))
    if grid is None:
        return Simplices(axes, tuple(vertices), ClockCoordinates(clocks))
    return replace(grid, straight=tuple(p for p, name in enumerate(names) if name in straight))


def within(
    mesh: Mesh,
    cell: int,
    corners: "Sequence[Tensor]",
    located: NDArray[np.float64],
    clocks: Sequence[ClockFormulas],
    x: Condition,
    between: Between,
) -> "Tensor":
    """Points (B, D) in a cell between its corners' draws (B, D), at located λ (B, P) and B conditions."""
    if isinstance(mesh, Grid):
        intervals = mesh.place(cell)
        shares = [c.positions(intervals[p], located[:, p : p + 1], x) for p, c in enumerate(clocks)]
        by_coordinate = [on_line if p in mesh.straight else between for p in range(len(clocks))]
        return in_box(corners, shares, mesh.order, by_coordinate)
    assert isinstance(mesh, Simplices)
    return in_simplex(corners, ops.like(mesh.weights(cell, located), x.values), between)


def carrying(mesh: Mesh, cell: int, target: Sequence[float]) -> tuple[int, ...]:
    """The corners of a cell that a point λ = target (P,) of it depends on: on a side of the cell, those of the side."""
    corners = mesh.corners(cell)
    if isinstance(mesh, Simplices):
        weights = mesh.weights(cell, np.array([target]))[0]
        return tuple(corner for corner, weight in zip(corners, weights, strict=True) if weight > NEGLIGIBLE)
    at = np.array([mesh.vertices[corner] for corner in corners])
    inside = ~(at == np.asarray(target)).any(axis=0)  # strictly between both values of a coordinate
    kept = (inside | (at == np.asarray(target))).all(axis=1)
    return tuple(corner for corner, keep in zip(corners, kept, strict=True) if keep)
