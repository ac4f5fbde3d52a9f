import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import DataError
from pipeline.evaluation.distances import (
    BINS,
    energy_distance,
    mean_squared_error,
    mmd_squared,
    outside_bounds,
    rank_histogram,
    sliced_wasserstein2_squared,
    spread,
    squared_mean_discrepancy,
    unevenness,
    wasserstein2_squared,
)
from pipeline.evaluation.support import Support, outside_support

samples = arrays(np.float64, st.tuples(st.integers(1, 7), st.just(2)), elements=st.floats(-5, 5, width=32))
shifts = arrays(np.float64, (2,), elements=st.floats(-3, 3, width=32))


@settings(deadline=None)
@given(samples, shifts)
def test_w2_of_a_shifted_sample_is_the_shift_squared(sample, shift):
    assert wasserstein2_squared(sample, sample + shift) == pytest.approx(shift @ shift, abs=1e-9)


@settings(deadline=None)
@given(samples, samples)
def test_distances_are_symmetric_and_vanish_on_themselves(a, b):
    for distance in (wasserstein2_squared, energy_distance):
        assert distance(a, a) == pytest.approx(0, abs=1e-9)
        assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-9)
        assert distance(a, b) >= 0


@settings(deadline=None)
@given(samples, samples, st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(a, b, seed):
    shuffled = np.random.default_rng(seed).permutation(a)
    for distance in (wasserstein2_squared, energy_distance, mmd_squared):
        assert distance(shuffled, b) == pytest.approx(distance(a, b), abs=1e-9)
    assert spread(shuffled) == pytest.approx(spread(a), abs=1e-9)


@settings(deadline=None)
@given(samples, samples)
def test_repeating_every_row_changes_no_distance(a, b):
    # Equal sizes take the assignment, unequal ones the network simplex: both solve the same problem.
    assert wasserstein2_squared(np.repeat(a, 2, axis=0), b) == pytest.approx(wasserstein2_squared(a, b), abs=1e-8)
    assert energy_distance(np.repeat(a, 2, axis=0), b) == pytest.approx(energy_distance(a, b), abs=1e-8)


def test_weights_count_like_repetitions():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    repeated, weight = np.repeat(a, [1, 2, 5], axis=0), np.array([1, 2, 5]) / 8
    assert wasserstein2_squared(a, b, a_weight=weight) == pytest.approx(wasserstein2_squared(repeated, b))
    assert energy_distance(a, b, a_weight=weight) == pytest.approx(energy_distance(repeated, b))
    assert mmd_squared(a, b, a_weight=weight) == pytest.approx(mmd_squared(repeated, b))
    assert mmd_squared(b, a, b_weight=weight) == pytest.approx(mmd_squared(b, repeated))
    assert sliced_wasserstein2_squared(a, b, weight) == pytest.approx(sliced_wasserstein2_squared(repeated, b))
    assert spread(a, weight) == pytest.approx(spread(repeated))


def test_w2_of_an_affine_image_matches_the_gaussians_closed_form():
    # For y = m + A x with A symmetric positive definite, W₂² = |m + (A − I) E x|² + tr((A − I) Cov x (A − I)): the
    # formula for Gaussians, exact for samples too, because x ↦ m + A x is the gradient of a convex function.
    rng = np.random.default_rng(0)
    x, m = rng.standard_normal((200, 3)), np.array([1.0, -2.0, 0.5])
    root = rng.standard_normal((3, 3))
    change = root @ root.T + 0.1 * np.eye(3) - np.eye(3)
    closed_form = np.sum((m + change @ x.mean(axis=0)) ** 2) + np.trace(change @ np.cov(x.T, bias=True) @ change)
    assert wasserstein2_squared(x, x + m + x @ change) == pytest.approx(closed_form)


def test_w2_in_one_dimension_matches_sorting():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((50, 1)), 2 + 3 * rng.standard_normal((50, 1))
    assert wasserstein2_squared(a, b) == pytest.approx(np.mean((np.sort(a[:, 0]) - np.sort(b[:, 0])) ** 2))


def test_energy_distance_in_one_dimension_matches_scipy():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((30, 1)), rng.standard_normal((40, 1)) + 1
    assert energy_distance(a, b) == pytest.approx(scipy.stats.energy_distance(a[:, 0], b[:, 0]) ** 2)


def test_energy_distance_of_two_points_is_twice_their_distance():
    assert energy_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])) == pytest.approx(10)


def test_spread_is_the_root_of_the_trace_of_the_covariance():
    sample = np.random.default_rng(3).standard_normal((200, 3)) * [1, 2, 3]
    assert spread(sample) == pytest.approx(np.sqrt(np.trace(np.cov(sample.T, bias=True))))
    assert spread(np.ones((5, 2))) == 0


def test_mean_squared_error_averages_over_rows_and_columns():
    assert mean_squared_error(np.zeros((2, 2)), np.array([[1.0, 1.0], [0.0, 2.0]])) == 1.5


@pytest.mark.parametrize(
    ("distance", "a", "b", "message"),
    [
        (mean_squared_error, np.zeros((2, 2)), np.zeros((3, 2)), r"\(2, 2\) and \(3, 2\)"),
        (wasserstein2_squared, np.zeros((2, 2)), np.zeros((2, 3)), r"\(2, 2\) and \(2, 3\)"),
        (energy_distance, np.zeros((0, 2)), np.zeros((2, 2)), r"\(0, 2\) and \(2, 2\)"),
        (wasserstein2_squared, np.zeros(2), np.zeros((2, 2)), r"\(2,\) and \(2, 2\)"),
    ],
)
def test_samples_that_do_not_fit_are_refused(distance, a, b, message):
    with pytest.raises(DataError, match=message):
        distance(a, b)


@settings(deadline=None)
@given(samples, samples, shifts, st.integers(0, 9))
def test_mmd_is_symmetric_moves_along_and_vanishes_on_itself(a, b, shift, seed):
    distance = squared_mean_discrepancy(a, b, 1.5)
    assert 0 <= distance <= 2
    assert squared_mean_discrepancy(b, a, 1.5) == pytest.approx(distance, abs=1e-12)
    assert squared_mean_discrepancy(a + shift, b + shift, 1.5) == pytest.approx(distance, abs=1e-5)
    assert squared_mean_discrepancy(2 * a, 2 * b, 3.0) == pytest.approx(distance, abs=1e-12)
    assert squared_mean_discrepancy(a, np.random.default_rng(seed).permutation(a), 1.5) == pytest.approx(0, abs=1e-12)


def test_mmd_of_two_points_is_the_kernels_closed_form():
    distance = squared_mean_discrepancy(np.zeros((1, 2)), np.array([[3.0, 4.0]]), 2.0)
    assert distance == pytest.approx(2 - 2 * np.exp(-25 / 8))


def test_mmd_of_gaussians_is_their_closed_form():
    # E k of N(0, s²) against N(m, s²) in one dimension: h / √(h² + 2s²) · exp(−m² / 2(h² + 2s²)).
    rng, shift, h = np.random.default_rng(0), 1.5, 0.7
    a, b = rng.standard_normal((4000, 1)), shift + rng.standard_normal((4000, 1))
    v = h**2 + 2
    expected = 2 * h / np.sqrt(v) * (1 - np.exp(-(shift**2) / (2 * v)))
    assert squared_mean_discrepancy(a, b, h) == pytest.approx(expected, rel=0.05)


def test_mmd_of_gaussians_with_the_median_bandwidth_is_the_closed_form():
    # Two N(0, 1) rows differ by √2 |z|, whose median is √2 · 0.6745.
    rng, shift = np.random.default_rng(1), 1.5
    a, b = shift + rng.standard_normal((3000, 1)), rng.standard_normal((3000, 1))
    h = np.sqrt(2) * scipy.stats.norm.ppf(0.75)
    expected = 2 * h / np.sqrt(h**2 + 2) * (1 - np.exp(-(shift**2) / (2 * (h**2 + 2))))
    assert mmd_squared(a, b) == pytest.approx(expected, rel=0.05)


def test_mmd_does_not_depend_on_units_and_takes_a_constant_truth():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((20, 2)), rng.standard_normal((30, 2)) + 0.5
    assert mmd_squared(7 + 1000 * a, 7 + 1000 * b) == pytest.approx(mmd_squared(a, b), abs=1e-6)
    assert mmd_squared(np.full((3, 1), 2.0), np.zeros((5, 1))) == pytest.approx(2 - 2 * np.exp(-2))  # h = 1


def test_sliced_w2_is_w2_for_a_translation_and_in_one_dimension_and_less_otherwise():
    rng = np.random.default_rng(3)
    a, shift = rng.standard_normal((40, 5)), rng.standard_normal(5)
    assert sliced_wasserstein2_squared(a, a + shift) == pytest.approx(shift @ shift)
    b = rng.standard_normal((40, 5)) * [1, 2, 3, 1, 1]
    assert 0 < sliced_wasserstein2_squared(a, b) < wasserstein2_squared(a, b)
    assert sliced_wasserstein2_squared(a[:, :1], b[:7, :1]) == wasserstein2_squared(a[:, :1], b[:7, :1])
    assert sliced_wasserstein2_squared(3 * a, 3 * b) == pytest.approx(9 * sliced_wasserstein2_squared(a, b))


def test_sliced_w2_of_scaled_gaussians_is_their_closed_form():
    # N(0, I) to N(0, 4 I): every projection's deviation doubles, W₂² = D (2 − 1)², and slicing loses nothing.
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((4000, 3)), 2 * rng.standard_normal((5000, 3))
    assert sliced_wasserstein2_squared(a, b) == pytest.approx(3, rel=0.05)


def test_ranks_of_one_distribution_are_even_and_uneven_where_the_spread_is_wrong():
    rng = np.random.default_rng(5)
    truth, fresh = rng.standard_normal((4000, 2)), rng.standard_normal((4000, 2))
    found = {scale: rank_histogram(scale * fresh, truth) for scale in (0.0, 0.5, 1.0, 2.0)}
    assert unevenness(found[1.0]) < 2.4 * np.sqrt(2 / 4000)
    np.testing.assert_allclose(found[0.0], 0.5 * np.eye(BINS)[[0, -1]].sum(axis=0) * np.ones((2, 1)), atol=0.02)
    assert unevenness(found[0.0]) == pytest.approx(1.6, abs=0.01)
    # The truth's share in the lowest tenth of N(0, s²): Φ(s Φ⁻¹(0.1)); too narrow piles up outside, too wide inside.
    for scale in (0.5, 2.0):
        share = scipy.stats.norm.cdf(scale * scipy.stats.norm.ppf(0.1))
        np.testing.assert_allclose(found[scale][:, [0, -1]], share, atol=0.03)
    assert unevenness(np.eye(BINS)[:1]) == pytest.approx(1.8)


def test_ranks_are_even_in_the_mean_with_few_rows_and_with_ties():
    rng = np.random.default_rng(6)
    few = np.mean([rank_histogram(*rng.standard_normal((2, 5, 1))) for _ in range(2000)], axis=0)
    np.testing.assert_allclose(few, 1 / BINS, atol=0.01)
    inflated = np.maximum(rng.standard_normal((2, 2000, 1)), 0)  # half of the rows are 0
    assert unevenness(rank_histogram(*inflated)) < 0.1


@settings(deadline=None)
@given(samples, samples, shifts, st.integers(0, 9))
def test_ranks_do_not_depend_on_order_or_units_and_their_shares_sum_to_one(a, b, shift, seed):
    a, b = a.round(3), b.round(3)  # so that a shift keeps ties
    found = rank_histogram(a, b)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(rank_histogram(np.random.default_rng(seed).permutation(a), b), found)
    np.testing.assert_allclose(rank_histogram(4 * a, 4 * b), found)
    mirrored = rank_histogram(-a, -b)[:, ::-1]
    np.testing.assert_allclose(mirrored, found, atol=1e-12)


def test_weights_of_ranks_count_like_repetitions():
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((300, 2)), rng.standard_normal((4, 2))
    weight = np.array([1, 2, 5, 2]) / 10
    expected = rank_histogram(a, np.repeat(b, [1, 2, 5, 2], axis=0))
    np.testing.assert_allclose(rank_histogram(a, b, None, weight), expected, atol=1e-12)
    even = np.full(300, 1 / 300)
    np.testing.assert_allclose(rank_histogram(a, b, even), rank_histogram(a, b), atol=1e-12)
    times = rng.integers(1, 4, 300)
    repeated = rank_histogram(np.repeat(a, times, axis=0), b)
    np.testing.assert_allclose(rank_histogram(a, b, times / times.sum()), repeated, atol=0.05)  # places 1/(n + 1) wide


def test_support_leaves_about_as_many_fresh_rows_outside_as_it_says():
    rng = np.random.default_rng(8)
    support = Support.of(rng.standard_normal((1000, 2)))
    assert 0.001 < outside_support(rng.standard_normal((20_000, 2)), support) < 0.015
    assert outside_support(np.array([[9.0, 9.0], [0.0, 0.0]]), support, np.array([0.25, 0.75])) == 0.25


def test_support_does_not_depend_on_order_units_or_repetitions():
    rng = np.random.default_rng(9)
    rows, asked = rng.standard_normal((1500, 3)), 2 * rng.standard_normal((200, 3))
    outside = Support.of(rows).excludes(asked)
    assert 0 < outside.sum() < 200
    for same in (rng.permutation(rows), np.repeat(rows, 2, axis=0)):
        np.testing.assert_array_equal(Support.of(same).excludes(asked), outside)
    np.testing.assert_array_equal(Support.of(8 + 4 * rows).excludes(8 + 4 * asked), outside)


def test_atoms_are_their_own_support():
    support = Support.of(np.repeat([[2.0, 3.0]], 5, axis=0))
    np.testing.assert_array_equal(support.excludes(np.array([[2.0, 3.0], [2.0, 3.1]])), [False, True])


def test_share_outside_the_bounds_counts_values_by_weight_and_forgives_rounding():
    bounds = np.array([[0.0, -np.inf], [0.1, 1.0]])
    a = np.array([[np.float32(0.1), 5.0], [-1.0, -99.0], [0.0, 1.0]])
    assert outside_bounds(a, bounds) == pytest.approx(2 / 6)
    assert outside_bounds(a, bounds, np.array([0.0, 1.0, 0.0])) == 0.5
