import numpy as np
import pytest

from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.methods.straight_line import between
from pipeline.transport.coupling import Coupling
from tests.evaluation.oracles import VELOCITY, stochastic_harvest


def _ends():
    harvest = stochastic_harvest()
    left, right = (Sample(harvest.outputs[k], harvest.conditions[k]) for k in (0, 2))
    return Comparison.of(harvest, deterministic=False), left, right


def test_the_straight_line_ends_at_its_anchors():
    comparison, left, right = _ends()
    coupling = comparison.coupling(left, right)
    assert comparison.error(between(left, right, coupling, 0.0), left) == pytest.approx(0, abs=1e-12)
    assert comparison.error(between(left, right, coupling, 1.0), right) == pytest.approx(0, abs=1e-12)


def test_the_straight_line_is_exact_for_a_translation():
    comparison, left, right = _ends()
    line = between(left, right, comparison.coupling(left, right), 0.4)
    truth = Sample(left.outputs + 0.4 * 0.5 * VELOCITY, left.conditions)
    assert comparison.error(line, truth) == pytest.approx(0, abs=1e-12)
    assert line.weight is None


def test_every_row_can_have_a_position_of_its_own():
    comparison, left, right = _ends()
    coupling = comparison.coupling(left, right)
    positions = np.linspace(0, 1, len(left.outputs))
    line = between(left, right, coupling, positions)
    truth = left.outputs + positions[:, None] * 0.5 * VELOCITY
    np.testing.assert_allclose(line.outputs, truth[coupling.left])


def test_the_straight_line_carries_the_weights_of_an_uneven_coupling():
    left = Sample(np.array([[0.0]]), np.zeros((1, 1)))
    right = Sample(np.array([[1.0], [3.0]]), np.zeros((2, 1)))
    coupling = Coupling(np.array([0, 0]), np.array([0, 1]), np.array([0.25, 0.75]))
    line = between(left, right, coupling, 0.5)
    np.testing.assert_allclose(line.outputs, [[0.5], [1.5]])
    np.testing.assert_allclose(line.weight, [0.25, 0.75])
