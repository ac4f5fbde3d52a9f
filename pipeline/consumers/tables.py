"""Tables of consumers, CSV or Parquet by the file's ending: read in portions, written in portions.

CSV is UTF-8 with commas and a header. What a command needs as numbers is read as such, or refused; columns that it does
not know are left unread.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.errors import ConfigurationError, DataError
from pipeline.storage.atomic import atomic_file

CSV, PARQUET = ".csv", ".parquet"


def format_of(path: Path) -> str:
    """The ending that says a file's format; ConfigurationError for another."""
    ending = path.suffix.lower()
    if ending not in (CSV, PARQUET):
        raise ConfigurationError(f"{path}: unknown format {ending!r}; name a {CSV} or a {PARQUET} file")
    return ending


def columns_of(path: Path) -> list[str]:
    """The names of a table's columns; DataError where it is missing or no table."""
    with _reading(path):
        if format_of(path) == PARQUET:
            return list(pq.ParquetFile(path).schema_arrow.names)
        with pa.csv.open_csv(path) as reader:
            return list(reader.schema.names)


def count_rows(path: Path) -> int:
    """The number of a table's rows; of CSV that of its lines, which quoted line breaks exceed."""
    with _reading(path):
        if format_of(path) == PARQUET:
            return int(pq.ParquetFile(path).metadata.num_rows)
        with path.open("rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return max(0, lines - 1)


def read_portions(path: Path, columns: Sequence[str], texts: Collection[str], rows: int) -> Iterator[pd.DataFrame]:
    """The columns of a table, at most `rows` rows at a time; one empty frame where it has none.

    texts: those of the columns that may hold texts; others are read as doubles, and DataError says where they are none.
    """
    found = False
    with _reading(path):
        for batch in _batches(path, columns, texts, rows):
            for start in range(0, len(batch), rows):
                found = True
                yield batch.slice(start, rows).to_pandas()
    if not found:
        yield pd.DataFrame({name: pd.Series([], dtype=float) for name in columns})


def read_table(path: Path, numbers: Collection[str] = ()) -> pd.DataFrame:
    """A whole table; columns named in `numbers` are read as doubles, the others as what they look like."""
    with _reading(path):
        if format_of(path) == PARQUET:
            table = pq.read_table(path)
        else:
            options = pa.csv.ConvertOptions(column_types=dict.fromkeys(numbers, pa.float64()))
            table = pa.csv.read_csv(path, convert_options=options)
        return pd.DataFrame(table.to_pandas())


def _batches(path: Path, columns: Sequence[str], texts: Collection[str], rows: int) -> Iterator[Any]:
    if format_of(path) == PARQUET:
        yield from pq.ParquetFile(path).iter_batches(batch_size=rows, columns=list(columns) or None)
        return
    types = {name: pa.string() if name in texts else pa.float64() for name in columns}
    options = pa.csv.ConvertOptions(column_types=types, include_columns=list(columns))
    with pa.csv.open_csv(path, convert_options=options) as reader:
        yield from reader


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Errors of reading a file as DataError with its name."""
    if not path.is_file():
        raise DataError(f"{path} does not exist; name a {CSV} or a {PARQUET} file with a column for each condition")
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as {format_of(path)[1:].upper()} ({error}); mend the file") from error


@contextmanager
def table_writer(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Yield what writes frames of the same columns one after another; the file appears complete, or not at all."""
    ending = format_of(path)
    with atomic_file(path) as temporary:
        writers: list[Any] = []

        def write(frame: pd.DataFrame) -> None:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if not writers:
                make = pq.ParquetWriter if ending == PARQUET else pa.csv.CSVWriter
                writers.append(make(temporary, table.schema))
            writers[0].write_table(table)

        try:
            yield write
        finally:
            for writer in writers:
                writer.close()
