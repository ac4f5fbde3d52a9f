import numpy as np
import pandas as pd
import pytest

from pipeline.data.schema import Column, Schema
from pipeline.errors import DataError
from pipeline.serving.frames import read_conditions, read_table, sample_frame

COLUMNS = (Column(name="temperature", units="°C", lower=-50, upper=50), Column(name="kind", kind="categorical"))
SCHEMA = Schema(
    hyperparameter=Column(name="quantile"), outputs=(Column(name="y"), Column(name="z")), conditions=COLUMNS
)
NARROW = SCHEMA.model_copy(update={"conditions": (Column(name="temperature"),)})


def frame(**columns):
    return pd.DataFrame({"temperature": [1.5, 2.5], "kind": [0, 1]} | columns)


def test_columns_are_found_by_name_in_any_order_and_dtype():
    expected = [[1.5, 0], [2.5, 1]]
    assert read_conditions(frame(), COLUMNS).tolist() == expected
    shuffled = frame()[["kind", "temperature"]].astype({"kind": np.uint8, "temperature": np.float32})
    assert read_conditions(shuffled, COLUMNS).tolist() == expected


def test_no_rows_and_no_columns():
    assert read_conditions(frame().iloc[:0], COLUMNS).shape == (0, 2)
    assert read_conditions(pd.DataFrame(index=range(3)), ()).shape == (3, 0)


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (frame().drop(columns="kind"), r"columns \['kind'\] are missing; received \['temperature'\]"),
        (frame(time=0.0), r"columns \['time'\] are unknown; remove them"),
        (frame(temperature=[1.0, np.nan]), r"column 'temperature' holds nan in row 1; must be finite"),
        (frame(temperature=[np.inf, 0.0]), r"column 'temperature' holds inf in row 0"),
        (frame(temperature=["warm", "cold"]), r"column 'temperature' contains a non-number.*warm"),
        (frame(temperature=[[1.0], {}]), r"column 'temperature' contains a non-number"),
        (frame(temperature=[10**400, 1]), r"column 'temperature'"),
        (
            frame(temperature=pd.to_datetime(["2026-01-01"] * 2)),
            r"column 'temperature' contains a non-number.*datetime",
        ),
        (frame(temperature=[0.0, 60.0]), r"column 'temperature' contains 60.0, outside its bounds \[-50.0, 50.0\]"),
        (frame(kind=[0, 0.5]), r"column 'kind' is categorical but contains 0.5; codes must be whole numbers"),
        (frame(kind=[0, None]), r"column 'kind' holds nan in row 1"),
    ],
)
def test_conditions_that_cannot_be_used(faulty, message):
    with pytest.raises(DataError, match=message):
        read_conditions(faulty, COLUMNS)


@pytest.mark.parametrize(
    "data",
    [
        frame(),
        frame().astype({"kind": "int64", "temperature": "float32"}),
        frame().to_dict("list"),
        frame().to_dict("records"),
        {"temperature": np.array([[1.5], [2.5]]), "kind": [0, 1]},
        np.array([[1.5, 0], [2.5, 1]]),
        [[1.5, 0], [2.5, 1]],
        pd.DataFrame([[1.5, 0], [2.5, 1]]),
    ],
)
def test_tables_of_any_form(data):
    table = read_table(data, SCHEMA)
    assert table.conditions.tolist() == [[1.5, 0], [2.5, 1]]
    assert (table.values, table.base) == ({}, None)


def test_one_row_of_scalars_and_one_column_of_numbers():
    assert read_table({"temperature": 1.5, "kind": 0}, SCHEMA).conditions.tolist() == [[1.5, 0]]
    for data in ([1, 2], np.array([1, 2], np.int64), pd.Series([1.0, 2.0], name="temperature")):
        assert read_table(data, NARROW).conditions.tolist() == [[1], [2]]


@pytest.mark.parametrize("data", [[], np.zeros((0, 2)), frame().iloc[:0], {"temperature": [], "kind": []}])
def test_tables_without_rows(data):
    assert read_table(data, SCHEMA).conditions.shape == (0, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"received NoneType 'None'; a table with the columns \['temperature', 'kind'\]"),
        ("hot", "received str 'hot'"),
        (np.zeros((2, 3)), r"received shape \(2, 3\)"),
        ([[1.0], [1.0, 2.0]], "rows are not all of one length"),
        ({"temperature": [1, 2], "kind": [0]}, r"the columns \['temperature', 'kind'\] make no table"),
        (frame(temprature=1.0), r"columns \['temprature'\] are unknown"),
        (frame(hyperparameter=0.5), r"columns \['hyperparameter'\] are unknown"),
        (pd.concat([frame(), frame()[["kind"]]], axis=1), r"columns \['kind'\] are repeated"),
        (frame(quantile=["low", 0.5]), "column 'quantile' contains a non-number"),
        (frame(base_y=0.0), r"columns \['base_z', 'base_quantile'\] are missing beside \['base_y'\]"),
    ],
)
def test_tables_that_cannot_be_used(data, message):
    with pytest.raises(DataError, match=message):
        read_table(data, SCHEMA)


def test_hyperparameter_and_own_outputs_are_columns():
    table = read_table(frame(quantile=[0.1, 0.2], base_z=[3, 4], base_y=[1, 2], base_quantile=0.5), SCHEMA)
    assert table.values["quantile"].tolist() == [0.1, 0.2]
    assert table.base is not None
    assert table.base.outputs.tolist() == [[1, 3], [2, 4]]
    assert table.base.source.tolist() == [[0.5], [0.5]]


def test_a_condition_called_base_is_a_condition():
    schema = SCHEMA.model_copy(update={"conditions": (Column(name="base_y"),)})
    table = read_table({"base_y": [1.0]}, schema)
    assert (table.conditions.tolist(), table.base) == ([[1.0]], None)


def test_samples_become_rows_in_the_order_of_the_input():
    samples = np.arange(12.0).reshape(2, 1, 3, 2)  # two rows, three draws, two outputs
    result = sample_frame(samples, (Column(name="u"), Column(name="v")))
    assert result.columns.tolist() == ["row", "draw", "u", "v"]
    assert result["row"].tolist() == [0, 0, 0, 1, 1, 1]
    assert result["draw"].tolist() == [0, 1, 2, 0, 1, 2]
    assert result[["u", "v"]].to_numpy().tolist() == samples.reshape(6, 2).tolist()
    assert result.dtypes.astype(str).tolist() == ["int64", "int64", "float64", "float64"]


def test_several_hyperparameters_are_told_beside_their_rows():
    samples = np.arange(8.0).reshape(2, 2, 2, 1)
    told = {"quantile": np.array([[0.1, 0.9], [0.1, 0.9]])}
    result = sample_frame(samples, (Column(name="u"),), told)
    assert result["row"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert result["draw"].tolist() == [0, 1] * 4
    assert result["quantile"].tolist() == [0.1, 0.1, 0.9, 0.9] * 2
    assert result["u"].tolist() == list(range(8))
    with pytest.raises(DataError, match=r"outputs called \['u'\]"):
        sample_frame(samples, (Column(name="u"),), {"u": np.zeros((2, 2))})
