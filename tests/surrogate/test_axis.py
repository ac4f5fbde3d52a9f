import numpy as np
import pytest

from pipeline.errors import HyperparameterError
from pipeline.surrogate.axis import Axis
from pipeline.surrogate.clock import Clock

AXIS = Axis(Clock("linear", (0.01, 0.5, 0.99)), "quantile")


@pytest.mark.parametrize("offset", [0.0, 9e-7, -9e-7])
def test_within_a_millionth_an_anchor_is_an_anchor(offset):
    for k, anchor in enumerate((0.01, 0.5, 0.99)):
        assert AXIS.anchor(anchor + offset) == k
        assert AXIS.places(0, [anchor + offset]) == [(k, anchor)]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rounded_anchors_are_in_range(kind):
    assert AXIS.places(0, np.array([0.01, 0.99], kind)) == [(0, 0.01), (2, 0.99)]
    wide = Axis(Clock("linear", (0.1, 100.1, 1e6 + 0.1)), "weight")
    assert [wide.anchor(kind(a)) for a in wide.clock.anchors] == [0, 1, 2]


def test_anchors_closer_than_the_tolerance_stay_apart():
    fine = Axis(Clock("linear", (1e-7, 1e-6, 1e-5)), "weight decay")
    assert [fine.anchor(a) for a in fine.clock.anchors] == [0, 1, 2]
    assert fine.places(0, [5.5e-7, 1e-6, 2e-6]) == [(0, 5.5e-7), (1, 1e-6), (1, 2e-6)]


def test_values_between_anchors_keep_their_value_and_get_their_interval():
    assert AXIS.places(0, [0.255, 0.5, 0.745, 0.99]) == [(0, 0.255), (1, 0.5), (1, 0.745), (2, 0.99)]
    assert AXIS.places(1, [0.5, 0.5, 0.6]) == [(1, 0.5), (1, 0.5), (1, 0.6)]
    assert AXIS.places(2, [0.99]) == [(2, 0.99)]


@pytest.mark.parametrize("name", ["logit", "hold"])
def test_intervals_do_not_depend_on_the_clock(name):
    other = Axis(Clock(name, AXIS.clock.anchors), "quantile")
    targets = [0.01, 0.3, 0.5 - 1e-7, 0.7, 0.99]
    assert other.places(0, targets) == AXIS.places(0, targets)


@pytest.mark.parametrize("value", [0.3, 1.0, np.nan, np.inf])
def test_source_that_is_no_anchor_is_refused(value):
    with pytest.raises(HyperparameterError, match=r"source = .* is no anchor; anchors are \[0.01, 0.5, 0.99\]"):
        AXIS.anchor(value)


@pytest.mark.parametrize("value", [0.0, 1.0, -np.inf, np.inf, np.nan, 0.990002])
def test_target_out_of_range_is_refused(value):
    with pytest.raises(HyperparameterError, match=r"quantile = .* lies outside the anchors' range; .*nothing is extra"):
        AXIS.places(0, [value])


@pytest.mark.parametrize("value", [0.01, 0.3, 0.4999])
def test_target_below_its_source_is_refused(value):
    with pytest.raises(HyperparameterError, match=r"lies below its source; anywhere in \[0.5, 0.99\] will do"):
        AXIS.places(1, [value])


def test_targets_must_ascend():
    with pytest.raises(HyperparameterError, match=r"targets must ascend, but 0.6 comes before 0.3"):
        AXIS.places(0, [0.1, 0.6, 0.3])


def test_rows_have_one_value_or_one_each():
    for one in (np.float64(0.745), np.array([0.745])):
        intervals, values = AXIS.place_rows(np.asarray(one), 3)
        assert intervals.tolist() == [1, 1, 1]
        assert values.tolist() == [0.745] * 3
    intervals, values = AXIS.place_rows(np.array([0.99 - 5e-7, 0.255, 0.01, 0.255]), 4)
    assert intervals.tolist() == [2, 0, 0, 0]
    assert values.tolist() == [0.99, 0.255, 0.01, 0.255]


def test_no_rows_have_no_values():
    intervals, values = AXIS.place_rows(np.zeros(0), 0)
    assert intervals.shape == values.shape == (0,)


@pytest.mark.parametrize("count", [0, 3])
def test_value_out_of_range_is_refused_for_rows_too(count):
    with pytest.raises(HyperparameterError, match="outside the anchors' range"):
        AXIS.place_rows(np.asarray(1.5), count)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (0,)])
def test_rows_of_another_number_are_refused(shape):
    with pytest.raises(HyperparameterError, match=r"quantile has shape .*; one value, or one a row \(3,\), is needed"):
        AXIS.place_rows(np.full(shape, 0.5), 3)
