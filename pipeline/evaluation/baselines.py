"""The plain methods that a surrogate has to beat: each takes samples at the anchors and gives one at λ in between."""

import numpy as np

from pipeline.evaluation.comparison import Sample
from pipeline.transport.coupling import Coupling


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
