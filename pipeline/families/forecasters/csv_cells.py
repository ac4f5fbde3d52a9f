"""Cells of a CSV file, as texts, and the numbers that they stand for."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.families.protocol import AUTO

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.families.forecasters.csv_form import CsvForm


@dataclass(frozen=True)
class Cells:
    """One column: its texts (N,), its name, and their lines (N,), as an editor counts where no line is blank."""

    texts: Any
    name: str
    lines: NDArray[np.intp]

    def line(self, row: int | np.intp) -> int:
        """The line of a row."""
        return int(self.lines[row])

    def at(self, rows: Any) -> "Cells":
        """Some rows, or all in another order."""
        return Cells(self.texts.iloc[rows], self.name, self.lines[rows])


def read_cells(source: "Path", form: "CsvForm", columns: list[int]) -> list[Cells]:
    """The texts of some columns, by number, in all rows that have any; errors of pandas for what is no table."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # fields beyond the header: separators at line ends
        table: Any = pd.read_csv(
            source,
            compression="infer" if form.compression == "tar" else form.compression,  # type: ignore[arg-type]
            encoding=form.encoding,
            sep=form.separator,
            skiprows=form.skip_rows + 1,
            header=None,
            names=list(range(len(form.names))),
            usecols=columns,
            index_col=False,
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            skipinitialspace=True,
        )
    texts = [table[i].fillna("").str.strip() for i in columns]
    filled = np.flatnonzero(np.any([t != "" for t in texts], axis=0)) if len(table) else np.zeros(0, int)
    end = int(filled[-1]) + 1 if filled.size else 0  # rows of nothing but separators, as spreadsheets leave at the end
    lines = np.arange(end) + form.skip_rows + 2
    return [Cells(t.iloc[:end], form.names[i], lines) for t, i in zip(texts, columns, strict=True)]


def to_numbers(texts: Any, decimal: str) -> NDArray[np.float64]:
    """Numbers (N,) of texts, NaN where a text is none; digits may be grouped by three, by a blank or the other mark."""
    import pandas as pd

    plain: Any = pd.to_numeric(texts, errors="coerce")
    if decimal == "." and np.isfinite(plain).all():
        return np.array(plain, np.float64)
    bare = texts.str.replace(r"(?<=\d)[\s\u00a0\u202f'](?=\d{3})", "", regex=True)
    mark = "." if decimal == "," else ","
    grouped = bare.str.fullmatch(rf"[-+]?\d{{1,3}}(?:\{mark}\d{{3}})+(?:\{decimal}\d*)?")
    bare = bare.where(~grouped, bare.str.replace(mark, "", regex=False))
    if decimal == ",":
        stray = bare.str.contains(".", regex=False)
        bare = bare.str.replace(",", ".", regex=False).where(~stray, "")
    numbers: Any = pd.to_numeric(bare, errors="coerce")
    return np.asarray(numbers, np.float64)


def find_decimal(cells: Cells, separator: str, told: str, source: "Path") -> str:
    """The decimal mark; DataError where 12,345 may be twelve thousand or twelve."""
    texts = cells.texts
    if told != AUTO:
        return told
    commas = texts[texts.str.contains(",", regex=False)]
    if not len(commas):
        return "."
    both = commas[commas.str.contains(".", regex=False)]
    if len(both):
        return "," if both.iloc[0].rfind(",") > both.iloc[0].rfind(".") else "."
    if commas.str.fullmatch(r"[-+]?\d{1,3}(?:,\d{3}){2,}").any():
        return "."
    if not commas.str.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}").all():
        return ","
    if separator != "," and len(commas) == (texts != "").sum():
        return ","  # a decimal mark is in every value, a thousands mark only in those above 999
    raise DataError(
        f"ingest.source = {source}: column {cells.name!r} holds {commas.iloc[0]!r} in line "
        f"{cells.line(np.flatnonzero(texts == commas.iloc[0])[0])}, in which the comma may be a decimal mark or "
        "group thousands; set ingest.decimal: ',' or ingest.decimal: '.'"
    )
