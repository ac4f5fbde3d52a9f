"""The share of held-out truths within the surrogate's uncertainty, which is to cover nine in ten."""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric, unbroken_values

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


def share_covered(judgement: "Judgement", values: tuple[Value, ...]) -> float | None:
    """The mean share over held-out λ; None where there is no uncertainty there."""
    covered = {} if judgement.trust is None else dict(judgement.trust.coverage)
    shares = [covered[value] for value in values if value in covered]
    return float(np.mean(shares)) if shares else None


def _figure(judgement: "Judgement", values: tuple[Value, ...]) -> Figure | None:
    share = share_covered(judgement, values)
    return None if share is None else Figure(share)


METRIC = Metric("coverage", "the share of truths that the uncertainty covers", _figure, unbroken_values)
