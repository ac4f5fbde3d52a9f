"""How often outputs decrease with λ that should increase: quantile crossings (Chernozhukov et al. 2010)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
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

    surrogate: on a grid of STEPS steps an interval. anchors: from anchor to anchor; a surrogate that is exact at
    its anchors cannot avoid these. networks: over all λ of the harvest, where some are held out, else None.
    """

    surrogate: float
    anchors: float
    networks: float | None


def falling_share(outputs: FloatArray) -> float:
    """The share of outputs (N, M, D) that are lower at one of the M ascending λ than at the λ before."""
    return float(np.mean(np.diff(outputs, axis=1) < 0))


def count_crossings(surrogate: "Surrogate", score: Harvest, comparison: Comparison) -> Crossings | None:
    """The crossings of a sweep whose schema says that outputs increase with λ; None for others, and for draws."""
    if score.schema.monotone != "increasing" or comparison.kind != "matched":
        return None
    values, served = score.hyperparameter.tolist(), served_by(surrogate, score)
    rows = evenly(np.arange(len(score.conditions[0])))
    x = score.conditions[0][rows]

    def known(value: float) -> FloatArray:
        k = values.index(value)
        outputs: FloatArray = score.outputs[k][match_rows(x, score.conditions[k])]
        return outputs

    curves = []
    for interval, (left, right) in enumerate(pairwise(surrogate.anchors)):
        start = Sample(known(left), x)
        inner = np.linspace(left, right, STEPS + 1)[1:-1].tolist()
        curves += [start.outputs, *(ask(surrogate, served, start, interval, v, 0).outputs for v in inner)]
    curves.append(known(surrogate.anchors[-1]))
    at_anchors = [known(anchor) for anchor in surrogate.anchors]
    trained = [known(value) for value in values] if len(values) > len(surrogate.anchors) else None
    return Crossings(
        falling_share(_stacked(curves)),
        falling_share(_stacked(at_anchors)),
        None if trained is None else falling_share(_stacked(trained)),
    )


def _stacked(curves: list[FloatArray]) -> NDArray[np.floating]:
    return np.stack(curves, axis=1)
