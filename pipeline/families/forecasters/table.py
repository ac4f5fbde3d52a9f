"""A CSV file of a series: its values in the order of time, and where windows end, checked before training."""

import logging
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError, DataError
from pipeline.families.forecasters.csv_cells import Cells, find_decimal, read_cells, to_numbers
from pipeline.families.forecasters.csv_form import CsvForm, find_form
from pipeline.families.forecasters.doubts import irregular, no_time, repeated, time_doubts, value_doubts
from pipeline.families.forecasters.times import Steps, Times, evident_columns, in_words, read_times
from pipeline.families.protocol import AUTO, IngestSection

BROKEN = (ValueError, EOFError, OSError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, tarfile.TarError)
"""What pandas raises for a file that is not a table: its own errors (ValueErrors), and those of the compressions."""
FEW = 5
"""Rows from which on a column can be seen to hold times."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Series:
    """values: (N,) float64, in order. starts: rows, ascending, that do not follow on the one before them."""

    values: NDArray[np.float64]
    starts: NDArray[np.int64]


def read_series(source: Path, settings: IngestSection) -> Series:
    """Read the value column, and that of times; DataError, with the remedy, for what cannot be used or looks wrong."""
    form, columns = _read(source, settings)
    value, dates = columns[settings.column], [columns[name] for name in columns if name != settings.column]
    decimal = find_decimal(value, form.separator, settings.decimal, source)
    value, dates = _without_units(value, dates, decimal)
    numbers, keep = _numbers(value, decimal, settings, source)
    told = _names(settings.time)
    times = read_times([column.texts for column in dates], tuple(column.name for column in dates)) if dates else None
    doubts = value_doubts(numbers[keep], value, np.flatnonzero(keep))
    if times is not None and not told:
        doubts += time_doubts(times, np.where(keep, numbers, 0.0), dates[0], tuple(column.name for column in dates))
    _say(doubts, settings, source)
    series = _ordered(numbers, keep, times if told else None, dates, source)
    _report(form, decimal, times, dates, series, int((~keep).sum()))
    return series


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in ([given] if isinstance(given, str) else given) if name)


def _read(source: Path, settings: IngestSection) -> tuple[CsvForm, dict[str, Cells]]:
    """The form of the file, and the columns by name: the value's, then those of times, told or evident."""
    import pandas as pd

    if source.is_dir():
        raise DataError(f"ingest.source = {source} is a folder; set the path of a CSV file in it")
    if not source.is_file():
        raise DataError(f"ingest.source = {source} does not exist; set the path of a CSV file")
    try:
        form = find_form(source, settings)
        chosen = _columns(form, settings, source)
        places = [form.names.index(name) for name in chosen]
        return form, dict(zip(chosen, _cells(source, form, places, settings), strict=True))
    except pd.errors.EmptyDataError as error:
        raise DataError(f"ingest.source = {source} is empty; a header and rows are needed") from error
    except ImportError as error:
        raise DataError(f"ingest.source = {source} cannot be decompressed ({error}); unpack it") from error
    except BROKEN as error:
        if isinstance(error, DataError | ConfigurationError):
            raise
        raise DataError(f"ingest.source = {source} is not a CSV file: {error}") from error


def _cells(source: Path, form: CsvForm, places: list[int], settings: IngestSection) -> list[Cells]:
    try:
        return read_cells(source, form, places)
    except UnicodeDecodeError as error:
        if settings.encoding != AUTO or form.encoding != "utf-8":
            raise DataError(
                f"ingest.source = {source} is not in the encoding {form.encoding!r} ({error}); set ingest.encoding"
            ) from error
        return read_cells(source, replace(form, encoding="cp1252"), places)  # the beginning was ASCII


def _columns(form: CsvForm, settings: IngestSection, source: Path) -> list[str]:
    known = list(form.names)
    if not settings.column:
        raise ConfigurationError(f"ingest.column is empty; set one of {known}")
    told = _names(settings.time)
    for field, name in (("column", settings.column), *(("time", name) for name in told)):
        _check_name(field, name.strip(), form, source)
    if settings.column.strip() in told:
        raise ConfigurationError(f"ingest.time = {settings.time!r} names the value column; set the column of times")
    value = settings.column.strip()
    dates = told or (evident_columns(form.rows, known, value) if len(form.rows) >= FEW else ())
    return [settings.column.strip(), *(name.strip() for name in dates)]


def _check_name(field: str, name: str, form: CsvForm, source: Path) -> None:
    known = list(form.names)
    if known.count(name) > 1:
        raise DataError(f"ingest.{field} = {name!r}: {source} has {known.count(name)} columns of this name; rename one")
    if name in known:
        return
    lowered = {other.lower(): other for other in known}
    near = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=1, cutoff=0.8)]
    hint = f"; {near[0]!r} may be meant" if near else ""
    if any(any(c.isdigit() for c in other) for other in known) and all(_is_value(other) for other in known):
        hint = "; its first line holds values: write a line of names above it"
    elif len(known) == 1 and not near:
        hint = f"; that is one column: set ingest.separator (now {form.separator!r}), ingest.skip_rows"
    elif not near:
        hint = f"; where names stand in another line than {form.skip_rows + 1}, set ingest.skip_rows"
    raise DataError(f"ingest.{field} = {name!r} is not in {source}; its columns are {known}{hint}")


def _is_value(text: str) -> bool:
    return bool(text) and not any(c.isalpha() for c in text)


def _without_units(value: Cells, dates: list[Cells], decimal: str) -> tuple[Cells, list[Cells]]:
    """Without the row of units below the header: a text where the next row has a number, and no time beside it."""
    first_two = to_numbers(value.texts.iloc[:2], decimal)
    timed = any(c in "0123456789" for column in dates for c in column.texts.iloc[0]) if len(value.texts) else False
    if np.isfinite(first_two).tolist() != [False, True] or not value.texts.iloc[0] or timed or not dates:
        return value, dates
    logger.info("ingest: line %d (%s) is taken for units", value.line(0), value.texts.iloc[0])
    return value.at(slice(1, None)), [column.at(slice(1, None)) for column in dates]


def _numbers(
    cells: Cells, decimal: str, settings: IngestSection, source: Path
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The values of all rows (N,), and which rows have one (N,); DataError for what is neither number nor `missing`."""
    numbers = to_numbers(cells.texts, decimal)
    texts = [text.strip() for text in settings.missing if isinstance(text, str)]
    marks = [number for number in settings.missing if not isinstance(number, str)]
    missing = np.isin(numbers, marks) | cells.texts.isin(texts).to_numpy(bool)
    with np.errstate(over="ignore"):  # values beyond float32 cannot be used
        usable = np.isfinite(numbers.astype(np.float32))
    if (bad := np.flatnonzero(~usable & ~missing)).size:
        shown = cells.texts.iloc[bad[0]]
        if bad.size == len(numbers) > 1:
            raise DataError(
                f"ingest.source = {source}: column {cells.name!r} holds no number ({shown!r} in line "
                f"{cells.line(bad[0])}); set ingest.column to a column of numbers"
            )
        comma = decimal == "." and "," in shown
        further = "; if the comma is the decimal mark, set ingest.decimal: ','" if comma else ""
        raise DataError(
            f"ingest.source = {source}: column {cells.name!r} holds {shown!r} in line {cells.line(bad[0])} "
            f"({bad.size} such rows); finite numbers are needed: fill these rows, or, where that means that there is "
            f"no value, set ingest.missing: [{shown!r}]{further}"
        )
    return numbers, ~missing


def _ordered(
    numbers: NDArray[np.float64], keep: NDArray[np.bool_], times: Times | None, dates: list[Cells], source: Path
) -> Series:
    """Rows that have a value, by time where one is told, and where they do not follow on one another."""
    broken = np.zeros(len(numbers), bool)
    if times is not None:
        column = " and ".join(repr(cells.name) for cells in dates)
        if not np.isfinite(times.values).all():
            raise DataError(f"ingest.time: {source}: {no_time(times, dates[0], column)}")
        if said := repeated(times, dates[0], column):
            raise DataError(f"ingest.time: {source}: {said}")
        order = np.argsort(times.values, kind="stable")
        numbers, keep = numbers[order], keep[order]
        times = replace(times, values=times.values[order], texts=times.texts.iloc[order])
        steps = Steps.of(times, numbers)
        if steps.early.size:
            raise DataError(f"ingest.time: {source}: {irregular(times, steps, dates[0].at(order), column)}")
        broken[np.concatenate([steps.late, steps.summer])] = True
    segment = np.cumsum(broken | ~keep)[keep]
    return Series(numbers[keep], np.flatnonzero(np.diff(segment, prepend=segment[:1]) > 0).astype(np.int64))


def _say(doubts: list[str], settings: IngestSection, source: Path) -> None:
    """DataError with all doubts, or a warning for each."""
    if doubts and settings.doubts == "refuse":
        raise DataError(
            f"ingest.source = {source}: "
            + "; and ".join(doubts)
            + "; or set ingest.doubts: warn, where it is right as it stands"
        )
    for doubt in doubts:
        logger.warning("ingest: %s: %s", source, doubt)


def _report(form: CsvForm, decimal: str, times: Times | None, dates: list[Cells], series: Series, missing: int) -> None:
    """One line: how the file was read."""
    parts = [str(form), "decimal commas" if decimal == "," else "decimal points"]
    if times is not None and np.isfinite(times.values).all() and len(times.values) > 2:
        usual = float(np.median(np.abs(np.diff(times.values))))
        parts.append(f"times in {', '.join(cells.name for cells in dates)} by {in_words(usual, times.dates)}")
    if missing:
        parts.append(f"{missing} missing values")
    if len(series.starts):
        parts.append(f"windows end at {len(series.starts)} places")
    logger.info("ingest: read as %s", ", ".join(parts))
