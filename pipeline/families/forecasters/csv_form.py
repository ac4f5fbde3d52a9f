"""How a CSV file is written: compression, encoding, separator, and the lines before its header, as told or as found."""

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.families.protocol import AUTO, IngestSection

SAMPLE = 1 << 16
"""Bytes at the beginning of a file that its form is found from."""
SEPARATORS = (";", "\t", "|", ",")
"""In this order: where a semicolon or a tab divides every row alike, commas are decimal marks or part of a text."""
ALIKE = 0.9
"""Share of rows that have as many fields as most, where a separator is the file's."""
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars", r"\s+": "blanks"}


@dataclass(frozen=True)
class CsvForm:
    """skip_rows: lines before the header. names: of the columns, without blanks around them. rows: the first ones."""

    compression: str | None
    encoding: str
    separator: str
    skip_rows: int
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        packed = f"{self.compression}, " if self.compression else ""
        return (
            f"{packed}{self.encoding}, separated by {NAMES.get(self.separator, repr(self.separator))}, header in line "
            f"{self.skip_rows + 1}"
        )


def find_form(source: Path, settings: IngestSection) -> CsvForm:
    """The form of a file; DataError names the option to set where it cannot be told from the first lines.

    Raises what the decompression raises for a broken archive.
    """
    compression = _compression(source)
    raw = _beginning(source, compression)
    encoding = _encoding(raw, settings.encoding, source)
    lines = _lines(raw, encoding, source)
    if not any(line.strip() for line in lines):
        raise DataError(f"ingest.source = {source} is empty; a header and rows are needed")
    separator = _separator(lines) if settings.separator == AUTO else settings.separator
    fields = [_fields(line, separator) for line in lines]
    skip = _header(fields, settings.column) if settings.skip_rows is None else settings.skip_rows
    if skip is None or skip >= len(fields):
        raise DataError(
            f"ingest.source = {source}: no header is found (ingest.skip_rows = {settings.skip_rows}, ingest.separator "
            f"= {separator!r}); set ingest.skip_rows to the number of lines before the names, and ingest.separator"
        )
    rows = tuple(tuple(row) for row in fields[skip + 1 :] if any(row))
    return CsvForm(compression, encoding, separator, skip, _names(fields[skip], rows), rows)


def _compression(source: Path) -> str | None:
    """By the first bytes; by the ending where they say nothing, so that a broken archive is called one."""
    with source.open("rb") as file:
        first = file.read(8)
    found = next((name for magic, name in MAGIC.items() if first.startswith(magic)), None)
    endings = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip", ".tar": "tar", ".tgz": "tar"}
    if ".tar." in source.name or source.suffix in (".tar", ".tgz"):
        return "tar"
    if found == "zip" and (source.suffix.lower().startswith(".xls") or b"[Content_Types].xml" in source.read_bytes()):
        raise DataError(f"ingest.source = {source} is not a CSV file but a workbook; save its sheet as CSV")
    return found or endings.get(source.suffix)


def _beginning(source: Path, compression: str | None) -> bytes:
    from pandas.io.common import get_handle  # type: ignore[import-not-found]

    # pandas' own door: what it opens here, read_csv opens, too.
    options: Any = "infer" if compression == "tar" else compression
    with get_handle(source, "rb", compression=options, is_text=False) as opened:
        handle: Any = opened.handle
        return bytes(handle.read(SAMPLE))


def _encoding(raw: bytes, told: str, source: Path) -> str:
    if told != AUTO:
        return told
    if marked := next((name for mark, name in MARKS.items() if raw.startswith(mark)), None):
        return marked
    if b"\0" in raw:
        raise DataError(
            f"ingest.source = {source} is not a CSV file: it holds zero bytes; if it is UTF-16 without its mark, set "
            "ingest.encoding: utf-16-le"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _lines(raw: bytes, encoding: str, source: Path) -> list[str]:
    """The lines of the sample, without the last one where it is cut."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(raw)
    except (LookupError, UnicodeError) as error:
        raise DataError(
            f"ingest.source = {source} is not in the encoding {encoding!r} ({error}); set ingest.encoding, for example "
            "utf-8, utf-16, cp1252"
        ) from error
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if len(raw) == SAMPLE and len(lines) > 1 else lines


def _fields(line: str, separator: str) -> list[str]:
    if len(separator) > 1:
        return re.split(separator, line.strip())
    return [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]


def _separator(lines: list[str]) -> str:
    """The first separator that divides nearly all rows of the second half alike; a comma where none does."""
    filled = [line for line in lines if line.strip()]
    body = filled[len(filled) // 2 :]
    for separator in SEPARATORS:
        widths = Counter(len(_fields(line, separator)) for line in body)
        width, count = widths.most_common(1)[0]
        if width > 1 and count >= ALIKE * len(body) and _header([_fields(line, separator) for line in lines], ""):
            return separator
        if width > 1 and count >= ALIKE * len(body) and len(_fields(filled[0], separator)) > 1:
            return separator
    return ","


def _header(fields: list[list[str]], column: str) -> int | None:
    """The number of the line of names: the first that has the value column's, or else as many fields as the rows."""
    filled = [i for i, row in enumerate(fields) if any(row)]
    if column and (named := next((i for i in filled if column.strip() in _uncommented(fields[i])), None)) is not None:
        return named
    body = [fields[i] for i in filled[len(filled) // 2 :]]
    widths = [Counter(map(len, body)), Counter(len(_trimmed(row)) for row in body)]
    full, trimmed = (count.most_common(1)[0][0] for count in widths)
    plain = [i for i in filled if not fields[i][0].startswith("#")]
    found = [
        [i for i in plain if len(fields[i]) == full],
        [i for i in plain if len(_trimmed(fields[i])) == trimmed],
        [i for i in plain if len(fields[i]) == full - 1],  # rows begin with a name that the header leaves out: R's form
    ]
    return next((likely[0] for likely in found if likely), None)


def _uncommented(row: list[str]) -> list[str]:
    return [row[0].lstrip("# "), *row[1:]]


def _trimmed(row: list[str]) -> list[str]:
    """Without the empty fields that separators at the end of a line make."""
    return row[: max((i + 1 for i, field in enumerate(row) if field), default=0)]


def _names(header: list[str], rows: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The names of all columns; rows with one field more than the header begin with a nameless one."""
    names = _trimmed(_uncommented(header))
    widths = Counter(len(_trimmed(list(row))) for row in islice(rows, 100))
    extra = bool(widths) and widths.most_common(1)[0][0] == len(names) + 1 == len(header) + 1
    return ("", *names) if extra else tuple(names)
