"""Calibrating a clock by outcomes, where λ is a probability level.

Between two anchors' outputs y_k < y_{k+1}, an outcome t has the position s = (t − y_k) / (y_{k+1} − y_k). If λ is the
probability that an outcome lies below the output at λ, the share of outcomes with positions below s(λ), among those
between the anchors, is (λ − λ_k) / (λ_{k+1} − λ_k): the quantiles of positions are the clock, shrunk a little towards
the prior base. Held-out λ play no part.
"""

import logging
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks.bases import BASES, prior_base
from pipeline.clocks.formulas import Calibration
from pipeline.data.harvest import Harvest
from pipeline.data.samples import group_rows

logger = logging.getLogger(__name__)

Values = NDArray[np.float64]

PIECES = 64
"""Pieces of equal probability in an interval; the coordinate is linear in each."""
FEWEST = 200
"""The fewest outcomes between two anchors: fewer leave a quantile of positions uncertain by more than 0.04."""
WEIGHT = 0.75
"""The weight of outcomes against the prior base. Outcomes of one period depend on one another, and networks are not
calibrated exactly: on two series with five seeds of networks each, both did worse with outcomes alone."""


def calibrate(harvest: Harvest, deterministic: bool) -> Calibration | None:
    """The coordinate at which outcomes have the frequencies that λ states; None where too few are known.

    At the anchors v is where their outputs lie on the straight line from the first anchor's to the last one's.
    """
    if harvest.outcomes is None or not deterministic:
        return None
    known = _outputs(harvest)
    if known is None:
        logger.warning(
            "outcomes: their conditions are not among those of every anchor, and the harvest has no networks to "
            "evaluate there: the clock is not calibrated"
        )
        return None
    outputs, outcomes = known
    whole = outputs[-1] - outputs[0]
    at_anchors = [float(np.sum((y - outputs[0]) * whole)) for y in outputs]
    anchors = harvest.hyperparameter
    levels, coordinates = [anchors[:1]], [np.zeros(1)]
    shares = np.linspace(0.0, 1.0, PIECES + 1)
    prior = BASES[prior_base(anchors.tolist())].function
    for k, (left, right) in enumerate(pairwise(outputs)):
        between = (left <= outcomes) & (outcomes <= right) & (left < right)
        if between.sum() < FEWEST or at_anchors[k + 1] <= at_anchors[k]:
            logger.warning(
                "outcomes: %d lie between the outputs at λ = %g and %g, at least %d are needed: the clock is not "
                "calibrated",
                between.sum(),
                *anchors[k : k + 2],
                FEWEST,
            )
            return None
        found = np.quantile((outcomes - left)[between] / (right - left)[between], shares)
        found[[0, -1]] = 0.0, 1.0
        here = anchors[k] + shares * (anchors[k + 1] - anchors[k])
        here[-1] = anchors[k + 1]
        u = prior(here)
        positions = WEIGHT * found + (1 - WEIGHT) * (u - u[0]) / (u[-1] - u[0])
        first, last = (at_anchors[i] / at_anchors[-1] for i in (k, k + 1))
        levels.append(here[1:])
        coordinates.append(first + positions[1:] * (last - first))
    return Calibration(np.concatenate(levels), np.concatenate(coordinates))


def _outputs(harvest: Harvest) -> tuple[list[Values], Values] | None:
    """Every anchor's outputs (M, D) at the outcomes' conditions, and the outcomes (M, D); None where none are known."""
    assert harvest.outcomes is not None
    conditions, values = harvest.outcomes.conditions, np.asarray(harvest.outcomes.values, np.float64)
    if harvest.networks is not None:
        asked = np.asarray(conditions, np.float32)
        return [np.asarray(n.outputs(asked, 1, 0), np.float64)[:, 0] for n in harvest.networks], values
    *groups, wanted = group_rows(*harvest.conditions, conditions)
    shared = np.isin(wanted, groups[0])
    for group in groups[1:]:
        shared &= np.isin(wanted, group)
    if not shared.any():
        return None
    found = []
    for group, outputs in zip(groups, harvest.outputs, strict=True):
        distinct, first = np.unique(group, return_index=True)
        rows = first[np.searchsorted(distinct, wanted[shared])]
        found.append(np.asarray(outputs, np.float64)[rows])
    return found, values[shared]
