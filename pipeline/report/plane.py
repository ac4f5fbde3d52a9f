"""The space of several hyperparameters: what pictures of it share, whose axes are λ's coordinates."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.schema import Column
from pipeline.data.values import in_words, numbers
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.places import nearest
from pipeline.evaluation.served import SAMPLE, ask, served_by
from pipeline.report.panels import Panel
from pipeline.report.style import INK, PALE, label
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline.surrogate import Surrogate

DECADE = 10.0

Point = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Plane:
    """A surrogate of P ≥ 2 hyperparameters, and the score harvest of its anchors and the held-out λ."""

    surrogate: "Surrogate"
    score: Harvest

    @property
    def columns(self) -> tuple[Column, ...]:
        """The hyperparameters, (P,)."""
        return self.score.schema.hyperparameters

    @property
    def anchors(self) -> tuple[Point, ...]:
        """The anchors, in the surrogate's order."""
        return self.surrogate.vertices

    @cached_property
    def held_out(self) -> tuple[Point, ...]:
        """The score harvest's other λ, ascending."""
        return tuple(sorted(point for point in self.score.vertices if point not in self.anchors))

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of coordinates that span a map, one where P = 2."""
        return tuple(combinations(range(len(self.columns)), 2))

    @cached_property
    def sampled(self) -> bool:
        """Whether the surrogate is asked by `sample`; else by `transport`, of the score harvest's rows."""
        return served_by(self.surrogate, self.score) == SAMPLE

    def words(self, value: Value) -> str:
        """λ in words, as `turn=0.25,radius=0.5`, with four digits at most."""
        rounded = tuple(float(f"{number:.4g}") for number in numbers(value))
        return in_words(rounded, [column.name for column in self.columns])

    def corners(self, point: Point) -> tuple[Point, ...]:
        """The anchors around λ: the corners of its cell."""
        mesh = self.surrogate.mesh
        (cell,) = mesh.cell_rows(np.array([point]))
        return tuple(self.anchors[corner] for corner in mesh.corners(int(cell)))

    def answer(self, panel: Panel, point: Point) -> Sample:
        """The surrogate's sample of a panel at λ, as it is scored: asked for the rows of the nearest anchor."""
        source = nearest(self.surrogate.mesh, point)
        start = panel.sample(self.score, self.anchors[source])
        return ask(self.surrogate, served_by(self.surrogate, self.score), start, source, point, 0)

    def moved(self, start: Sample, source: Point, points: Sequence[Point]) -> FloatArray:
        """The surrogate's outputs (n, M, D) at M λ, for the conditions (n, C) of rows at the anchor `source`.

        A row is one draw, which keeps its number as λ moves.
        """
        if not self.sampled:
            return self.surrogate.path(start.outputs, start.conditions, source, points)
        count = len(start.conditions)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "this surrogate carries no networks")
            if self.surrogate.deterministic:
                at, x = np.tile(points, (count, 1)), np.repeat(start.conditions, len(points), axis=0)
                return self.surrogate.sample(x, at).reshape(count, len(points), -1)
            drawn = [self.surrogate.sample(start.conditions, np.array([point]))[:, 0] for point in points]
        return np.stack(drawn, axis=1)

    def draw_mesh(self, ax: "Axes", pair: tuple[int, int]) -> None:
        """The mesh's edges and its anchors, as squares, over two coordinates; the axes have names and units."""
        at = [tuple(anchor[p] for p in pair) for anchor in self.anchors]
        for ends in sorted({tuple(sorted((at[a], at[b]))) for a, b in self.surrogate.mesh.edges}):
            if ends[0] != ends[1]:  # an edge along a coordinate that is not shown
                ax.plot(*np.transpose(ends), c=PALE, lw=0.8, zorder=1)
        ax.plot(*np.transpose(sorted(set(at))), "s", ms=7, c="white", mec=INK, zorder=3, label="anchor")
        for axis, p in zip("xy", pair, strict=True):
            self.scale(ax, axis, p)

    def scale(self, ax: "Axes", axis: str, coordinate: int) -> None:
        """Name an axis by a coordinate of λ."""
        if self.logarithmic(coordinate):
            ax.set(**{f"{axis}scale": "log"})
        ax.set(**{f"{axis}label": label(self.columns[coordinate])})

    def logarithmic(self, coordinate: int) -> bool:
        """Whether a coordinate's axis is logarithmic: its anchors span a decade, and its clock is not linear."""
        values, base = self.surrogate.mesh.axes[coordinate].values, self.surrogate.clock_base.split(", ")[coordinate]
        return values[0] > 0 and values[-1] > DECADE * values[0] and base != "linear"


def lattice(points: Sequence[Value]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The values of both coordinates of which the points are all combinations; None where some are missing."""
    at = np.array([numbers(point) for point in points]).reshape(len(points), -1)
    if at.shape[1] != 2:
        return None
    first, second = np.unique(at[:, 0]), np.unique(at[:, 1])
    return (first, second) if len(first) * len(second) == len(points) else None
