"""Straight lines between both anchors' samples, with the linear clock: displacement interpolation (McCann 1997).

Rows of deterministic networks are matched by their conditions; draws are matched by exact transport.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.coupling import Coupling

ALLOWANCE = 0.03
"""A surrogate with straight paths may equal the line; rounding and the noise of draws must not bar it."""


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
    y0 = left.outputs[coupling.left].astype(np.float64)
    y1 = right.outputs[coupling.right].astype(np.float64)
    if period is not None and period.any():
        y1 = nearest_turn(y1, y0, period)
    s = np.broadcast_to(s, len(left.outputs))[coupling.left, None]
    equal = np.ptp(coupling.weight) <= 1e-12 * coupling.weight.max()
    return Sample(
        (1 - s) * y0 + s * y1,
        left.conditions[coupling.left],
        None if equal else coupling.weight / coupling.weight.sum(),
    )


def _sample(at: Situation) -> Sample | None:
    if at.at_anchor:
        return None
    return between(at.left, at.right, at.coupling, at.anchors.position(at.value), at.comparison.period)


def _policy(at: PolicySituation) -> Policy:
    left, right, s = at.left, at.right, at.anchors.position(at.value)

    def line(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        return (1 - s) * left.outputs(conditions, draws, seed) + s * right.outputs(conditions, draws, seed)

    return line


METHOD = Method(
    name="straight_line",
    label="straight line, linear clock",
    role="baseline",
    colour="#E69F00",
    marker="s",
    sample=_sample,
    policy=_policy,
    allowance=ALLOWANCE,
)
