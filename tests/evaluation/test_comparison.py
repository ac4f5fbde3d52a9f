import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.evaluation import comparison as module
from pipeline.evaluation.comparison import Comparison, Sample, match_rows
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


def test_w2_of_large_groups_is_sliced_and_couplings_take_evenly_spaced_rows(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_GROUP", 4)
    harvest = stochastic_harvest(draws=10)
    comparison = Comparison.of(harvest, deterministic=False)
    assert comparison.measure == "D × sliced W₂²"
    assert [d.name for d in comparison.distances][:2] == ["sliced_wasserstein2_squared", "energy_distance"]
    left, right = (Sample(harvest.outputs[k], harvest.conditions[k]) for k in (0, 4))
    assert comparison.error(left, right) == pytest.approx(25)  # moved by (3, 4)
    coupling = comparison.coupling(left, right)
    np.testing.assert_array_equal(coupling.left, coupling.right)  # a translation couples rows with themselves
    assert np.unique(left.conditions[coupling.left], return_counts=True)[1].tolist() == [4, 4, 4]
    assert Comparison.of(forecast_harvest(), deterministic=True).measure == "MSE"


def test_w2_is_exact_up_to_the_stated_size(monkeypatch):
    harvest = stochastic_harvest(draws=10)
    assert Comparison.of(harvest, deterministic=False).measure == "W₂²"
    monkeypatch.setattr(module, "LARGEST_GROUP", 10)
    assert Comparison.of(harvest, deterministic=False).measure == "W₂²"


def _check(name, comparison, sample, truth):
    (distance,) = (d for d in comparison.distances if d.name == name)
    return comparison.distance(distance, sample, truth)


def test_histograms_of_ranks_are_pooled_over_conditions():
    # Too low at one condition by as much as too high at the other: each is uneven, both together less so.
    x = np.repeat([[0.0], [1.0]], 200, axis=0)
    rng = np.random.default_rng(0)
    y = rng.standard_normal((400, 1))
    comparison = Comparison.of(Harvest.from_arrays([0.0, 1.0], [y, y], [x, x], "categorical"), deterministic=False)
    truth = Sample(y, x)
    fresh = _check("calibration", comparison, Sample(rng.standard_normal((400, 1)), x), truth)
    apart = _check("calibration", comparison, Sample(rng.standard_normal((400, 1)) + np.where(x, 9, -9), x), truth)
    assert fresh < 0.25
    assert apart == pytest.approx(1.6, abs=0.1)  # all ranks in the outer bins, half in each


def test_a_fresh_truth_is_inside_what_was_observed_at_any_value_and_the_middle_of_a_ring_is_not():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 1000)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.zeros((500, 1))
    harvest = Harvest.from_arrays([0.0, 1.0], [ring[:500], ring[500:]], [x, x], "categorical")
    comparison = Comparison.of(harvest, deterministic=False)
    truth, inner = Sample(ring[:500], x), Sample(0.5 * ring[:500], x)
    assert _check("outside_support", comparison, Sample(ring[500:], x), truth) == 0
    assert _check("outside_support", comparison, inner, truth) == 1
    assert comparison.error(truth, Sample(ring[500:], x)) < 0.1


def test_bounds_are_checked_where_a_column_has_some():
    x = np.zeros((4, 1))
    outputs = np.array([[0.0, 5.0], [1.0, -5.0], [0.5, 0.0], [0.5, 9.0]])
    harvest = Harvest.from_arrays([0.0, 1.0], [outputs, outputs], [x, x], "categorical", bounds={"y0": (0.0, 1.0)})
    comparison = Comparison.of(harvest, deterministic=False)
    truth = Sample(outputs, x)
    assert _check("outside_bounds", comparison, truth, truth) == 0
    assert _check("outside_bounds", comparison, Sample(outputs + np.array([0.1, 99.0]), x), truth) == pytest.approx(
        1 / 8
    )
    free = Harvest.from_arrays([0.0, 1.0], [outputs, outputs], [x, x], "categorical")
    assert "outside_bounds" not in [d.name for d in Comparison.of(free, deterministic=False).distances]


def test_a_circular_columns_ends_are_no_bounds():
    x, angle = np.zeros((4, 1)), np.array([[-3.0], [0.0], [1.0], [3.0]])
    harvest = Harvest.from_arrays([0.0, 1.0], [angle] * 2, [x, x], "categorical", output_kind="circular")
    assert not np.isfinite(Comparison.of(harvest, deterministic=False).bounds).any()
