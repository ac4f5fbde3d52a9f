import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.evaluation import comparison as module
from pipeline.evaluation.comparison import Comparison, Sample, match_rows, thin
from pipeline.evaluation.distances import DISTANCES
from tests.evaluation.oracles import forecast_harvest, stochastic_harvest

(ENERGY,) = (distance for distance in DISTANCES if distance.name == "energy_distance")


def _kind(outputs, conditions, *, deterministic, kind="continuous"):
    harvest = Harvest.from_arrays([0.0, 1.0], outputs, conditions, kind)
    return Comparison.of(harvest, deterministic=deterministic).kind


def test_the_way_of_comparing_follows_from_the_harvest():
    rng = np.random.default_rng(0)
    y, x, other = rng.standard_normal((6, 2)), rng.standard_normal((6, 1)), rng.standard_normal((6, 1))
    repeated = np.repeat(x[:3], 2, axis=0)
    assert _kind([y, y], [x, x[::-1]], deterministic=True) == "matched"
    assert _kind([y, y], [repeated, repeated], deterministic=False) == "conditional"
    assert _kind([y, y], [x, x], deterministic=False) == "joint"  # one draw a condition
    assert _kind([y, y], [x, other], deterministic=True) == "joint"  # no shared conditions
    assert _kind([y, y], [repeated, np.repeat(other[:3], 2, axis=0)], deterministic=False) == "joint"


def test_matched_rows_are_found_by_condition_not_by_order():
    harvest = forecast_harvest()
    comparison = Comparison.of(harvest, deterministic=True)
    sample = Sample(harvest.outputs[0], harvest.conditions[0])
    order = np.random.default_rng(0).permutation(len(sample.outputs))
    assert comparison.error(sample, sample.rows(order)) == 0
    coupling = comparison.coupling(sample, sample.rows(order))
    np.testing.assert_array_equal(order[coupling.right], coupling.left)
    assert coupling.weight.sum() == pytest.approx(1)


def test_match_rows_finds_the_first_equal_row():
    np.testing.assert_array_equal(
        match_rows(np.array([[2.0], [1.0], [2.0]]), np.array([[1.0], [2.0], [2.0]])), [1, 0, 1]
    )


def test_conditions_weigh_the_same_however_many_rows_they_have():
    x = np.array([[0.0], [0.0], [1.0], [1.0], [1.0], [1.0]])
    harvest = Harvest.from_arrays([0.0, 1.0], [np.zeros((6, 1))] * 2, [x, x], "categorical")
    comparison = Comparison.of(harvest, deterministic=False)
    truth = Sample(np.zeros((6, 1)), x)
    moved = Sample(np.where(x == 0, 2.0, 0.0), x)
    assert comparison.error(moved, truth) == pytest.approx((4 + 0) / 2)
    assert comparison.distance(ENERGY, moved, truth) == pytest.approx((2 * 2 + 0) / 2)


def test_a_conditional_error_sees_what_a_pooled_one_would_not():
    harvest = stochastic_harvest(draws=6)
    comparison = Comparison.of(harvest, deterministic=False)
    truth = Sample(np.repeat([[0.0, 0.0], [5.0, 0.0], [9.0, 0.0]], 6, axis=0), harvest.conditions[0])
    swapped = Sample(truth.outputs[::-1], truth.conditions)
    assert comparison.error(truth, truth) == 0
    assert comparison.error(swapped, truth) == pytest.approx((81 + 0 + 81) / 3)


def test_the_joint_error_punishes_a_collapse_onto_the_mean():
    # One draw a condition: row against row, the mean would score 1 and the truth's own fresh sample 2.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 1))
    fresh, truth = (Sample(rng.standard_normal((400, 1)), x) for _ in range(2))
    harvest = Harvest.from_arrays([0.0, 1.0], [truth.outputs] * 2, [x, x])
    comparison = Comparison.of(harvest, deterministic=False)
    collapsed = Sample(np.zeros((400, 1)), x)
    assert comparison.kind == "joint"
    assert comparison.error(collapsed, truth) > 2 * comparison.error(fresh, truth)
    assert comparison.spread(collapsed) == 0


def test_the_joint_error_of_a_shift_of_the_outputs_is_the_shift_squared():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    comparison = Comparison.of(Harvest.from_arrays([0.0, 1.0], [y, y], [x, x]), deterministic=False)
    assert comparison.error(Sample(y + np.array([0.3, 0.4]), x), Sample(y, x)) == pytest.approx(0.25)


def test_the_joint_way_keeps_categories_apart_and_couples_within_them():
    y = np.array([[0.0], [1.0], [5.0]])
    x, other = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [0.0], [2.0]])
    comparison = Comparison.of(Harvest.from_arrays([0.0, 1.0], [y, y], [x, other], "categorical"), deterministic=False)
    assert comparison.kind == "joint"
    assert comparison.error(Sample(y, x), Sample(y, other)) == pytest.approx((1 + 1 + 0) / 3)
    coupling = comparison.coupling(Sample(y, x), Sample(y, other))
    np.testing.assert_array_equal(x[coupling.left], other[coupling.right])


def test_large_groups_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_GROUP", 4)
    harvest = stochastic_harvest(draws=10)
    comparison = Comparison.of(harvest, deterministic=False)
    kept = thin(Sample(harvest.outputs[0], harvest.conditions[0]), comparison)
    assert np.unique(kept.conditions, return_counts=True)[1].tolist() == [4, 4, 4]
    matched = forecast_harvest()
    sample = Sample(matched.outputs[0], matched.conditions[0])
    assert thin(sample, Comparison.of(matched, deterministic=True)) is sample
