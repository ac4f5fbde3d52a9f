"""How a surrogate is queried in validation: as it is served.

Users call `sample`, which asks the networks of both anchors at the condition. A surrogate without networks takes its
harvest's rows at the condition instead, which is right where the harvest contains it (a category). At a condition that
was never sampled it could only repeat the rows of the nearest one; there users move samples of their own, and
`transport` is what is scored.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid, Value
from pipeline.data.samples import group_rows
from pipeline.data.values import numbers, value_of
from pipeline.errors import FitError
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.places import Place, beside, given
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

SAMPLE, TRANSPORT = "sample", "transport"


def served_by(surrogate: "Surrogate", score: Harvest) -> str:
    """SAMPLE where the surrogate has networks, or knows all conditions of the score harvest; else TRANSPORT."""
    if surrogate.networks is not None:
        return SAMPLE
    asked, sampled = np.concatenate(score.conditions), surrogate.sampled_conditions
    return SAMPLE if sampled and all(_all_occur(asked, known) for known in sampled) else TRANSPORT


def ask(surrogate: "Surrogate", served: str, start: Sample, anchor: int, value: Value, seed: int) -> Sample:
    """The surrogate's sample at λ = value, at the conditions of `start`: a sample of the anchor of that number.

    With one hyperparameter the left anchor of interval k has the number k.
    """
    return ask_from(surrogate, served, start, value_of(surrogate.mesh.vertices[anchor]), value, seed)


def ask_from(surrogate: "Surrogate", served: str, start: Sample, source: Value, value: Value, seed: int) -> Sample:
    """As `ask`, from a sample at any λ = source between the surrogate's anchors."""
    return transported(surrogate, start, source, value) if served == TRANSPORT else drawn(surrogate, start, value, seed)


def transported(surrogate: "Surrogate", start: Sample, source: Value, value: Value) -> Sample:
    """A sample of the anchor λ = source, moved to λ = value; FitError where that is not finite."""
    outputs = surrogate.transport(start.outputs, start.conditions, source, value)
    return Sample(_finite(outputs, f"{value}, from {source}"), start.conditions, start.weight)


def drawn(surrogate: "Surrogate", start: Sample, value: Value, seed: int) -> Sample:
    """A draw at λ = value for every row's condition; FitError where they are not finite."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this surrogate carries no networks")
        outputs = surrogate.sample(start.conditions, given(surrogate.mesh, value), draws=1, seed=seed)[:, 0]
    return Sample(_finite(outputs, str(value)), start.conditions, start.weight)


def just_below(anchors: Anchors, anchor: float) -> float:
    """A λ below an anchor, as close as is still distinct from the anchor: a discontinuity there shows."""
    line, number = Grid.line(anchors), anchors.values.index(anchor)
    (below,) = numbers(beside(Place(line, number - 1), number))
    return below


def _finite(outputs: FloatArray, where: str) -> FloatArray:
    if not np.isfinite(outputs).all():
        raise FitError(
            f"the surrogate's outputs at hyperparameter {where}, are not finite; refit it with other settings"
        )
    return outputs


def _all_occur(conditions: FloatArray, known: FloatArray) -> bool:
    groups, known_groups = group_rows(conditions, known)
    return bool(np.isin(groups, known_groups).all())
