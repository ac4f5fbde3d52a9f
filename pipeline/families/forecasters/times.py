"""The times of a series' rows: which columns hold them, what they say, and where they have gaps."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{4}-\d{2}\b|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}-[A-Za-z]{3}-\d{2,4}"
)
CLOCK = re.compile(r"\d{1,2}[:.]\d{2}([:.]\d{2})?")
ZONE = re.compile(r"(?i)\d(?:z|[+-]\d{2}:?\d{2}|\s*(?:utc|gmt))$")
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
SHORT_DATES = ("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%Y-%m")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H")
DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
HEAD = 50
"""Rows that show how times are written."""
EVIDENT = 0.9
"""Share of rows that look like a time in a column that is one."""
HOUR = 3600.0
LIKELY = 250 * 365 * 24 * HOUR
"""Of a time written as digits: at most 250 years from 1970."""
SUNDAY = 6
LONG, SHORT = 1.5, 0.5
"""Steps, in the usual one, beyond which rows are missing (months differ by a tenth), or the step is another one."""


def evident_columns(rows: Sequence[Sequence[str]], names: Sequence[str], besides: str) -> tuple[str, ...]:
    """The first column that holds dates, and that of clocks where the dates have none; () where nothing is evident."""
    dates = [name for name in names if name != besides and _share(rows, names, name, DATE.match) >= EVIDENT]
    if not dates:
        return ()
    place = list(names).index(dates[0])
    if any(re.search(r"\d[ T]\d", row[place]) for row in rows if len(row) > place):
        return (dates[0],)
    clocks = [name for name in names if name != besides and _share(rows, names, name, CLOCK.fullmatch) >= EVIDENT]
    spread = [name for name in clocks if any(":" in cell or cell.count(".") > 1 for cell in _column(rows, names, name))]
    return (dates[0], *spread[:1])


def _column(rows: Sequence[Sequence[str]], names: Sequence[str], name: str) -> list[str]:
    place = list(names).index(name)
    return [row[place] if len(row) > place else "" for row in rows]


def _share(rows: Sequence[Sequence[str]], names: Sequence[str], name: str, matches: Any) -> float:
    cells = _column(rows, names, name)
    return sum(bool(matches(cell)) for cell in cells) / len(cells) if cells else 0.0


@dataclass(frozen=True)
class Times:
    """Times of rows, (N,): seconds, or the numbers of a column that counts. NaN where a text is no time.

    texts: (N,), as in the file. zoned: whether they say their zone, so that no hour is missing or doubled by law.
    dates: whether they are seconds since 1970.
    """

    values: NDArray[np.float64]
    texts: Any
    zoned: bool
    dates: bool


def read_times(columns: Sequence[Any], names: Sequence[str]) -> Times:
    """The times that columns of texts hold together, a date and a clock; names: of the columns."""
    texts = columns[0]
    for further in columns[1:]:
        texts = texts + " " + further
    said = bool(re.search(r"(?i)\b(utc|gmt)\b|utc_|_utc", " ".join(names)))
    filled = texts[texts != ""].iloc[:HEAD]
    zoned = said or (len(filled) > 0 and bool(filled.str.contains(ZONE).mean() > EVIDENT))
    if len(filled) and filled.str.fullmatch(r"[-+]?\d+(\.\d+)?").mean() > EVIDENT:
        return _counted(texts, zoned)
    return Times(_dated(_plain_clocks(texts)), texts, zoned, dates=True)


def _plain_clocks(texts: Any) -> Any:
    """18.00.00 as 18:00:00, without the words UTC and GMT."""
    if not texts.iloc[:HEAD].str.contains(r"\s\d{1,2}\.\d{2}(?:\.\d{2})?$|(?i:utc|gmt)$|:$", regex=True).any():
        return texts
    dotted = texts.str.replace(r"(?<=\s)(\d{1,2})\.(\d{2})(?:\.(\d{2}))?$", r"\1:\2:\3", regex=True)
    return dotted.str.replace(r":$", "", regex=True).str.replace(r"(?i)\s*(utc|gmt)$", "", regex=True)


def _counted(texts: Any, zoned: bool) -> Times:
    """Digits that are a date (2019102000), or numbers that count."""
    import pandas as pd

    lengths = set(texts[texts != ""].str.len())
    pattern = DIGITS.get(lengths.pop()) if len(lengths) == 1 else None
    if pattern is not None:
        found = _seconds(texts, format=pattern)
        if np.isfinite(found).mean() > EVIDENT and abs(np.nanmedian(found)) < LIKELY:  # 1600000000 counts seconds
            return Times(found, texts, zoned, dates=True)
    numbers: Any = pd.to_numeric(texts, errors="coerce")
    return Times(np.asarray(numbers, np.float64), texts, zoned, dates=False)


def _dated(texts: Any) -> NDArray[np.float64]:
    """Seconds since 1970: of all ways to read every text that way whose steps are the most alike.

    Where days and months could be exchanged, only one order gives regular steps.
    """
    formats = ["ISO8601", *(date + clock for date, clock in product((*DATES, *SHORT_DATES), CLOCKS))]
    head = texts[texts != ""].iloc[:HEAD]
    likely = [known for known in formats if np.isfinite(_seconds(head, format=known)).mean() > EVIDENT] or ["ISO8601"]
    found = [_seconds(texts, format=known) for known in likely]
    return max(found, key=lambda seconds: (int(np.isfinite(seconds).sum()), _regularity(seconds)))


def _regularity(seconds: NDArray[np.float64]) -> float:
    """Share of steps, in the order of time, that are the usual one."""
    steps = np.diff(np.unique(seconds[np.isfinite(seconds)]))
    return float(np.mean(steps == np.median(steps))) if len(steps) else 0.0


def _seconds(texts: Any, **how: Any) -> NDArray[np.float64]:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a format that does not fit: then there is no time
        found: Any = pd.to_datetime(texts, errors="coerce", utc=True, **how)
    stamps = found.dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.asarray((stamps - np.datetime64(0, "us")) / np.timedelta64(1, "s"), np.float64)


@dataclass(frozen=True)
class Steps:
    """Steps between rows that follow one another, (N - 1,), and the usual one; numbers of rows that end in a step.

    backward, equal: rows that lie before the one above them, or at its time. early: after less than half the usual
    step. late: rows before which some are missing. summer: rows at which clocks are set forward, and one hour seems to
    be missing; autumn: set back, and one hour comes twice. Of local times alone; then they are in no other list.
    """

    sizes: NDArray[np.float64]
    usual: float
    backward: NDArray[np.intp]
    equal: NDArray[np.intp]
    early: NDArray[np.intp]
    late: NDArray[np.intp]
    summer: NDArray[np.intp]
    autumn: NDArray[np.intp]

    @classmethod
    def of(cls, times: Times, values: NDArray[np.float64]) -> "Steps":
        """The steps of rows all of which have a time; values (N,): a row that stands twice is no change of clocks."""
        sizes = np.diff(times.values)
        forward = sizes[sizes > 0]
        usual = float(np.median(forward)) if forward.size else 0.0
        night = _night(times, usual)
        summer = night & (sizes == usual + HOUR)
        autumn = night & (sizes == usual - HOUR) & (np.diff(values) != 0)
        other = ~summer & ~autumn
        rows = [
            (sizes < 0) & other,
            (sizes == 0) & other,
            (sizes > 0) & (sizes < SHORT * usual),
            (sizes > LONG * usual) & other,
            summer,
            autumn,
        ]
        return cls(sizes, usual, *(np.flatnonzero(found) + 1 for found in rows))


def _night(times: Times, usual: float) -> NDArray[np.bool_]:
    """Steps (N - 1,) that begin in the night to a Sunday, of local times with an hour's step or a shorter one."""
    if times.zoned or not times.dates or usual > HOUR:
        return np.zeros(len(times.values) - 1, bool)
    return sunday_night(times.values[:-1])


def sunday_night(seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether times lie between midnight and four on a Sunday, (N,): when clocks change."""
    day = np.floor(seconds / (24 * HOUR))
    return np.asarray(((day + 3) % 7 == SUNDAY) & (seconds - day * 24 * HOUR < 4 * HOUR), bool)


def in_words(step: float, dates: bool) -> str:
    """A step as a person says it: 1 h, 15 min, 1 day; the number where rows are counted."""
    if not dates:
        return f"{step:g}"
    for size, unit in ((24 * HOUR, "days"), (HOUR, "h"), (60.0, "min")):
        if step >= size:
            return f"{step / size:.4g} {unit}"
    return f"{step:.4g} s"
