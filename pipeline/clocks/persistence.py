"""Persistence: where on their way outputs are nearest to a past value of the same quantity.

Two anchors say where outputs go, not when. But a forecaster's condition often holds the forecast quantity's own past,
and its median forecast changes least from there. Where a condition column lies on the way from the first anchor's
outputs to the last one's, in nearly every row, the position at which it does tells how skewed the way is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.samples import group_rows

EXPLAINED = 0.8
"""The least share of the column's variance that the position explains, ..."""
MISSED = 0.35
"""... and the largest root mean square of what it misses, in units of the way's length."""
INSIDE = (0.02, 0.98)


@dataclass(frozen=True, eq=False)
class Persistence:
    """Positions at which outputs are nearest to their past: over all conditions, and at each.

    rows: (n,), the first anchor's rows that have the n conditions. positions: (n,), clipped to INSIDE.
    """

    position: float
    rows: NDArray[np.intp]
    positions: NDArray[np.float64]


def find_persistence(harvest: Harvest) -> Persistence | None:
    """The positions between first and last anchor at which outputs are nearest to the column that suits best, or None.

    A position s minimises |x_c − (1 − s) y_0 − s y_K|² over the outputs of a condition, or of all. Columns in other
    units than the outputs' are out of the question, as are conditions that the two anchors do not share; of one that
    repeats, the first row counts.
    """
    (first, last), (x, x_last) = ((values[0], values[-1]) for values in (harvest.outputs, harvest.conditions))
    groups = group_rows(x, x_last)
    (distinct, rows), (distinct_last, rows_last) = (np.unique(group, return_index=True) for group in groups)
    if not np.array_equal(distinct, distinct_last):
        return None
    start = first[rows].astype(np.float64)
    way = last[rows_last] - start
    lengths = (way**2).sum(1)
    units = {column.units for column in harvest.schema.outputs}
    best, chosen = MISSED, None
    for i, column in enumerate(harvest.schema.conditions):
        if column.kind != "continuous" or {column.units} != units or not lengths.any():
            continue
        past = x[rows, i : i + 1].astype(np.float64)
        along = ((past - start) * way).sum(1)
        position = float(along.sum() / lengths.sum())
        rest = float(np.sum((past - start - position * way) ** 2))
        spread = float(np.sum((past - past.mean()) ** 2)) * way.shape[1]
        missed = np.sqrt(rest / lengths.sum())
        if INSIDE[0] <= position <= INSIDE[1] and rest <= (1 - EXPLAINED) * spread and missed < best:
            # Where there is no way to go, any position will do.
            each = np.divide(along, lengths, out=np.full(len(rows), position), where=lengths > 0)
            best, chosen = missed, Persistence(position, rows, np.clip(each, *INSIDE))
    return chosen
