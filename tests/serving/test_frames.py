import numpy as np
import pandas as pd
import pytest

from pipeline.data.schema import Column
from pipeline.errors import ConfigurationError, DataError
from pipeline.serving.frames import Asked, default_params, read_conditions, read_params, sample_frame

COLUMNS = (Column(name="temperature", units="°C", lower=-50, upper=50), Column(name="kind", kind="categorical"))


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
        (frame(temperature=[0.0, 60.0]), r"column 'temperature' contains 60.0, outside its bounds \[-50.0, 50.0\]"),
        (frame(kind=[0, 0.5]), r"column 'kind' is categorical but contains 0.5; codes must be whole numbers"),
        (frame(kind=[0, None]), r"column 'kind' holds nan in row 1"),
    ],
)
def test_conditions_that_cannot_be_used(faulty, message):
    with pytest.raises(DataError, match=message):
        read_conditions(faulty, COLUMNS)


ONE = ("hyperparameter",)


def defaults(*anchors: float) -> dict[str, float | int]:
    return default_params(ONE, [(a,) for a in anchors])


def test_the_default_is_the_middle_anchor():
    assert defaults(0.01, 0.5, 0.99) == {"hyperparameter": 0.5, "draws": 1, "seed": 0, "strict": False}
    assert defaults(0.0, 1.0, 2.0, 3.0)["hyperparameter"] == 1.0
    assert read_params({"draws": 3}, defaults(0.0, 1.0)) == Asked((0.0,), 3, 0, strict=False)


def test_several_hyperparameters_have_parameters_of_their_own():
    grid = [(q, s) for q in (0.1, 0.5, 0.9) for s in (0.0, 100.0)]
    found = default_params(("quantile", "noise"), grid)
    assert found == {"quantile": 0.5, "noise": 0.0, "draws": 1, "seed": 0, "strict": False}
    assert read_params({"noise": 40, "draws": 2}, found) == Asked((0.5, 40.0), 2, 0, strict=False)


def test_the_middle_of_scattered_anchors_is_one_of_them():
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    assert default_params(("a", "b"), corners) == {"a": 0.0, "b": 0.0, "draws": 1, "seed": 0, "strict": False}


@pytest.mark.parametrize(
    ("params", "message"),
    [({"draws": 0}, "draws = 0; must be at least 1"), ({"seed": -1}, "seed = -1; must be 0 or greater")],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(ConfigurationError, match=message):
        read_params(params, defaults(0.0, 1.0))


def test_samples_become_rows_in_the_order_of_the_input():
    samples = np.arange(12.0).reshape(2, 3, 2)  # two rows, three draws, two outputs
    result = sample_frame(samples, (Column(name="u"), Column(name="v")))
    assert result.columns.tolist() == ["row", "draw", "u", "v"]
    assert result["row"].tolist() == [0, 0, 0, 1, 1, 1]
    assert result["draw"].tolist() == [0, 1, 2, 0, 1, 2]
    assert result[["u", "v"]].to_numpy().tolist() == samples.reshape(6, 2).tolist()
    assert result.dtypes.astype(str).tolist() == ["int64", "int64", "float64", "float64"]
