import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import HyperparameterError
from pipeline.surrogate.coupling import Coupling
from pipeline.validation.baselines import left_anchor, linear_clock, nearest_anchor, straight_line
from pipeline.validation.comparison import Comparison, Sample
from tests.validation.oracles import ANCHORS, VELOCITY, stochastic_harvest


@pytest.mark.parametrize(
    ("value", "left", "nearest"),
    [(0.0, 0, 0), (0.2, 0, 0), (0.25, 0, 0), (0.26, 0, 1), (0.5, 1, 1), (0.75, 1, 1), (0.76, 1, 2), (1.0, 1, 2)],
)
def test_the_left_and_the_nearest_anchor(value, left, nearest):
    assert left_anchor(ANCHORS, value) == left
    assert nearest_anchor(ANCHORS, value) == nearest


def test_a_tie_goes_to_the_left_anchor_even_where_rounding_says_otherwise():
    assert 0.2 - 0.1 > 0.3 - 0.2  # in floating point
    assert nearest_anchor((0.1, 0.3), 0.2) == 0


@given(st.floats(0, 1))
def test_the_linear_clock_runs_from_0_to_1_in_every_interval(value):
    k, s = left_anchor(ANCHORS, value), linear_clock(ANCHORS, value)
    assert 0 <= s <= 1
    assert (1 - s) * ANCHORS[k] + s * ANCHORS[k + 1] == pytest.approx(value)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_values_outside_the_anchors_are_refused(value):
    with pytest.raises(HyperparameterError, match=rf"{value} lies outside the anchors' range \[0.0, 1.0\]"):
        left_anchor(ANCHORS, value)


def _ends():
    harvest = stochastic_harvest()
    left, right = (Sample(harvest.outputs[k], harvest.conditions[k]) for k in (0, 2))
    return Comparison.of(harvest, deterministic=False), left, right


def test_the_straight_line_ends_at_its_anchors():
    comparison, left, right = _ends()
    coupling = comparison.coupling(left, right)
    assert comparison.error(straight_line(left, right, coupling, 0.0), left) == pytest.approx(0, abs=1e-12)
    assert comparison.error(straight_line(left, right, coupling, 1.0), right) == pytest.approx(0, abs=1e-12)


def test_the_straight_line_is_exact_for_a_translation():
    comparison, left, right = _ends()
    line = straight_line(left, right, comparison.coupling(left, right), 0.4)
    truth = Sample(left.outputs + 0.4 * 0.5 * VELOCITY, left.conditions)
    assert comparison.error(line, truth) == pytest.approx(0, abs=1e-12)
    assert line.weight is None


def test_the_straight_line_carries_the_weights_of_an_uneven_coupling():
    left = Sample(np.array([[0.0]]), np.zeros((1, 1)))
    right = Sample(np.array([[1.0], [3.0]]), np.zeros((2, 1)))
    coupling = Coupling(np.array([0, 0]), np.array([0, 1]), np.array([0.25, 0.75]))
    line = straight_line(left, right, coupling, 0.5)
    np.testing.assert_allclose(line.outputs, [[0.5], [1.5]])
    np.testing.assert_allclose(line.weight, [0.25, 0.75])
