"""Straight lines between the anchors' samples with the surrogate's own clocks, their skews by condition included.

It lacks nothing of the surrogate but its coupling and its curved paths: the difference in error is their worth. With
several hyperparameters lines are multilinear or barycentric, as those of `straight_line`.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation
from pipeline.evaluation.places import own_weights


def _sample(at: Situation) -> Sample | None:
    if at.at_anchor:
        return None
    rows, samples = at.paired(at.own)
    return at.mixed(at.own, own_weights(at.surrogate, at.value, samples[rows.root].conditions))


def _policy(at: PolicySituation) -> Policy:
    networks = at.corners

    def line(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        weights = own_weights(at.surrogate, at.value, conditions)
        outputs = [n.outputs(conditions, draws, seed) for n in networks]
        return np.asarray(np.sum([w[:, None, None] * y for w, y in zip(weights, outputs, strict=True)], axis=0))

    return line


METHOD = Method(
    name="straight_line_own_clock",
    label="straight line, the surrogate's own clock",
    several="multilinear, the surrogate's own clocks",
    role="baseline",
    colour="#D55E00",
    marker="P",
    sample=_sample,
    policy=_policy,
    style={"ms": 10, "mfc": "none"},  # where paths are straight it lies under the surrogate's own line
)
