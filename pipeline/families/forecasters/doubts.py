"""What looks wrong in a series before anything is trained on it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.families.forecasters.times import HOUR, Steps, Times, in_words

if TYPE_CHECKING:
    from pipeline.families.forecasters.csv_cells import Cells

NINES = [float("9" * n) / 10**after for n in range(2, 8) for after in range(min(n, 4))]
SENTINELS = frozenset({sign * n for n in NINES if n >= 9.9 for sign in (1, -1)} | {-200.0, -1.0e30, 1.0e30, 1.0e20})
"""Numbers that data sets write where they have no value: 999, -99.99, -9999, AirQualityUCI's -200."""
SEVERAL = 0.3
"""Share of rows at the time of another one, from which on the file holds several series."""
SUM = 1e-4
"""How near the last value is to the sum of all others, as a share of it, to be that sum."""
COARSE = 0.25
"""Of the usual change from row to row: what rounding to float32 may take of it."""


def value_doubts(values: NDArray[np.float64], cells: "Cells", rows: NDArray[np.intp]) -> list[str]:
    """What looks wrong with finite values (N,), which stand in these rows of the column; a sentence each."""
    if not len(values):
        return []
    found = [_sentinel(values, cells, rows), _total(values, cells, rows), _rounding(values, cells)]
    return [doubt for doubt in found if doubt]


def _sentinel(values: NDArray[np.float64], cells: "Cells", rows: NDArray[np.intp]) -> str:
    """Numbers that stand for no value, where the column's range is doubled by each of them."""
    known = np.isin(values, list(SENTINELS))
    rest = values[~known]
    if not known.any() or len(rest) < 2:
        return ""
    low, high = rest.min(), rest.max()
    far = known & ((values < low - (high - low)) | (values > high + (high - low)))
    if not far.any() or low == high:
        return ""
    numbers = np.unique(values[far])
    told = ", ".join(f"{number:g}" for number in numbers)
    return (
        f"column {cells.name!r} holds {told} in {far.sum()} rows (the first in line {cells.line(rows[far][0])}), all "
        f"other values lie in [{low:g}, {high:g}]: a mark of missing values; set ingest.missing: [{told}]"
    )


def _total(values: NDArray[np.float64], cells: "Cells", rows: NDArray[np.intp]) -> str:
    if len(values) < 3:
        return ""
    total = float(values[:-1].sum())
    if abs(values[-1] - total) > SUM * abs(total) or abs(total) <= 2 * np.abs(values[:-1]).max():
        return ""
    return (
        f"column {cells.name!r} ends with {values[-1]:g} in line {cells.line(rows[-1])}, the sum of all other values; "
        "remove that line"
    )


def _rounding(values: NDArray[np.float64], cells: "Cells") -> str:
    changes = np.abs(np.diff(values))
    usual = float(np.median(changes[changes > 0])) if (changes > 0).any() else 0.0
    lost = float(np.abs(values.astype(np.float32) - values).max())
    if lost <= COARSE * usual or not usual:
        return ""
    return (
        f"column {cells.name!r} moves by {usual:g} a row at values up to {np.abs(values).max():g}, where float32, in "
        f"which networks are trained, has steps of {2 * lost:g}; subtract a constant, or give differences"
    )


def time_doubts(times: Times, values: NDArray[np.float64], cells: "Cells", names: tuple[str, ...]) -> list[str]:
    """What looks wrong with the times of rows that nobody ordered, with its remedy. values: (N,); cells: the times'."""
    column = " and ".join(map(repr, names))
    if not np.isfinite(times.values).all():
        return [no_time(times, cells, column)]
    steps = Steps.of(times, values)
    doubled = len(steps.autumn) * HOUR / steps.usual if steps.usual else 0
    said = repeated(times, cells, column, allowed=round(doubled))
    if said:
        return [said]
    option = f"set ingest.time: {names[0]}" if len(names) == 1 else f"set ingest.time: [{', '.join(names)}]"
    if steps.backward.size:
        return [_unordered(times, steps, cells, column) + f"; {option}, by which rows are ordered"]
    if steps.early.size:
        return [irregular(times, steps, cells, column)]
    return [_gaps(times, steps, cells, column) + f"; {option}, so that windows end there"] if steps.late.size else []


def _unordered(times: Times, steps: Steps, cells: "Cells", column: str) -> str:
    first = steps.backward[0]
    if steps.backward.size > 0.9 * len(steps.sizes):
        return f"rows are newest first (column {column})"
    return (
        f"rows are not in the order of time: line {cells.line(first)} ({_at(times, first)}, column {column}) is "
        "earlier than the line above it"
    )


def _gaps(times: Times, steps: Steps, cells: "Cells", column: str) -> str:
    first = steps.late[0]
    return (
        f"column {column} has {steps.late.size} gap{'s' * (steps.late.size > 1)} in its steps of "
        f"{in_words(steps.usual, times.dates)}: the first, of {in_words(steps.sizes[first - 1], times.dates)}, before "
        f"line {cells.line(first)} ({_at(times, first)})"
    )


def no_time(times: Times, cells: "Cells", column: str) -> str:
    """The first cell that is no time, and whether it is likely a line of totals."""
    bad = np.flatnonzero(~np.isfinite(times.values))
    shown = times.texts.iloc[bad[0]]
    rows = f"{bad.size} such rows" if bad.size > 1 else "the only such row"
    return (
        f"column {column} holds {shown!r} in line {cells.line(bad[0])}, which is no time ({rows}); remove such lines "
        "(a total, a remark), or write their times as the others'"
    )


def irregular(times: Times, steps: Steps, cells: "Cells", column: str) -> str:
    """Where a step is far shorter than the usual one."""
    first = steps.early[0]
    return (
        f"column {column} has no regular step: {steps.early.size} steps are shorter than half the usual one of "
        f"{in_words(steps.usual, times.dates)}, the first ({in_words(steps.sizes[first - 1], times.dates)}) before "
        f"line {cells.line(first)} ({_at(times, first)}); bring the rows to one step (pandas: resample)"
    )


def repeated(times: Times, cells: "Cells", column: str, allowed: int = 0) -> str:
    """The first time that occurs twice, anywhere in the file; "" where at most `allowed` do, by law."""
    _, place, counts = np.unique(times.values, return_inverse=True, return_counts=True)
    again = np.flatnonzero(counts[place] > 1)
    if again.size <= 2 * allowed:
        return ""
    first, second = (int(row) for row in np.flatnonzero(place == place[again[0]])[:2])
    if again.size > SEVERAL * len(times.values):
        return (
            f"column {column} has every time about {counts[counts > 1].mean():.2g} times ({_at(times, first)} in lines "
            f"{cells.line(first)} and {cells.line(second)}): several series below one another, or times without their "
            "clock; keep the rows of one series, or name all columns of the time: ingest.time: [date, hour]"
        )
    lost = "" if times.zoned or not times.dates else "; where summer time ends, write times in UTC or with their offset"
    return (
        f"column {column} holds {_at(times, first)} twice, in lines {cells.line(first)} and {cells.line(second)} "
        f"({again.size // 2} such times); keep one row of each{lost}"
    )


def _at(times: Times, row: int | np.intp) -> str:
    return str(times.texts.iloc[int(row)])
