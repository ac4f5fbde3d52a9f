"""Persistence: estimates a two-anchor clock from lagged targets.

Two anchors do not identify a clock. But a forecaster's condition often includes lagged values of its target, and its
median forecast is close to persistence. Where a condition column lies between the first and the last anchor's outputs
in nearly every row, its position on that line is an estimate of the median's position.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.samples import group_rows

EXPLAINED = 0.8
"""The smallest share of the column's variance that a common position must explain, ..."""
MISSED = 0.35
"""... and the largest root mean square residual, relative to the distance between the anchors' outputs."""
INSIDE = (0.02, 0.98)
"""The range of accepted positions; those of single conditions are clipped to it."""


@dataclass(frozen=True, eq=False)
class Persistence:
    """Positions at which the outputs are neaerror to the lagged target, pooled and per condition.

    position: over all conditions. rows: (n,), the rows of the n conditions at the first anchor. positions: (n,), per
    condition, clipped to INSIDE.
    """

    position: float
    rows: NDArray[np.intp]
    positions: NDArray[np.float64]


def find_persistence(harvest: Harvest) -> Persistence | None:
    """Positions between the first and the last anchor from the condition column of least residual, or None.

    A position s minimises |x_c − (1 − s) y_0 − s y_K|² over the outputs of one condition, or of all. Only columns in
    the outputs' unit are considered. None where the two anchors do not share their conditions, or no column passes the
    thresholds. Of a repeated condition the first row is used.
    """
    (first, last), (x, x_last) = ((values[0], values[-1]) for values in (harvest.outputs, harvest.conditions))
    groups = group_rows(x, x_last)
    (distinct, rows), (distinct_last, rows_last) = (np.unique(group, return_index=True) for group in groups)
    if not np.array_equal(distinct, distinct_last):
        return None
    start = first[rows].astype(np.float64)
    difference = last[rows_last] - start
    squares = (difference**2).sum(1)
    units = {column.units for column in harvest.schema.outputs}
    best, chosen = MISSED, None
    for i, column in enumerate(harvest.schema.conditions):
        if column.kind != "continuous" or {column.units} != units or not squares.any():
            continue
        past = x[rows, i : i + 1].astype(np.float64)
        along = ((past - start) * difference).sum(1)
        position = float(along.sum() / squares.sum())
        error = float(np.sum((past - start - position * difference) ** 2))
        spread = float(np.sum((past - past.mean()) ** 2)) * difference.shape[1]
        residual = np.sqrt(error / squares.sum())
        if INSIDE[0] <= position <= INSIDE[1] and error <= (1 - EXPLAINED) * spread and residual < best:
            # Where a condition's outputs do not move, its position is arbitrary: the pooled one.
            each = np.divide(along, squares, out=np.full(len(rows), position), where=squares > 0)
            best, chosen = residual, Persistence(position, rows, np.clip(each, *INSIDE))
    return chosen
