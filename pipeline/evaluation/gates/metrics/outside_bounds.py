"""The share of the surrogate's outputs beyond the bounds of their columns; where columns have none, 0."""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric, held_out_values
from pipeline.evaluation.scores import SURROGATE

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement

NAME = "outside_bounds"


def share_outside(judgement: "Judgement", values: tuple[Value, ...]) -> float | None:
    """The mean share over held-out λ; None where it was not computed."""
    found = [judgement.evaluation.at(SURROGATE, value).distances.get(NAME) for value in values]
    shares = [share for share in found if share is not None]
    return float(np.mean(shares)) if shares else None


def _figure(judgement: "Judgement", values: tuple[Value, ...]) -> Figure | None:
    share = share_outside(judgement, values)
    return None if share is None else Figure(share)


METRIC = Metric(NAME, "the share of outputs outside their bounds", _figure, held_out_values)
