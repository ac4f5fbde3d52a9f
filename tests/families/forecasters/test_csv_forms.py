"""Series files as people have them: read as what they are, or refused with the option that helps."""

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.errors import DataError
from pipeline.families.forecasters.table import read_series
from pipeline.families.protocol import IngestSection

VALUES = np.round(np.random.default_rng(3).normal(20, 4, 60), 2)


def section(**options) -> IngestSection:
    return IngestSection(**{"source": "series.csv", "column": "flow"} | options)


def lines(separator: str = ",", decimal: str = ".", head: str = "when{s}flow") -> list[str]:
    rows = [f"2021-03-{1 + i // 24:02d} {i % 24:02d}:00{separator}{v}" for i, v in enumerate(VALUES)]
    return [head.format(s=separator), *(row.replace(".", decimal) for row in rows)]


def write(folder: Path, text: str | list[str], encoding: str = "utf-8") -> Path:
    path = folder / "series.csv"
    path.write_bytes(("\n".join(text) if isinstance(text, list) else text).encode(encoding))
    return path


def read(path: Path, **options) -> np.ndarray:
    return read_series(path, section(**options)).values


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path, separator):
    np.testing.assert_array_equal(read(write(tmp_path, lines(separator))), VALUES)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_found(tmp_path, separator):
    np.testing.assert_array_equal(read(write(tmp_path, lines(separator, ","))), VALUES)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_found(tmp_path, encoding):
    path = write(tmp_path, lines(head="when{s}flow (°C)"), encoding)
    np.testing.assert_array_equal(read(path, column="flow (°C)"), VALUES)


def test_an_encoding_that_shows_late_is_found(tmp_path):
    remarks = [f"{line.replace(' ', ' é' if i == 60 else ' ')},{'e' * 2000}" for i, line in enumerate(lines())]
    path = write(tmp_path, remarks, "cp1252")
    np.testing.assert_array_equal(read(path, doubts="warn"), VALUES)
    with pytest.raises(DataError, match=r"not in the encoding 'utf-8' .* set ingest.encoding"):
        read(path, encoding="utf-8")


def test_utf_16_without_its_mark_needs_to_be_told(tmp_path):
    path = write(tmp_path, lines(), "utf-16-le")
    with pytest.raises(DataError, match=r"set ingest\.encoding: utf-16-le"):
        read(path)
    np.testing.assert_array_equal(read(path, encoding="utf-16-le"), VALUES)


@pytest.mark.parametrize(
    "before",
    [["# turbine 4", "# units: time in UTC, flow in l/s"], ["-BEGIN-", "48.1 N, 11.6 E", "-END-"], ["", "  "]],
    ids=["comments", "text", "blank lines"],
)
def test_lines_before_the_header_are_left_out(tmp_path, before):
    path = write(tmp_path, [*before, *lines()])
    np.testing.assert_array_equal(read(path), VALUES)
    np.testing.assert_array_equal(read(path, skip_rows=len(before)), VALUES)


def test_a_line_after_a_preamble_is_numbered_as_an_editor_does(tmp_path):
    bad = lines()
    bad[10] = "2021-03-01 09:00,?"
    with pytest.raises(DataError, match=r"holds '\?' in line 13 \(1 such rows\).*set ingest.missing: \['\?'\]"):
        read(write(tmp_path, ["# a", "# b", *bad]))


def test_names_behind_a_comment_mark_and_with_blanks(tmp_path):
    np.testing.assert_array_equal(read(write(tmp_path, lines(head="# when{s}  flow "))), VALUES)


def test_a_row_of_units_is_left_out(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    text = lines()
    np.testing.assert_array_equal(read(write(tmp_path, [text[0], ",m³/s", *text[1:]])), VALUES)
    assert "line 2 (m³/s) is taken for units" in caplog.text


def test_what_a_file_is_read_as_is_reported_in_one_line(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read(write(tmp_path, ["# a", *lines(";", ",")]))
    (line,) = [record.message for record in caplog.records]
    assert line == (
        "ingest: read as utf-8, separated by semicolons, header in line 2, decimal commas, times in when by 1 h"
    )


def test_an_archive_is_known_by_its_content(tmp_path):
    path = tmp_path / "series.csv"
    path.write_bytes(gzip.compress("\n".join(lines()).encode(), mtime=0))
    np.testing.assert_array_equal(read(path), VALUES)


def test_a_workbook_is_refused(tmp_path):
    path = tmp_path / "book.xlsx"
    path.write_bytes(b"PK\x03\x04 ...")
    with pytest.raises(DataError, match="a workbook; save its sheet as CSV"):
        read(path)


@pytest.mark.parametrize("end", [["", ""], [",", ","]], ids=["blank", "separators alone"])
def test_nothing_at_the_end_is_nothing(tmp_path, end):
    np.testing.assert_array_equal(read(write(tmp_path, [*lines(), *end])), VALUES)


def test_separators_at_the_end_of_rows(tmp_path):
    text = lines()
    np.testing.assert_array_equal(read(write(tmp_path, [f"{line},," for line in text])), VALUES)
    np.testing.assert_array_equal(read(write(tmp_path, [text[0], *(f"{line},," for line in text[1:])])), VALUES)


def test_rows_with_a_name_that_the_header_leaves_out(tmp_path):
    text = lines()
    numbered = [text[0], *(f"{i},{line}" for i, line in enumerate(text[1:]))]
    np.testing.assert_array_equal(read(write(tmp_path, numbered)), VALUES)


def test_blanks_separate_where_they_are_told_to(tmp_path):
    path = write(tmp_path, ["  day   flow", *(f"   {i}    {v}" for i, v in enumerate(VALUES))])
    with pytest.raises(DataError, match=r"its columns are \['day   flow'\]; that is one column: set ingest.separator"):
        read(path)
    np.testing.assert_array_equal(read(path, separator=r"\s+"), VALUES)


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"ingest.column = 'flow': .* has 2 columns of this name; rename one"):
        read(write(tmp_path, [f"{line},1" if i else "when,flow,flow" for i, line in enumerate(lines())]))


@pytest.mark.parametrize(
    ("column", "message"),
    [("Flow", r"'flow' may be meant"), ("head", r"\['when', 'flow'\]; where names stand in another line than 1, set")],
)
def test_a_column_that_is_missing(tmp_path, column, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, lines()), column=column)


def test_a_file_without_names_is_told_so(tmp_path):
    with pytest.raises(DataError, match="its first line holds values: write a line of names above it"):
        read(write(tmp_path, lines()[1:]))


def test_a_column_without_numbers_is_the_wrong_one(tmp_path):
    with pytest.raises(DataError, match=r"column 'when' holds no number .*; set ingest.column to a column of numbers"):
        read(write(tmp_path, lines()), column="when")


def quoted(texts: list[str], separator: str = ",") -> list[str]:
    return ["n" + separator + "flow", *(f'{i}{separator}"{text}"' for i, text in enumerate(texts))]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,234.5", "12.5", "999"], [1234.5, 12.5, 999]),
        (["1.234,5", "12,5", "999"], [1234.5, 12.5, 999]),
        (["1,234,567", "1,234"], [1234567, 1234]),
        (["0,125", "1,250"], [0.125, 1.25]),
        (["12,5", "7"], [12.5, 7]),
        (["1 234,5", "7"], [1234.5, 7]),
        (["-3,25", "+4,5"], [-3.25, 4.5]),
        (["1e3", "2.5E-1"], [1000, 0.25]),
    ],
)
def test_marks_that_can_only_mean_one_thing(tmp_path, texts, values):
    np.testing.assert_array_equal(read(write(tmp_path, quoted(texts))), values)


def test_a_comma_that_may_group_thousands_needs_to_be_told(tmp_path):
    path = write(tmp_path, quoted(["12,345", "1,250"]))
    with pytest.raises(DataError, match=r"'12,345' in line 2.* set ingest.decimal: ',' or ingest.decimal: '.'"):
        read(path)
    assert read(path, decimal=",").tolist() == [12.345, 1.25]
    assert read(path, decimal=".").tolist() == [12345, 1250]


def test_between_semicolons_a_comma_in_every_value_is_the_decimal_mark(tmp_path):
    assert read(write(tmp_path, quoted(["12,345", "1,250"], ";"))).tolist() == [12.345, 1.25]
    with pytest.raises(DataError, match=r"set ingest\.decimal"):
        read(write(tmp_path, quoted(["12,345", "250"], ";")))


def test_a_comma_under_the_wrong_mark_is_never_dropped(tmp_path):
    with pytest.raises(DataError, match=r"holds '1,5' in line 2.*if the comma is the decimal mark, set ingest.decimal"):
        read(write(tmp_path, quoted(["1,5", "2"])), decimal=".")


@pytest.mark.parametrize(
    "option", [{"separator": "a"}, {"separator": ";;"}, {"decimal": "'"}, {"skip_rows": -1}, {"missing": [["a"]]}]
)
def test_options_that_make_no_sense_are_refused(option):
    with pytest.raises(ValidationError):
        section(**option)


def test_an_encoding_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match=r"not in the encoding 'klingon'.* set ingest.encoding"):
        read(write(tmp_path, lines()), encoding="klingon")


def test_skipping_beyond_the_file(tmp_path):
    with pytest.raises(DataError, match=r"no header is found \(ingest.skip_rows = 900"):
        read(write(tmp_path, lines()), skip_rows=900)
