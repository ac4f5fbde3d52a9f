import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import DataError
from pipeline.evaluation.distances import (
    energy_distance,
    mean_squared_error,
    spread,
    squared_mean_discrepancy,
    wasserstein2_squared,
)

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
    for distance in (wasserstein2_squared, energy_distance):
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
    assert squared_mean_discrepancy(a + shift, b + shift, 1.5) == pytest.approx(distance, abs=1e-9)
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
