"""Which conditions the pictures show, and the surrogate's samples and paths there."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.evaluation.comparison import Comparison, Sample, match_rows
from pipeline.evaluation.served import TRANSPORT, ask, just_below, served_by
from pipeline.report.style import describe, number, spaced
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

MOST_PANELS = 4
MOST_STRIPS = 10
"""Conditions where a panel is a strip of images."""
MOST_POINTS = 150
"""Points of one cloud: more hide each other."""
MOST_DRAWN = 13
"""Values of λ in an interval at which draws are made: each one queries networks, and some sample slowly."""
_PICKS = {"a small error": 0.1, "the median error": 0.5, "a large error": 0.9}
"""Contexts that are representative, and their shares of the ranks."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One condition (C,) that a picture shows, or all conditions at once where condition is None."""

    title: str
    condition: FloatArray | None

    def sample(self, harvest: Harvest, value: Value) -> Sample:
        """The harvest's rows at λ = value that belong to this panel, evenly thinned."""
        k = harvest.values.index(value)
        y, x = harvest.outputs[k], harvest.conditions[k]
        rows = np.arange(len(x)) if self.condition is None else np.flatnonzero((x == self.condition).all(axis=1))
        rows = rows[spaced(len(rows), MOST_POINTS)]
        return Sample(y[rows], x[rows])


@dataclass(frozen=True, eq=False)
class Piece:
    """Paths over one interval: λ (M,) from its left to its right anchor, outputs (n, M, D) there."""

    hyperparameter: NDArray[np.float64]
    outputs: FloatArray


def choose_panels(surrogate: "Surrogate", score: Harvest, comparison: Comparison) -> list[Panel]:
    """The panels of a sweep.

    "matched": the contexts with a small, the median and a large error of the surrogate, so that the pictures are
    representative (evenly spaced contexts where nothing is held out); "conditional": evenly spaced conditions;
    "joint": all conditions in one panel.
    """
    columns = score.schema.conditions
    if comparison.kind == "joint":
        return [Panel("all conditions", None)]
    if comparison.kind == "conditional":
        distinct = np.unique(score.conditions[0], axis=0)
        most = MOST_STRIPS if score.schema.picture == "image" else MOST_PANELS
        return [Panel(describe(x, columns), x) for x in distinct[spaced(len(distinct), most)]]
    if len(score.hyperparameter) == len(surrogate.anchors):
        return [Panel(f"context {r + 1}", score.conditions[0][r]) for r in spaced(len(score.conditions[0]), 3)]
    errors = _context_errors(surrogate, score)
    units = score.schema.outputs[0].units
    squared = f" {units}²" if units else ""
    return [
        Panel(f"context with {name}: MSE {number(errors[r])}{squared}", score.conditions[0][r])
        for name, r in representative(errors).items()
    ]


def representative(errors: FloatArray) -> dict[str, int]:
    """The numbers of a small, the median and a large error of `errors` (N,), by what each is called."""
    order = np.argsort(errors)
    return {name: int(order[int(part * (len(order) - 1))]) for name, part in _PICKS.items()}


def value_at(surrogate: "Surrogate", score: Harvest, panel: Panel, value: float) -> Sample:
    """The surrogate's sample of a panel at λ = value, as it is served; at an anchor, the anchor's own."""
    if value in surrogate.anchors:
        return panel.sample(score, value)
    k = Anchors(surrogate.anchors).interval(value)
    return ask(surrogate, served_by(surrogate, score), panel.sample(score, surrogate.anchors[k]), k, value, 0)


def contexts(surrogate: "Surrogate", score: Harvest, panel: Panel, points: int, rows: int = 1) -> list[Piece]:
    """Paths of at most `rows` samples of a panel, one piece an interval: what the surrogate serves as λ moves.

    A piece ends just below its right anchor, so that a discontinuity there would show. Where `transport` is served, the
    pieces start at the anchors' own samples.
    """
    pieces, served = [], served_by(surrogate, score)
    for k, (left, right) in enumerate(pairwise(surrogate.anchors)):
        start = panel.sample(score, left)
        start = start.rows(spaced(len(start.outputs), rows))
        targets = np.linspace(left, right, points)
        if served == TRANSPORT:
            outputs = surrogate.path(start.outputs, start.conditions, left, targets.tolist())
        else:
            if not surrogate.deterministic:
                targets = np.linspace(left, right, min(points, MOST_DRAWN))
            targets[-1] = just_below(Anchors(surrogate.anchors), right)
            curves = [ask(surrogate, served, start, k, float(value), 0).outputs for value in targets]
            outputs = np.stack(curves, axis=1)
        pieces.append(Piece(targets, outputs))
    return pieces


def _context_errors(surrogate: "Surrogate", score: Harvest) -> NDArray[np.float64]:
    """Mean squared errors (N,) over the held-out λ, for the contexts in the order of the first λ's rows."""
    x = score.conditions[0]
    errors = np.zeros(len(x))
    for k, value in enumerate(score.hyperparameter.tolist()):
        if value in surrogate.anchors:
            continue
        interval = Anchors(surrogate.anchors).interval(value)
        j = score.hyperparameter.tolist().index(surrogate.anchors[interval])
        start = Sample(score.outputs[j][match_rows(x, score.conditions[j])], x)
        truth = score.outputs[k][match_rows(x, score.conditions[k])]
        answer = ask(surrogate, served_by(surrogate, score), start, interval, value, 0)
        errors += ((answer.outputs - truth) ** 2).mean(axis=1)
    return errors / (len(score.hyperparameter) - len(surrogate.anchors))
