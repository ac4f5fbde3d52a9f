"""The forms of samples that people hold: taken for what they are, with their names, or refused with what would do."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.data.forms import codes_of, with_codes
from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.errors import ConfigurationError, DataError
from pipeline.serving.frames import read_conditions
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig

A = [0.2, 0.6]
RNG = np.random.default_rng(2)
X = RNG.normal(size=(30, 2))
Y = [X @ [[1.0, 2.0], [0.5, -1.0]] + a for a in A]
FRAME = pd.DataFrame(X, columns=["wind", "sun"])
OUT = [pd.DataFrame(y, columns=["load", "price"]) for y in Y]


def names(harvest: Harvest) -> tuple[list[str], list[str]]:
    return [c.name for c in harvest.schema.outputs], [c.name for c in harvest.schema.conditions]


def assert_same(harvest: Harvest, outputs=Y, conditions=X) -> None:
    for k in range(len(A)):
        np.testing.assert_array_equal(harvest.outputs[k], outputs[k])
        np.testing.assert_array_equal(harvest.conditions[k], conditions)


def test_frames_keep_their_names():
    harvest = Harvest.from_arrays(A, OUT, [FRAME] * 2)
    assert names(harvest) == (["load", "price"], ["wind", "sun"])
    assert_same(harvest)


def test_columns_in_another_order_at_one_anchor_are_brought_into_one():
    harvest = Harvest.from_arrays(A, [OUT[0], OUT[1][["price", "load"]]], [FRAME[["sun", "wind"]], FRAME])
    assert names(harvest) == (["load", "price"], ["sun", "wind"])
    np.testing.assert_array_equal(harvest.outputs[1], Y[1])
    np.testing.assert_array_equal(harvest.conditions[1], X[:, ::-1])


def test_names_that_are_given_decide_the_order_of_frames():
    harvest = Harvest.from_arrays(A, OUT, [FRAME] * 2, names={"outputs": ["price", "load"]})
    assert names(harvest)[0] == ["price", "load"]
    np.testing.assert_array_equal(harvest.outputs[0], Y[0][:, ::-1])
    schema = harvest.schema
    np.testing.assert_array_equal(Harvest.from_arrays(A, OUT, [FRAME] * 2, schema=schema).outputs[0], Y[0][:, ::-1])


def test_names_that_frames_do_not_have_rename_their_columns():
    assert names(Harvest.from_arrays(A, OUT, [FRAME] * 2, names={"outputs": ["a", "b"]}))[0] == ["a", "b"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (OUT[1].rename(columns={"price": "cost"}), r"anchor 0.6 have the columns \['load', 'cost'\], .* 0.2 \['load'"),
        (Y[1], r"outputs\[1\] has no column names, another anchor's has \['load', 'price'\]; give all as frames"),
        (pd.DataFrame(Y[1], columns=["load", "load"]), r"outputs\[1\]: column names are repeated"),
    ],
    ids=["names", "array", "repeated"],
)
def test_frames_that_differ_are_refused(second, message):
    with pytest.raises(DataError, match=message):
        Harvest.from_arrays(A, [OUT[0], second], [FRAME] * 2)


def test_an_index_in_another_order_is_refused():
    shuffled = FRAME.sample(frac=1, random_state=0)
    with pytest.raises(DataError, match=r"outputs\[0\] and conditions\[0\] have the same index in another order"):
        Harvest.from_arrays(A, OUT, [shuffled] * 2)
    harvest = Harvest.from_arrays(A, [y.loc[shuffled.index] for y in OUT], [shuffled] * 2)
    np.testing.assert_array_equal(harvest.outputs[0], Y[0][shuffled.index])


def test_series_and_one_axis_are_one_column():
    column = [y[:, :1] for y in Y]
    assert_same(Harvest.from_arrays(A, [y[:, 0] for y in Y], [X] * 2), column)
    series = Harvest.from_arrays(A, [y["load"] for y in OUT], [FRAME["sun"]] * 2)
    assert names(series) == (["load"], ["sun"])
    assert_same(series, column, X[:, 1:])
    others = Harvest.from_arrays(A, [y["load"].rename(f"q{k}") for k, y in enumerate(OUT)], [FRAME] * 2)
    assert names(others)[0] == ["y0"]  # the anchors' names are no name of the column
    assert_same(Harvest.from_arrays(A, [torch.from_numpy(y[:, 0]) for y in Y], [X] * 2), column)


@pytest.mark.parametrize("shared", [X, FRAME, torch.from_numpy(X)], ids=["array", "frame", "tensor"])
def test_one_table_of_conditions_is_that_of_all_anchors(shared):
    assert_same(Harvest.from_arrays(A, Y, shared))


def test_one_condition_column_for_all_anchors_or_one_an_anchor():
    assert_same(Harvest.from_arrays(A, Y, X[:, 0]), Y, X[:, :1])
    assert_same(Harvest.from_arrays(A, Y, np.stack([X[:, 0]] * 2)), Y, X[:, :1])
    assert_same(Harvest.from_arrays(A, np.stack(Y), np.stack([X, X])))
    with pytest.raises(DataError, match=r"\(2, 2\): one table for all anchors, or one column an anchor\?"):
        Harvest.from_arrays(A, [y[:2] for y in Y], X[:2])
    with pytest.raises(
        DataError, match=r"conditions has shape \(29, 2\), and outputs have \[30, 30\] rows; give a list"
    ):
        Harvest.from_arrays(A, Y, X[1:])


@pytest.mark.parametrize("rows", [1, 4], ids=["a condition once", "a condition a draw"])
@pytest.mark.parametrize("form", [np.asarray, lambda x: pd.DataFrame(x, columns=["a", "b"])], ids=["array", "frame"])
@pytest.mark.parametrize("shared", [True, False])
def test_draws_on_an_axis_of_their_own_are_rows_of_their_condition(rows, form, shared):
    draws = [np.stack([y + d for d in range(4)], axis=1) for y in Y]
    x = form(np.repeat(X, rows, axis=0))
    harvest = Harvest.from_arrays(A, draws, x if shared else [x, x])
    assert_same(harvest, [d.reshape(-1, 2) for d in draws], np.repeat(X, 4, axis=0))


def test_one_table_for_all_outputs_is_refused():
    with pytest.raises(DataError, match="outputs is one table; a list of one table an anchor is needed"):
        Harvest.from_arrays(A, OUT[0], FRAME)


CITY = np.array(["Ulm", "Aix", "Rom"] * 10)


@pytest.mark.parametrize(
    "form",
    [
        lambda: FRAME.assign(city=CITY),
        lambda: FRAME.assign(city=pd.Categorical(CITY)),
        lambda: np.c_[X.astype(object), CITY],
    ],
    ids=["texts", "pandas categories", "objects"],
)
def test_texts_are_categories_that_keep_their_names(form):
    harvest = Harvest.from_arrays(A, Y, form())
    column = harvest.schema.conditions[2]
    assert (column.kind, column.categories, column.lower, column.upper) == ("categorical", ("Aix", "Rom", "Ulm"), 0, 2)
    np.testing.assert_array_equal(harvest.conditions[0][:3], np.c_[X[:3], [2, 0, 1]])


def test_digits_are_labels_where_pandas_says_so():
    harvest = Harvest.from_arrays(A, Y, FRAME.assign(zip=pd.Categorical(["89073", "89075"] * 15)))
    assert harvest.schema.conditions[2].categories == ("89073", "89075")


def test_texts_have_one_code_at_all_anchors():
    x = [FRAME.assign(city=CITY), FRAME.assign(city=CITY[::-1])]
    harvest = Harvest.from_arrays(A, Y, x)
    np.testing.assert_array_equal(harvest.conditions[0][:, 2], harvest.conditions[1][::-1, 2])


def test_categories_come_back_from_disk_and_codes_alone_are_written_as_ever(tmp_path):
    harvest = Harvest.from_arrays(A, Y, FRAME.assign(city=CITY))
    harvest.save(tmp_path / "h")
    assert Harvest.load(tmp_path / "h").schema == harvest.schema
    assert "categories" not in Column(name="code", kind="categorical").model_dump()


@pytest.mark.parametrize("form", [lambda x: x, lambda x: x.to_numpy()], ids=["frame", "objects"])
def test_booleans_are_categories(form):
    harvest = Harvest.from_arrays(A, Y, form(FRAME.assign(open=[True, False] * 15)))
    assert harvest.categorical == (False, False, True)
    assert harvest.conditions[0][:2, 2].tolist() == [1, 0]


def test_a_surrogate_is_asked_by_name_or_code():
    city = np.array(["Ulm", "Aix"] * 60)
    shift = np.where(city == "Ulm", 4.0, 0.0)[:, None]
    harvest = Harvest.from_arrays(
        A,
        [shift * (1 + a) + 0.01 * RNG.normal(size=(120, 1)) for a in A],
        pd.DataFrame({"city": city}),
        deterministic=False,
    )
    surrogate = Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clock="linear", map_steps=5))
    by_name = surrogate.sample(np.array([["Ulm"], ["Aix"]]), 0.4, draws=5)
    np.testing.assert_allclose(by_name, surrogate.sample(np.array([[1.0], [0.0]]), 0.4, draws=5), rtol=1e-6)
    assert by_name[0].mean() > 4 > 1 > by_name[1].mean()
    with pytest.raises(DataError, match=r"column 'city' holds a text that is no category .*'Bonn'.*\['Aix', 'Ulm'\]"):
        surrogate.sample(np.array([["Bonn"]]), 0.4)
    served = read_conditions(pd.DataFrame({"city": ["Aix", "Ulm"]}), surrogate.schema.conditions)
    assert served.tolist() == [[0], [1]]


def test_codes_and_labels_may_be_mixed():
    column = Column(name="city", kind="categorical", categories=("Aix", "Rom"))
    assert codes_of(["Rom", 0, 1.0], column, "conditions").tolist() == [1, 0, 1]
    table = np.array([["Rom"]], object)
    assert with_codes(table, [Column(name="city", kind="categorical")], "conditions") is table


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            pd.date_range("2020", periods=30, freq="h"),
            r"conditions\[0\], column 'more' holds times; give numbers: hours",
        ),
        (["1.5"] * 30, r"column 'more' holds numbers as texts \('1.5'\); convert them: astype\(float\)"),
        (["a", 1.0, None] * 10, r"column 'more' holds neither numbers nor texts alone"),
    ],
    ids=["times", "numbers as texts", "mixed"],
)
def test_columns_that_are_neither_numbers_nor_categories(column, message):
    with pytest.raises(DataError, match=message):
        Harvest.from_arrays(A, Y, FRAME.assign(more=column))


def test_texts_that_are_said_to_be_continuous_are_refused():
    with pytest.raises(ConfigurationError, match="condition_kind: the columns 'city' hold texts; set 'categorical'"):
        Harvest.from_arrays(A, Y, FRAME.assign(city=CITY), ["continuous"] * 3)
    with pytest.raises(DataError, match="column 'city' holds texts at one anchor, numbers at another"):
        Harvest.from_arrays(A, Y, [FRAME.assign(city=CITY), FRAME.assign(city=1.0)])


def test_sparse_conditions_are_refused():
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(np.eye(30))
    with pytest.raises(DataError, match=r"conditions\[0\] is sparse; give it dense: .toarray\(\)"):
        Harvest.from_arrays(A, Y, [sparse] * 2)


@pytest.mark.parametrize("anchors", [["0.2", "0.6"], [True, False], np.array(A, object)])
def test_anchors_that_are_no_numbers_are_refused(anchors):
    with pytest.raises(DataError, match=r"hyperparameter = .* has dtype .*; anchors are real numbers"):
        Harvest.from_arrays(anchors, Y, X)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_named_with_its_anchor_and_column(bad):
    broken = OUT[1].copy()
    broken.iloc[3, 1] = bad
    with pytest.raises(
        DataError, match=rf"outputs\[1\]\[3, 1\] = {bad} \(anchor 0.6, column 'price'\); must be finite"
    ):
        Harvest.from_arrays(A, [OUT[0], broken], FRAME)


@pytest.mark.parametrize("side", ["outputs", "conditions"])
def test_a_column_that_is_named_as_the_hyperparameter_is_refused(side):
    given = {"hyperparameter": "level", side: ["level", "b"]}
    with pytest.raises(ConfigurationError, match="column 'level' is named as the hyperparameter is; rename one"):
        Harvest.from_arrays(A, Y, X, names=given)


def test_a_category_of_one_anchor_alone_is_warned_of():
    x = [np.r_[[0.0] * 15, [1.0] * 15], np.r_[[0.0] * 15, [2.0] * 15]]
    with pytest.warns(UserWarning, match=r"2 categories of column 'x0' are known at one anchor alone .* 1, at 0.2\)"):
        Harvest.from_arrays(A, Y, x, "categorical")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Harvest.from_arrays(A, Y, [x[0]] * 2, "categorical")


@pytest.mark.parametrize(
    "column", [{"categories": ("a", "b")}, {"kind": "categorical", "categories": ("a", "a")}], ids=["kind", "twice"]
)
def test_categories_that_make_no_sense_are_refused(column):
    with pytest.raises(ValueError, match="distinct labels of a categorical column are needed"):
        Column(name="city", **column)


def test_a_code_beyond_the_categories_is_refused():
    schema = Schema(
        hyperparameter=Column(name="level"),
        outputs=(Column(name="a"), Column(name="b")),
        conditions=(Column(name="city", kind="categorical", categories=("Aix", "Rom")),),
    )
    with pytest.raises(DataError, match=r"column 'city' contains 2.0, outside its bounds \[0.0, 1.0\]"):
        Harvest.from_arrays(A, Y, np.full(30, 2.0), schema=schema)
