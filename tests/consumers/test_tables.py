import numpy as np
import pandas as pd
import pytest

from pipeline.consumers.tables import columns_of, count_rows, read_portions, read_table, table_writer
from pipeline.errors import ConfigurationError, DataError

FRAME = pd.DataFrame({"a": [1.0, 2.5, 3.0], "kind": ["x", "y", "x"], "b": [4.0, 5.0, 6.0]})


@pytest.fixture(params=["csv", "parquet"])
def path(request, tmp_path):
    return tmp_path / f"table.{request.param}"


def write(path, *frames):
    with table_writer(path) as take:
        for frame in frames:
            take(frame)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_what_is_written_in_portions_is_read_in_portions(path, rows):
    write(path, FRAME[:1], FRAME[1:])
    assert columns_of(path) == ["a", "kind", "b"]
    assert count_rows(path) == 3
    portions = list(read_portions(path, ["b", "kind"], ["kind"], rows))
    assert max(map(len, portions)) <= rows
    pd.testing.assert_frame_equal(pd.concat(portions, ignore_index=True), FRAME[["b", "kind"]], check_dtype=False)
    pd.testing.assert_frame_equal(read_table(path, ["a"]), FRAME, check_dtype=False)


def test_whole_numbers_at_the_head_of_a_long_file_do_not_decide_its_type(tmp_path):
    path = tmp_path / "long.csv"
    count = 300_000  # more than the block whose types Arrow would take for the rest
    path.write_text("a\n" + "1\n" * count + "0.5\n")
    read = [frame["a"].to_numpy() for frame in read_portions(path, ["a"], [], 10_000)]
    assert count_rows(path) == count + 1
    assert np.concatenate(read).tolist() == [1.0] * count + [0.5]


def test_a_table_without_rows_is_one_empty_frame(path):
    write(path, FRAME[:0])
    (frame,) = read_portions(path, ["a"], [], 10)
    assert (frame.columns.tolist(), len(frame), count_rows(path)) == (["a"], 0, 0)


def test_an_error_while_writing_leaves_the_old_file(path):
    write(path, FRAME)
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write(path, FRAME[:1], None)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_unknown_endings_and_broken_files_are_said(tmp_path):
    with pytest.raises(ConfigurationError, match=r"unknown format '\.xlsx'; name a \.csv or a \.parquet file"):
        columns_of_existing(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="does not exist"):
        columns_of(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="cannot be read as PARQUET"):
        columns_of_existing(tmp_path / "a.parquet")
    (tmp_path / "text.csv").write_text("a\n1\nabc\n")
    with pytest.raises(DataError, match=r"text\.csv cannot be read as CSV .*invalid value 'abc'"):
        list(read_portions(tmp_path / "text.csv", ["a"], [], 10))


def columns_of_existing(path):
    path.write_text("nothing")
    return columns_of(path)
