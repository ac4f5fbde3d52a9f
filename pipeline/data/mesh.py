"""Anchors as a mesh: vertices, the edges between neighbours, and the cells that they span, for one λ or several.

With one hyperparameter the mesh is a line: its cells are the intervals. Anchors of several hyperparameters that contain
every combination of their values form a grid, whose cells are boxes. Any other anchors are triangulated (Delaunay) in
the clocks' coordinates, and the cells are simplices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import TOLERANCE, Anchors
from pipeline.errors import ConfigurationError, HyperparameterError

if TYPE_CHECKING:
    from scipy.spatial import Delaunay

Value = float | tuple[float, ...]
"""A λ: a number, or one number a hyperparameter."""
Given = float | Sequence[float] | Mapping[str, float]
"""A λ as users write it."""
Edge = tuple[int, int]
Tree = Sequence[tuple[int, int]]
"""Edges (parent, child) that reach every vertex but the root; every parent is the root or an earlier child."""

INSIDE = TOLERANCE
"""A barycentric weight down to minus this is rounding: float32 (0.6, 0.4) lies on the face from (1, 0) to (0, 1)."""


class Mesh(Protocol):
    """What the surrogate asks of its anchors."""

    @property
    def axes(self) -> tuple[Anchors, ...]:
        """The distinct values of every hyperparameter."""
        ...

    @property
    def vertices(self) -> tuple[tuple[float, ...], ...]:
        """The anchors, in the harvest's order."""
        ...

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Pairs of neighbouring vertices; moves along an edge go from its first vertex to its second."""
        ...

    @property
    def edge_numbers(self) -> dict[Edge, int]:
        """The number of every edge."""
        ...

    @property
    def straight_edges(self) -> frozenset[Edge]:
        """The edges along which outputs move on straight lines, whatever the variant."""
        ...

    @property
    def cell_count(self) -> int:
        """The number of cells."""
        ...

    def corners(self, cell: int) -> tuple[int, ...]:
        """The vertices of a cell."""
        ...

    def cell_tree(self, cell: int) -> Tree:
        """Edges (parent, child) from a cell's first corner to all others."""
        ...

    @property
    def spanning_tree(self) -> Tree:
        """The tree from the vertex in the middle."""
        ...

    def tree(self, root: int) -> Tree:
        """A spanning tree of the edges from a vertex."""
        ...

    def cell_rows(self, located: NDArray[np.float64]) -> NDArray[np.intp]:
        """The cell of each located λ, (N, P) → (N,)."""
        ...

    def check_inside(self, located: NDArray[np.float64]) -> None:
        """HyperparameterError unless all located λ (N, P) lie in the anchors' hull."""
        ...


@dataclass(frozen=True, eq=False)
class Grid:
    """Every combination of the axes' values.

    numbers: (n_1, …, n_P), the number of the vertex at every combination, in the harvest's order. order: the
    coordinates in the order in which draws are coupled, and geodesics nested. straight: the coordinates along which
    outputs move on straight lines, whatever the geodesics of the others are.
    """

    axes: tuple[Anchors, ...]
    numbers: NDArray[np.intp]
    order: tuple[int, ...]
    straight: tuple[int, ...] = ()

    @classmethod
    def line(cls, anchors: Anchors) -> "Grid":
        """The mesh of one hyperparameter."""
        return cls((anchors,), np.arange(len(anchors.values)), (0,))

    @cached_property
    def vertices(self) -> tuple[tuple[float, ...], ...]:
        """As `Mesh.vertices`."""
        found: list[tuple[float, ...]] = [()] * self.numbers.size
        for place in np.ndindex(self.numbers.shape):
            found[self.numbers[place]] = tuple(axis.values[i] for axis, i in zip(self.axes, place, strict=True))
        return tuple(found)

    def lines(self, coordinate: int) -> list[tuple[int, ...]]:
        """The lines of vertices along a coordinate, each ascending in it."""
        along = np.moveaxis(self.numbers, coordinate, -1)
        return [tuple(line) for line in along.reshape(-1, along.shape[-1]).tolist()]

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """As `Mesh.edges`: neighbours in one coordinate, coordinate by coordinate."""
        return tuple(edge for p in range(len(self.axes)) for line in self.lines(p) for edge in pairwise(line))

    @cached_property
    def edge_numbers(self) -> dict[Edge, int]:
        """As `Mesh.edge_numbers`."""
        return {edge: number for number, edge in enumerate(self.edges)}

    @cached_property
    def straight_edges(self) -> frozenset[Edge]:
        """As `Mesh.straight_edges`."""
        return frozenset(edge for p in self.straight for line in self.lines(p) for edge in pairwise(line))

    @cached_property
    def _cells(self) -> tuple[int, ...]:
        return tuple(n - 1 for n in self.numbers.shape)

    def place(self, cell: int) -> tuple[int, ...]:
        """The interval of a cell in every coordinate."""
        return tuple(int(i) for i in np.unravel_index(cell, self._cells))

    def corners(self, cell: int) -> tuple[int, ...]:
        """The 2^P vertices of a cell, in binary order: the last coordinate changes fastest."""
        return self._corners[cell]

    @cached_property
    def _corners(self) -> list[tuple[int, ...]]:
        places = map(self.place, range(self.cell_count))
        return [
            tuple(
                int(self.numbers[tuple(i + b for i, b in zip(place, bits, strict=True))])
                for bits in product((0, 1), repeat=len(place))
            )
            for place in places
        ]

    @property
    def cell_count(self) -> int:
        """As `Mesh.cell_count`."""
        return int(np.prod(self._cells))

    def cell_tree(self, cell: int) -> Tree:
        """As `Mesh.cell_tree`: along the first coordinate of the order, then along the next."""
        places = list(product((0, 1), repeat=len(self.axes)))
        number = dict(zip(places, self.corners(cell), strict=True))
        reached, found = [places[0]], []
        for p in self.order:
            grown = [(*place[:p], 1, *place[p + 1 :]) for place in reached]
            found += [(number[here], number[there]) for here, there in zip(reached, grown, strict=True)]
            reached += grown
        return found

    @cached_property
    def spanning_tree(self) -> Tree:
        """As `Mesh.spanning_tree`."""
        return self.tree(int(self.numbers[tuple((n - 1) // 2 for n in self.numbers.shape)]))

    def tree(self, root: int) -> Tree:
        """As `Mesh.tree`: from the root along the first coordinate of the order, then along the next."""
        start = tuple(int(i) for i in np.argwhere(self.numbers == root)[0])
        found: list[tuple[int, int]] = []
        reached = [start]
        for p in self.order:
            grown = []
            for place in reached:
                for steps in (range(place[p], self.numbers.shape[p] - 1), range(place[p], 0, -1)):
                    for i in steps:
                        here, there = list(place), list(place)
                        here[p], there[p] = i, i + (1 if steps.step > 0 else -1)
                        found.append((int(self.numbers[tuple(here)]), int(self.numbers[tuple(there)])))
                        grown.append(tuple(there))
            reached += grown
        return found

    def cell_rows(self, located: NDArray[np.float64]) -> NDArray[np.intp]:
        """As `Mesh.cell_rows`; an anchor's value, but the first, ends its interval."""
        places = [axis.intervals(located[:, p]) for p, axis in enumerate(self.axes)]
        return np.asarray(np.ravel_multi_index(tuple(places), self._cells), np.intp)

    def check_inside(self, located: NDArray[np.float64]) -> None:
        """As `Mesh.check_inside`: the axes have checked their ranges already."""


@dataclass(frozen=True, eq=False)
class Simplices:
    """The Delaunay triangulation of scattered anchors.

    vertices: K anchors of P numbers. clocks: maps λ (N, P) to coordinates (N, P) in [0, 1].
    """

    axes: tuple[Anchors, ...]
    vertices: tuple[tuple[float, ...], ...]
    clocks: "Coordinates"

    @cached_property
    def coordinates(self) -> NDArray[np.float64]:
        """The anchors in the clocks' coordinates, (K, P)."""
        return self.clocks(np.array(self.vertices))

    @cached_property
    def _mesh(self) -> "Delaunay":
        from scipy.spatial import Delaunay, QhullError  # here: reading params.yaml needs no triangulation

        try:
            return Delaunay(self.coordinates)
        except QhullError as error:
            raise ConfigurationError(
                f"anchors {list(self.vertices)}: they span no volume in {len(self.axes)} hyperparameters; use a full "
                "grid of values, or at least one anchor more than hyperparameters, not all on one line or plane"
            ) from error

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """As `Mesh.edges`: the edges of the triangulation, from the lower to the higher vertex."""
        pairs = {pair for simplex in self._mesh.simplices.tolist() for pair in product(simplex, repeat=2)}
        return tuple(sorted((a, b) for a, b in pairs if a < b))

    @cached_property
    def edge_numbers(self) -> dict[Edge, int]:
        """As `Mesh.edge_numbers`."""
        return {edge: number for number, edge in enumerate(self.edges)}

    @property
    def straight_edges(self) -> frozenset[Edge]:
        """As `Mesh.straight_edges`: none, an edge of a simplex changes several coordinates."""
        return frozenset()

    def corners(self, cell: int) -> tuple[int, ...]:
        """The P + 1 vertices of a simplex, ascending."""
        return tuple(sorted(self._mesh.simplices[cell].tolist()))

    @property
    def cell_count(self) -> int:
        """As `Mesh.cell_count`."""
        return len(self._mesh.simplices)

    def cell_tree(self, cell: int) -> Tree:
        """As `Mesh.cell_tree`."""
        first, *others = self.corners(cell)
        return [(first, other) for other in others]

    @cached_property
    def spanning_tree(self) -> Tree:
        """As `Mesh.spanning_tree`."""
        return self.tree(int(np.square(self.coordinates - self.coordinates.mean(0)).sum(1).argmin()))

    def tree(self, root: int) -> Tree:
        """As `Mesh.tree`, by breadth-first search."""
        reached = [root]
        found: list[tuple[int, int]] = []
        for vertex in reached:  # grows while it is walked
            for a, b in self.edges:
                other = b if a == vertex else a if b == vertex else None
                if other is not None and other not in reached:
                    found.append((vertex, other))
                    reached.append(other)
        return found

    def cell_rows(self, located: NDArray[np.float64]) -> NDArray[np.intp]:
        """As `Mesh.cell_rows`."""
        return np.asarray(self._mesh.find_simplex(self.clocks(located), tol=INSIDE), np.intp)

    def check_inside(self, located: NDArray[np.float64]) -> None:
        """As `Mesh.check_inside`."""
        outside = located[self.cell_rows(located) < 0]
        if len(outside):
            names = ", ".join(axis.name for axis in self.axes)
            raise HyperparameterError(
                f"({names}) = {tuple(outside[0].tolist())} lies outside the anchors' hull; nothing is extrapolated: "
                "choose a point inside, or add an anchor beyond it"
            )

    def weights(self, cell: int, located: NDArray[np.float64]) -> NDArray[np.float64]:
        """The barycentric weights (N, P + 1) of λ (N, P) in a simplex, for its corners in their order."""
        matrix = np.vstack([self.coordinates[list(self.corners(cell))].T, np.ones(len(self.axes) + 1)])
        points = np.vstack([self.clocks(located).T, np.ones(len(located))])
        weights = np.clip(np.linalg.solve(matrix, points).T, 0.0, None)
        return np.asarray(weights / weights.sum(1, keepdims=True))


class Coordinates(Protocol):
    """The clocks as a function: λ (N, P) → coordinates (N, P)."""

    def __call__(self, values: NDArray[np.float64], /) -> NDArray[np.float64]:
        """The coordinates of λ (N, P)."""
        ...


def pruned(tree: Tree, wanted: Iterable[int]) -> list[tuple[int, int]]:
    """The edges of a tree, in its order, that lead from its root to the wanted vertices."""
    needed = set(wanted)
    for parent, child in reversed(tree):
        if child in needed:
            needed.add(parent)
    return [(parent, child) for parent, child in tree if child in needed]


def axes_of(vertices: Sequence[Sequence[float]], names: Sequence[str]) -> tuple[Anchors, ...]:
    """The distinct values of every hyperparameter, ascending."""
    return tuple(Anchors(tuple(sorted({v[p] for v in vertices})), name) for p, name in enumerate(names))


def grid_of(vertices: Sequence[tuple[float, ...]], axes: tuple[Anchors, ...], order: tuple[int, ...]) -> Grid | None:
    """The grid that the vertices (K of P numbers) form; None where a combination is missing."""
    shape = tuple(len(axis.values) for axis in axes)
    if int(np.prod(shape)) != len(vertices) or min(shape) < 2:
        return None
    numbers = np.full(shape, -1)
    for k, vertex in enumerate(vertices):
        numbers[tuple(axis.values.index(v) for axis, v in zip(axes, vertex, strict=True))] = k
    return Grid(axes, numbers, order) if (numbers >= 0).all() else None


def outside_hull(
    values: Sequence[tuple[float, ...]], anchors: Sequence[tuple[float, ...]], names: Sequence[str]
) -> list[tuple[float, ...]]:
    """Those of the values that lie outside the anchors' hull: their box where they form a grid.

    Scattered anchors are triangulated as they are: what their clocks will be, only a fit tells. ConfigurationError
    where they span no volume.
    """
    axes = axes_of(anchors, names)
    low, high = np.array([[axis.values[0], axis.values[-1]] for axis in axes]).T
    points = np.array(values, np.float64).reshape(-1, len(names))
    inside = ((points >= low) & (points <= high)).all(1)
    if grid_of(anchors, axes, tuple(range(len(axes)))) is None:
        scale = np.where(high > low, high - low, 1.0)
        inside &= Simplices(axes, tuple(anchors), lambda v: (v - low) / scale).cell_rows(points) >= 0
    return [value for value, within in zip(values, inside, strict=True) if not within]


def locate_rows(given: object, count: int, axes: tuple[Anchors, ...]) -> NDArray[np.float64]:
    """Located λ (N, P) of `count` rows: every anchor's own value within the tolerance of it.

    given: with one hyperparameter a number, or one a row, (N,) or (N, 1); with P of them (P,) for all rows, or (N, P);
    or a mapping of names to numbers or arrays (N,). Raises HyperparameterError for values outside the anchors' range
    and for other shapes, and where a shape can be read in two ways.
    """
    columns = _columns(given, count, axes)
    return np.stack([axis.locate_rows(column, count) for axis, column in zip(axes, columns, strict=True)], axis=1)


def _columns(given: object, count: int, axes: tuple[Anchors, ...]) -> list[NDArray[np.float64]]:
    names, size = [axis.name for axis in axes], len(axes)
    if isinstance(given, Mapping):
        if set(given) != set(names):
            raise HyperparameterError(f"hyperparameters {sorted(map(str, given))}: exactly {names} are needed")
        return [_real(given[name], name) for name in names]
    values = _real(given, ", ".join(names))
    if size == 1:
        return [values[:, 0] if values.shape == (count, 1) else values]
    remedy = f"give ({', '.join(names)}) as ({size},), one λ for all rows, or (N, {size}), or a mapping of names"
    if values.shape == (size,) and count == size:
        raise HyperparameterError(
            f"hyperparameters of shape ({size},) for {count} rows can be read in two ways; give (1, {size}) for one λ, "
            f"({count}, {size}) for one a row, or a mapping of names"
        )
    if values.shape not in ((size,), (1, size), (count, size)):
        raise HyperparameterError(f"hyperparameters have shape {values.shape}; {remedy}")
    return list(np.atleast_2d(values).T)


def _real(values: object, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise HyperparameterError(f"{name} = {values!r} must be a real number, or one for each row") from error
