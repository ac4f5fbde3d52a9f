"""How often outputs decrease with λ that should increase: quantile crossings (Chernozhukov et al. 2010)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid
from pipeline.data.values import value_of
from pipeline.evaluation.comparison import Comparison, Sample, evenly, match_rows
from pipeline.evaluation.served import ask, served_by
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

STEPS = 8
"""Steps of λ in every interval."""


@dataclass(frozen=True)
class Crossings:
    """Shares of outputs that decrease from one λ to the next, over conditions, outputs and neighbouring λ.

    With several hyperparameters the first one increases, and the others stay. surrogate: on a grid of STEPS steps an
    interval. anchors: from anchor to anchor; a surrogate that is exact at its anchors cannot avoid these. networks:
    over all λ of the harvest, where some are held out, else None.
    """

    surrogate: float
    anchors: float
    networks: float | None


def falling_share(*lines: FloatArray) -> float:
    """The share of outputs (N, M, D) that are lower at one of the M ascending λ than at the λ before; of all lines."""
    return float(np.mean(np.concatenate([np.diff(outputs, axis=1) < 0 for outputs in lines], axis=1)))


def count_crossings(surrogate: "Surrogate", score: Harvest, comparison: Comparison) -> Crossings | None:
    """The crossings of a sweep whose schema says that outputs increase with λ, or with its first coordinate.

    None for others, for draws, and for scattered anchors, none of which need lie beside each other along a coordinate.
    """
    mesh = surrogate.mesh
    if score.schema.monotone != "increasing" or comparison.kind != "matched" or not isinstance(mesh, Grid):
        return None
    asked = _Asked(surrogate, score, evenly(np.arange(len(score.conditions[0]))))
    lines = [[mesh.vertices[k] for k in line] for line in mesh.lines(0)]
    held_out = len(score.values) > len(mesh.vertices)
    return Crossings(
        falling_share(*(asked.along(line) for line in lines)),
        falling_share(*(asked.trained(line) for line in lines)),
        falling_share(*(asked.trained(line) for line in _lines(score))) if held_out else None,
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """Outputs at some rows of conditions, along lines of λ that ascend in the first coordinate."""

    surrogate: "Surrogate"
    score: Harvest
    rows: NDArray[np.intp]

    @property
    def conditions(self) -> FloatArray:
        """The conditions (N, C)."""
        return self.score.conditions[0][self.rows]

    def known(self, vertex: Sequence[float]) -> FloatArray:
        """The outputs (N, D) of the network of a λ."""
        k = self.score.vertices.index(tuple(vertex))
        outputs: FloatArray = self.score.outputs[k][match_rows(self.conditions, self.score.conditions[k])]
        return outputs

    def trained(self, line: Sequence[Sequence[float]]) -> FloatArray:
        """The networks' outputs (N, M, D)."""
        return np.stack([self.known(vertex) for vertex in line], axis=1)

    def along(self, line: Sequence[tuple[float, ...]]) -> FloatArray:
        """The surrogate's outputs (N, M, D) along a line of anchors, STEPS steps an interval."""
        served, vertices = served_by(self.surrogate, self.score), self.surrogate.mesh.vertices
        curves = []
        for left, right in pairwise(line):
            start, number = Sample(self.known(left), self.conditions), vertices.index(left)
            inner = np.linspace(left[0], right[0], STEPS + 1)[1:-1].tolist()
            values = [value_of((v, *left[1:])) for v in inner]
            curves += [start.outputs, *(ask(self.surrogate, served, start, number, v, 0).outputs for v in values)]
        return np.stack([*curves, self.known(line[-1])], axis=1)


def _lines(score: Harvest) -> list[list[tuple[float, ...]]]:
    """The λ of a harvest that differ in the first coordinate alone, two at least a line, ascending in it."""
    lines: dict[tuple[float, ...], list[tuple[float, ...]]] = {}
    for vertex in sorted(score.vertices):
        lines.setdefault(vertex[1:], []).append(vertex)
    return [line for line in lines.values() if len(line) > 1]
