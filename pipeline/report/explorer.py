"""The interactive part of the report: what it shows as λ moves, as data for `explorer.js`.

For some conditions it holds the surrogate's outputs over a grid of λ, as they are served, the anchors' own samples and
the truth at held-out λ. Nothing is computed in the page but pictures of these numbers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid, Value
from pipeline.data.values import numbers, value_of
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.places import around, nearest
from pipeline.evaluation.scores import Evaluation
from pipeline.evaluation.served import SAMPLE, ask, served_by
from pipeline.report.embedded import DIGITS, LONGEST
from pipeline.report.images import bounds, partner_rows
from pipeline.report.legends import legend, marks
from pipeline.report.panels import Panel, choose_panels
from pipeline.report.several import choose_conditions
from pipeline.report.steps import STEPS, Axis, Extent, axes_of, combinations, largest
from pipeline.report.style import describe, label, spaced
from pipeline.shapes import FloatArray
from pipeline.storage.progress import counted

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

T = TypeVar("T")
Band = Callable[[Sample, Value], FloatArray]
"""The half width (n, D) of a band around a served sample at λ."""

MOST_BYTES = 5_000_000
MOST_NUMBERS = int(0.9 * MOST_BYTES) // LONGEST
"""What surely fits; titles and names have the tenth that is left."""
CONDITIONS = 8
DRAWS = 100
IMAGES = 12
"""Draws of a condition where each is an image."""
HISTORY = 12
"""The most conditions that are drawn before a forecast."""

ASKED = ("served", "spread")
"""What the document holds by panel and λ, and is the surrogate's alone."""
ANSWERED = (*ASKED, "own")
"""The same, with the anchors' own samples."""


@dataclass(frozen=True, eq=False)
class Explorer:
    """What the page shows: panels, the λ that it has answers for, and how many draws; a band where `band` gives one.

    axes: the sliders. points: every λ that is shown, in the order of the document.
    """

    surrogate: "Surrogate"
    score: Harvest
    comparison: Comparison
    panels: Sequence[Panel]
    axes: Sequence[Axis]
    points: Sequence[Value]
    draws: int
    band: Band | None = None

    @property
    def view(self) -> str:
        """How outputs are drawn: an image, a fan over the outputs, a line over λ, or a plane of two outputs."""
        count, picture = len(self.score.schema.outputs), self.score.schema.picture
        if picture == "image":
            return "image"
        if count > 1 and (picture == "forecast" or (self.comparison.kind == "matched" and count > 2)):
            return "fan"
        return "line" if count == 1 else "plane"

    @property
    def legend(self) -> str:
        """What the drawing shows, in a sentence or two."""
        return legend(self.view, several_draws=self.draws > 1, several_sliders=len(self.axes) > 1)

    @property
    def shows_truth(self) -> bool:
        """Whether the truth is known at some λ between the anchors."""
        return bool(self._held_out)

    @property
    def marks(self) -> str:
        """What the marks on the sliders are."""
        return marks(even=isinstance(self.surrogate.mesh, Grid), several_sliders=len(self.axes) > 1)

    @property
    def document(self) -> dict[str, Any]:
        """The data of the page: `answers`, and all that is known beside them.

        anchors, heldOut: numbers of points, the anchors' in the mesh's order.
        """
        held_out, served = self._held_out, self._served
        truth = [self._truth(i, served[i]) for i in held_out]
        return {
            "view": self.view,
            "draws": self.draws > 1,
            "axes": [_axis(axis) for axis in self.axes],
            "start": self._start(held_out),
            **self._outputs(),
            "conditions": [panel.title for panel in self.panels],
            "history": self._history(),
            "anchors": self._anchors,
            "heldOut": held_out,
            **self.answers,
            "truth": _by_panel(_arrays(truth)),
            "band": self._bands(served),
            "measure": self.comparison.measure,
            "errors": _by_panel([self._errors(served[i], t) for i, t in zip(held_out, truth, strict=True)]),
            "truthSpread": _by_panel([self._spreads(samples) for samples in truth]),
        }

    @property
    def answers(self) -> dict[str, Any]:
        """What is the surrogate's alone; samples are flat lists, row by row, by panel and by λ.

        points: λ as a list of its coordinates. around: of every point the anchors that it lies between, by their
        numbers. served, spread: by panel and point. own: by panel, of every anchor among the points.
        """
        return {
            "points": [list(numbers(point)) for point in self.points],
            "around": [list(around(self.surrogate.mesh, point)) for point in self.points],
            "served": _by_panel(_arrays(self._served)),
            "own": _by_panel(_arrays(self._owned)),
            "spread": _by_panel([self._spreads(samples) for samples in self._served]),
        }

    @cached_property
    def _served(self) -> list[list[Sample]]:
        """The surrogate's samples, by point and panel."""
        return [self._ask(point) for point in counted(self.points, "values of λ")]

    @cached_property
    def _owned(self) -> list[list[Sample]]:
        """The anchors' own samples, by anchor and panel."""
        return [self._own(i, self._served[i]) for i in self._anchors]

    def _outputs(self) -> dict[str, Any]:
        """What the page must know of the outputs; of images the side, and which value is white and which black."""
        columns = self.score.schema.outputs
        known = {"size": len(columns), "units": columns[0].units}
        if self.score.schema.picture == "image":
            white, black = bounds(self.score, [sample.outputs for samples in self._owned for sample in samples])
            return known | {"side": math.isqrt(len(columns)), "white": white, "black": black}
        names = {"outputs": [label(column) for column in columns], "names": [column.name for column in columns]}
        return known | names | {"square": len({column.units for column in columns}) == 1}

    def _errors(self, served: Sequence[Sample], truth: Sequence[Sample]) -> list[float]:
        """The surrogate's error in every panel, of the rows that are shown."""
        return [_short(self.comparison.error(s, t)) for s, t in zip(served, truth, strict=True)]

    def _spreads(self, samples: Sequence[Sample]) -> list[float]:
        return [_short(self.comparison.spread(sample)) for sample in samples]

    @property
    def _anchors(self) -> list[int]:
        """The numbers of the points that are anchors, in the mesh's order."""
        place = {point: i for i, point in enumerate(self.points)}
        return [place[value] for vertex in self.surrogate.mesh.vertices if (value := value_of(vertex)) in place]

    @property
    def _held_out(self) -> list[int]:
        """The numbers of the points of the score harvest that are not anchors of the surrogate."""
        held_out = set(self.score.values) - set(map(value_of, self.surrogate.mesh.vertices))
        return [i for i, point in enumerate(self.points) if point in held_out]

    def _start(self, held_out: Sequence[int]) -> list[float]:
        """The λ that is shown first: a held-out one where there is any, else one in the middle."""
        if held_out:
            return list(numbers(self.points[held_out[(len(held_out) - 1) // 2]]))
        middle = [float(axis.values[len(axis.values) // 2]) for axis in self.axes]
        mesh = self.surrogate.mesh
        return middle if isinstance(mesh, Grid) else list(mesh.vertices[nearest(mesh, middle)])

    def _rows(self, panel: Panel, value: Value) -> Sample:
        sample = panel.sample(self.score, value)
        return sample.rows(spaced(len(sample.outputs), self.draws))

    def _ask(self, point: Value) -> list[Sample]:
        """The surrogate's samples at λ, one a panel: asked for all of them at once."""
        mesh = self.surrogate.mesh
        source = Anchors(self.surrogate.anchors).interval(point) if isinstance(point, float) else nearest(mesh, point)
        starts = [self._rows(panel, value_of(mesh.vertices[source])) for panel in self.panels]
        start = Sample(*(np.concatenate([getattr(s, of) for s in starts]) for of in ("outputs", "conditions")))
        answer = ask(self.surrogate, self._way, start, source, point, 0)
        ends = np.cumsum([len(s.outputs) for s in starts])
        return [answer.rows(rows) for rows in np.split(np.arange(ends[-1]), ends[:-1])]

    @cached_property
    def _way(self) -> str:
        return served_by(self.surrogate, self.score)

    @property
    def _followed(self) -> bool:
        """Whether the anchors' and the truth's rows stand in the order of the draws: images are compared one by one."""
        return self.score.schema.picture == "image" and self.draws > 1

    def _own(self, point: int, served: list[Sample]) -> list[Sample]:
        """The anchor's own samples; of images, where the anchor's network is asked, its draws of the same numbers."""
        if self._followed and self._way == SAMPLE:
            return served
        return [self._rows(panel, self.points[point]) for panel in self.panels]

    def _truth(self, point: int, served: list[Sample]) -> list[Sample]:
        """The truth at a held-out λ; images stand in the order of the draws that exact transport pairs them with."""
        found = [self._rows(panel, self.points[point]) for panel in self.panels]
        if not self._followed:
            return found
        return [t.rows(partner_rows(self.comparison, s, t)) for s, t in zip(served, found, strict=True)]

    def _bands(self, served: Sequence[list[Sample]]) -> list[list[FloatArray]] | None:
        if self.band is None:
            return None
        pairs = zip(served, self.points, strict=True)
        return _by_panel([[self.band(sample, point) for sample in samples] for samples, point in pairs])

    def _history(self) -> list[NDArray[np.floating]]:
        """What came before a forecast, one array a panel."""
        if self.score.schema.picture != "forecast":
            return []
        return [p.condition[-HISTORY:] for p in self.panels if p.condition is not None]


def explore(surrogate: "Surrogate", score: Harvest, evaluation: Evaluation, band: Band | None = None) -> Explorer | str:
    """The interactive part, thinned to MOST_BYTES; a sentence where there is none, which says why."""
    if reason := why_none(surrogate):
        return f"There is no interactive part {reason}; `sweep-to-surrogate page MODEL --serve` has one."
    comparison = Comparison.of(score, deterministic=surrogate.deterministic)
    panels = panels_of(surrogate, score, comparison, evaluation)
    draws = 1 if comparison.kind == "matched" else IMAGES if score.schema.picture == "image" else DRAWS

    def made(extent: Extent) -> Explorer:
        shown = [panels[i] for i in spaced(len(panels), extent.conditions)]
        axes = axes_of(surrogate.mesh, score, extent.steps)
        return Explorer(surrogate, score, comparison, shown, axes, combinations(axes), extent.draws, band)

    found = thinned(made, Extent(STEPS, draws, len(panels)))
    if found is None:
        return f"There is no interactive part: the {len(score.schema.outputs)} outputs are more than a page can hold."
    return found


def why_none(surrogate: "Surrogate") -> str:
    """Why there can be no interactive part, in words that follow "there is none"; "" where there can be one."""
    if len(surrogate.schema.hyperparameters) > 2:
        return "for three hyperparameters or more"
    if not isinstance(surrogate.mesh, Grid):
        return "for scattered anchors: its sliders need a grid of them"
    return ""


def thinned(made: Callable[[Extent], Explorer], full: Extent) -> Explorer | None:
    """What is made of the largest extent that MOST_BYTES hold; None where there is none."""
    extent = largest(full, lambda tried: _count(made(tried)), MOST_NUMBERS)
    return None if extent is None else made(extent)


def panels_of(surrogate: "Surrogate", score: Harvest, comparison: Comparison, evaluation: Evaluation) -> list[Panel]:
    """Those of the pictures, and evenly spaced conditions beside them, CONDITIONS at least where there are so many."""
    if score.schema.further_hyperparameters:
        panels = choose_conditions(score, comparison, evaluation)
    else:
        panels = choose_panels(surrogate, score, comparison)
    if comparison.kind == "joint":
        return panels
    distinct = np.unique(score.conditions[0], axis=0)
    shown = {tuple(p.condition.tolist()) for p in panels if p.condition is not None}
    others = [i for i, x in enumerate(distinct.tolist()) if tuple(x) not in shown]
    more = [others[i] for i in spaced(len(others), max(0, CONDITIONS - len(panels)))]
    matched, columns = comparison.kind == "matched", score.schema.conditions
    named = (f"context {i + 1} of {len(distinct)}" if matched else describe(distinct[i], columns) for i in more)
    return panels + [Panel(name, distinct[i]) for name, i in zip(named, more, strict=True)]


def _count(explorer: Explorer) -> int:
    """How many numbers the document holds at most."""
    known = len(explorer.score.values)
    served = len(explorer.points) * (1 if explorer.band is None else 2)
    per_panel = explorer.draws * len(explorer.score.schema.outputs) * (served + known)
    per_point = 6 + len(explorer.axes) + (1 << len(explorer.axes))
    return len(explorer.panels) * (per_panel + HISTORY + 3 * len(explorer.points)) + per_point * len(explorer.points)


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "name": axis.column.name,
        "label": label(axis.column),
        "values": axis.values.tolist(),
        "anchors": list(axis.anchors),
        "heldOut": list(axis.held_out),
    }


def _arrays(samples: Sequence[Sequence[Sample]]) -> list[list[FloatArray]]:
    return [[sample.outputs for sample in some] for some in samples]


def _by_panel(by_point: Sequence[Sequence[T]]) -> list[list[T]]:
    """What is known by point and panel, by panel and point; [] where there are no points."""
    return [list(some) for some in zip(*by_point, strict=True)]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
