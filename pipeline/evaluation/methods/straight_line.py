"""Straight lines between the anchors' samples, with the linear clock: displacement interpolation (McCann 1997).

Between two anchors these are lines; between the corners of a cell of several hyperparameters, multilinear in a box and
barycentric in a simplex. Rows of deterministic networks are matched by their conditions. Networks that draw, and travel
with the surrogate, give fresh draws, paired as the surrogate pairs them: a line between two samples of a harvest
averages their noise away, and would seem to be nearer to the truth than a straight surrogate of the same clock. Samples
without networks are matched by exact transport, along the edges of the cell's tree.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.coupled import Coupled
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation
from pipeline.evaluation.places import linear_weights
from pipeline.transport.coupling import Coupling


def between(
    left: Sample,
    right: Sample,
    coupling: Coupling,
    s: float | NDArray[np.float64],
    period: NDArray[np.float64] | None = None,
) -> Sample:
    """(1 − s) y + s y' for every pair (y, y') of a coupling, at the condition of y; s: one, or one a row of `left`.

    period: (D,), of circular outputs, which go the short way round; 0 for others.
    """
    pairs = Coupled.along([(0, 1)], lambda *_: coupling)
    return pairs.mean((left, right), {0: 1 - s, 1: s}, period)


def _sample(at: Situation) -> Sample | None:
    if at.at_anchor:
        return None
    return at.mixed(at.linear, linear_weights(at.linear, at.coordinates))


def _policy(at: PolicySituation) -> Policy:
    networks, weights = at.at(at.linear), linear_weights(at.linear, at.coordinates)

    def line(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        parts = [w * n.outputs(conditions, draws, seed) for w, n in zip(weights, networks, strict=True)]
        return np.asarray(np.sum(parts, axis=0))

    return line


METHOD = Method(
    name="straight_line",
    label="straight line, linear clock",
    several="multilinear, linear clocks",
    role="baseline",
    colour="#E69F00",
    marker="s",
    sample=_sample,
    policy=_policy,
)
