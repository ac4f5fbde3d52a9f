import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.consumers import stream
from pipeline.consumers.stream import Occurrences, Question, portion_rows, read_values, sample_file
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.surrogate.draws import Rows

CODES = [0, 3, 0, 1, 0, 3, 2, 0, 0, 1, 3, 0]


@pytest.fixture
def source(tmp_path):
    """Twelve rows of four conditions, and a column that nobody asks for."""
    path = tmp_path / "x.csv"
    pd.DataFrame({"note": [f"row {i}" for i in range(12)], "category": CODES}).to_csv(path, index=False)
    return path


@pytest.fixture
def portions_of(monkeypatch):
    def limit(rows):
        monkeypatch.setattr(stream, "MOST_ROWS", rows)

    return limit


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=50)
def test_occurrences_over_portions_are_those_of_the_whole(codes, cuts):
    table = np.array(codes, float)[:, None]
    seen = Occurrences()
    found = [seen.of(part) for part in np.split(table, sorted(min(c, len(table)) for c in cuts))]
    np.testing.assert_array_equal(np.concatenate(found), Rows.of(table).occurrence)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("rows", [1, 5, 100])
def test_a_streamed_file_is_one_call_with_all_rows(fitted_surrogate, source, portions_of, tmp_path, rows, ending):
    portions_of(rows)
    target = tmp_path / f"y.{ending}"
    question = Question({"s": [0.2, 0.5, 0.9]}, draws=4, seed=7)
    assert sample_file(fitted_surrogate, source, target, question) == 12 * 3 * 4
    found = pd.read_csv(target) if ending == "csv" else pd.read_parquet(target)
    assert found.columns.tolist() == ["row", "s", "draw", "east", "north"]
    assert found["row"].tolist() == np.repeat(np.arange(12), 12).tolist()
    assert found["draw"].tolist() == [0, 1, 2, 3] * 36
    for value in (0.2, 0.5, 0.9):  # rows of one condition, in other portions too, are further draws of it
        whole = fitted_surrogate.sample(np.array(CODES, float)[:, None], value, draws=4, seed=7)
        outputs = found.loc[found["s"] == value, ["east", "north"]].to_numpy()
        np.testing.assert_allclose(outputs.reshape(12, 4, 2), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [5, 100])
def test_values_of_a_column_are_one_a_row(fitted_surrogate, source, portions_of, tmp_path, rows):
    portions_of(rows)
    values = np.linspace(0, 1, 12)
    pd.read_csv(source).assign(s=values).to_parquet(tmp_path / "x.parquet")
    sample_file(fitted_surrogate, tmp_path / "x.parquet", tmp_path / "y.parquet", Question({}, draws=2))
    found = pd.read_parquet(tmp_path / "y.parquet")
    whole = fitted_surrogate.sample(np.array(CODES, float)[:, None], values, draws=2)
    np.testing.assert_allclose(found[["east", "north"]].to_numpy().reshape(12, 2, 2), whole, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found["s"].to_numpy(), np.repeat(values, 2))


def test_no_rows_give_a_table_of_no_rows(fitted_surrogate, tmp_path):
    (tmp_path / "x.csv").write_text("category\n")
    assert sample_file(fitted_surrogate, tmp_path / "x.csv", tmp_path / "y.csv", Question({"s": [0.5]})) == 0
    assert pd.read_csv(tmp_path / "y.csv").columns.tolist() == ["row", "s", "draw", "east", "north"]


@pytest.mark.parametrize(
    ("change", "values", "error", "message"),
    [
        ({}, {}, ConfigurationError, r"no λ: give --at s=VALUE, or a column 's'"),
        ({}, {"dropout": [0.1]}, ConfigurationError, r"--at names \['dropout'\]; .* are \['s'\]"),
        ({"s": 0.5}, {"s": [0.5]}, ConfigurationError, r"\['s'\] are columns of .* and named by --at"),
        ({}, {"s": [1.5]}, HyperparameterError, r"x\.csv, rows 0 to 11, counted from 0: s = 1.5 lies outside"),
        ({"category": 9}, {"s": [0.5]}, DataError, r"rows 0 to 11, counted from 0: .*'category' contains 9.0"),
        ({"category": None}, {"s": [0.5]}, DataError, "'category' holds nan in row 0"),
    ],
)
def test_what_cannot_be_answered_is_said_and_nothing_written(
    fitted_surrogate, source, tmp_path, change, values, error, message
):
    pd.read_csv(source).assign(**change).to_csv(source, index=False)
    with pytest.raises(error, match=message):
        sample_file(fitted_surrogate, source, tmp_path / "y.csv", Question(values))
    assert not (tmp_path / "y.csv").exists()


def test_a_missing_condition_is_named(fitted_surrogate, tmp_path):
    (tmp_path / "x.csv").write_text("kind\n0\n")
    with pytest.raises(DataError, match=r"columns \['category'\] are missing; it has \['kind'\]"):
        sample_file(fitted_surrogate, tmp_path / "x.csv", tmp_path / "y.csv", Question({"s": [0.5]}))


def test_values_are_read_from_texts():
    assert read_values(["a=0.1,0.5", "b=2", "a=0.9"]) == {"a": [0.1, 0.5, 0.9], "b": [2.0]}
    for text in ("a", "a=", "a=x", "0.3"):
        with pytest.raises(ConfigurationError, match="write NAME=VALUE"):
            read_values([text])
    assert Question(read_values(["a=0,1", "b=2,3"])).grid.tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]


def test_more_draws_make_smaller_portions(fitted_surrogate):
    few, many = (portion_rows(fitted_surrogate, Question({"s": [0.5]}, draws=n)) for n in (1, 10_000))
    assert many == stream.PORTION // (10_000 * 2) < few <= stream.MOST_ROWS
