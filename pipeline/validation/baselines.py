"""The plain methods that a surrogate has to beat: each takes samples at the anchors and gives one at λ in between."""

from collections.abc import Sequence

import numpy as np

from pipeline.errors import HyperparameterError
from pipeline.surrogate.coupling import Coupling
from pipeline.validation.comparison import Sample

TIE = 1e-9
"""Distances to two anchors that differ by less than this part of their interval are equal: rounding decides no tie."""


def left_anchor(anchors: Sequence[float], hyperparameter: float) -> int:
    """Index of the left anchor of the interval that λ lies in; an anchor but the last is its own left anchor.

    Raises HyperparameterError outside the anchors' range.
    """
    if not anchors[0] <= hyperparameter <= anchors[-1]:
        raise HyperparameterError(
            f"hyperparameter {hyperparameter} lies outside the anchors' range [{anchors[0]}, {anchors[-1]}]"
        )
    return int(np.clip(np.searchsorted(anchors, hyperparameter, side="right") - 1, 0, len(anchors) - 2))


def nearest_anchor(anchors: Sequence[float], hyperparameter: float) -> int:
    """Index of the anchor with the smallest |λ − λ_k|; a tie goes to the left one."""
    k = left_anchor(anchors, hyperparameter)
    to_left, to_right = hyperparameter - anchors[k], anchors[k + 1] - hyperparameter
    return k + 1 if to_left - to_right > TIE * (anchors[k + 1] - anchors[k]) else k


def linear_clock(anchors: Sequence[float], hyperparameter: float) -> float:
    """S = (λ − λ_k) / (λ_{k+1} − λ_k) in λ's own interval."""
    k = left_anchor(anchors, hyperparameter)
    return (hyperparameter - anchors[k]) / (anchors[k + 1] - anchors[k])


def straight_line(left: Sample, right: Sample, coupling: Coupling, s: float) -> Sample:
    """(1 − s) y + s y' for every pair (y, y') of a coupling, at the condition of y: displacement interpolation."""
    y0 = left.outputs[coupling.left].astype(np.float64)
    y1 = right.outputs[coupling.right].astype(np.float64)
    equal = np.ptp(coupling.weight) <= 1e-12 * coupling.weight.max()
    return Sample(
        (1 - s) * y0 + s * y1,
        left.conditions[coupling.left],
        None if equal else coupling.weight / coupling.weight.sum(),
    )
