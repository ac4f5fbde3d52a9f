"""Persistence: where on their way outputs are nearest to a past value of the same quantity.

Two anchors say where outputs go, not when. But a forecaster's condition often holds the forecast quantity's own past,
and its median forecast changes least from there. Where a condition column lies on the way from the first anchor's
outputs to the last one's, in nearly every row, the place at which it does tells how skewed the way is.
"""

import numpy as np

from pipeline.harvest import Harvest
from pipeline.surrogate.coupling import group_rows

EXPLAINED = 0.8
"""The least share of the column's variance that the place explains, ..."""
MISSED = 0.35
"""... and the largest root mean square of what it misses, in units of the way's length."""
INSIDE = (0.02, 0.98)


def persistent_place(harvest: Harvest) -> float | None:
    """The place s between first and last anchor at which outputs are nearest to the column that suits best, or None.

    s minimises Σ |x_c − (1 − s) y_0 − s y_K|² over rows and outputs. Columns in other units than the outputs' are out
    of the question, as are conditions that the two anchors do not share; of one that repeats, the first row counts.
    """
    (first, last), (x, x_last) = ((values[0], values[-1]) for values in (harvest.outputs, harvest.conditions))
    groups = group_rows(x, x_last)
    (distinct, rows), (distinct_last, rows_last) = (np.unique(group, return_index=True) for group in groups)
    if not np.array_equal(distinct, distinct_last):
        return None
    x, start = x[rows], first[rows].astype(np.float64)
    way = last[rows_last] - start
    length = float(np.sum(way**2))
    units = {column.units for column in harvest.schema.outputs}
    best, chosen = MISSED, None
    for i, column in enumerate(harvest.schema.conditions):
        if column.kind != "continuous" or {column.units} != units or length == 0:
            continue
        past = x[:, i : i + 1].astype(np.float64)
        place = float(np.sum((past - start) * way)) / length
        rest = float(np.sum((past - start - place * way) ** 2))
        spread = float(np.sum((past - past.mean()) ** 2)) * way.shape[1]
        missed = np.sqrt(rest / length)
        if INSIDE[0] <= place <= INSIDE[1] and rest <= (1 - EXPLAINED) * spread and missed < best:
            best, chosen = missed, place
    return chosen
