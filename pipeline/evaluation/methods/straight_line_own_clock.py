"""Straight lines between both anchors' samples with the surrogate's own clock, its skew by condition included.

It lacks nothing of the surrogate but its coupling and its curved paths: the difference in error is their worth.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation
from pipeline.evaluation.methods.straight_line import ALLOWANCE, between


def _sample(at: Situation) -> Sample | None:
    if at.at_anchor:
        return None
    s = np.asarray(at.surrogate.positions(at.left.conditions, at.value), np.float64)
    return between(at.left, at.right, at.coupling, s, at.comparison.period)


def _policy(at: PolicySituation) -> Policy:
    left, right = at.left, at.right

    def line(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        s = np.asarray(at.surrogate.positions(conditions, at.value), np.float64)[:, None, None]
        return (1 - s) * left.outputs(conditions, draws, seed) + s * right.outputs(conditions, draws, seed)

    return line


METHOD = Method(
    name="straight_line_own_clock",
    label="straight line, the surrogate's own clock",
    role="baseline",
    colour="#D55E00",
    marker="P",
    sample=_sample,
    policy=_policy,
    allowance=ALLOWANCE,
    style={"ms": 10, "mfc": "none"},  # where paths are straight it lies under the surrogate's own line
)
