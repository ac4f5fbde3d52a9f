import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.anchors import Anchors
from pipeline.errors import HyperparameterError

AXIS = Anchors((0.01, 0.5, 0.99), "quantile")


@pytest.mark.parametrize("offset", [0.0, 9e-7, -9e-7])
def test_within_a_millionth_an_anchor_is_an_anchor(offset):
    for k, anchor in enumerate((0.01, 0.5, 0.99)):
        assert AXIS.near(anchor + offset) == k
        assert AXIS.locate(anchor + offset) == anchor


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rounded_anchors_are_in_range(kind):
    assert [AXIS.locate(value) for value in np.array([0.01, 0.99], kind)] == [0.01, 0.99]
    wide = Anchors((0.1, 100.1, 1e6 + 0.1), "weight")
    assert [wide.near(kind(a)) for a in wide.values] == [0, 1, 2]


def test_anchors_closer_than_the_tolerance_stay_apart():
    fine = Anchors((1e-7, 1e-6, 1e-5), "weight decay")
    assert [fine.near(a) for a in fine.values] == [0, 1, 2]
    assert [fine.locate(v) for v in (5.5e-7, 1e-6, 2e-6)] == [5.5e-7, 1e-6, 2e-6]


@pytest.mark.parametrize(
    ("value", "left"),
    [(0.0, 0), (0.2, 0), (0.5, 1), (0.75, 1), (1.0, 1)],
)
def test_an_anchor_but_the_last_starts_its_interval(value, left):
    assert Anchors((0.0, 0.5, 1.0)).interval(value) == left


@given(st.floats(0, 1))
def test_a_value_lies_within_its_interval(value):
    anchors = Anchors((0.0, 0.5, 1.0))
    k = anchors.interval(value)
    assert anchors.values[k] <= value <= anchors.values[k + 1]


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_values_outside_the_range_have_no_interval(value):
    with pytest.raises(HyperparameterError, match=r"outside the anchors' range \[0.0, 1.0\]"):
        Anchors((0.0, 0.5, 1.0)).interval(value)


@pytest.mark.parametrize("value", [0.0, 1.0, -np.inf, np.inf, np.nan, 0.990002])
def test_values_out_of_range_are_refused(value):
    with pytest.raises(HyperparameterError, match=r"quantile = .* lies outside the anchors' range; .*nothing is extra"):
        AXIS.locate(value)


def test_an_anchor_but_the_first_ends_its_interval():
    values = np.array([0.01, 0.255, 0.5, 0.745, 0.99 - 5e-7])
    located = AXIS.locate_rows(values, 5)
    assert AXIS.intervals(located).tolist() == [0, 0, 0, 1, 1]
    assert located.tolist() == [0.01, 0.255, 0.5, 0.745, 0.99]


def test_rows_have_one_value_or_one_each():
    for one in (np.float64(0.745), np.array([0.745])):
        values = AXIS.locate_rows(np.asarray(one), 3)
        assert AXIS.intervals(values).tolist() == [1, 1, 1]
        assert values.tolist() == [0.745] * 3


def test_no_rows_have_no_values():
    values = AXIS.locate_rows(np.zeros(0), 0)
    assert AXIS.intervals(values).shape == values.shape == (0,)


@pytest.mark.parametrize("count", [0, 3])
def test_value_out_of_range_is_refused_for_rows_too(count):
    with pytest.raises(HyperparameterError, match="outside the anchors' range"):
        AXIS.locate_rows(np.asarray(1.5), count)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (0,)])
def test_rows_of_another_number_are_refused(shape):
    with pytest.raises(
        HyperparameterError, match=r"quantile has shape .*; expected a scalar or one value per row \(3,\)"
    ):
        AXIS.locate_rows(np.full(shape, 0.5), 3)
