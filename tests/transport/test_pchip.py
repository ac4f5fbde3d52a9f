"""PCHIP with knots by row: scipy's interpolant, exact at anchors, monotone between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from pipeline.transport.pchip import interpolate, window

ROWS = 40
SHARES = np.linspace(0, 1, 9)


def rows(anchors: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Knots (ROWS, n) that differ by row, and rough values n × (ROWS, 2)."""
    rng = np.random.default_rng(seed)
    knots = np.cumsum(rng.uniform(0.05, 1, (ROWS, anchors)), axis=1)
    return knots, list(rng.normal(size=(anchors, ROWS, 2)))


def through(knots: np.ndarray, values: list[np.ndarray], interval: int, share: float) -> np.ndarray:
    """The point in an interval from the anchors that decide it alone."""
    near = window(interval, len(values))
    at = np.full((len(values[0]), 1), share)
    return interpolate(knots[..., near], [values[k] for k in near], interval - near[0], at)


@pytest.mark.parametrize("anchors", [2, 3, 4, 5, 7])
def test_points_are_those_of_scipy(anchors):
    knots, values = rows(anchors)
    for interval in range(anchors - 1):
        for share in SHARES:
            found = through(knots, values, interval, share)
            for i in range(ROWS):
                at = knots[i, interval] + share * (knots[i, interval + 1] - knots[i, interval])
                expected = PchipInterpolator(knots[i], np.stack(values)[:, i])(at)
                np.testing.assert_allclose(found[i], expected, rtol=0, atol=1e-9)


def test_anchors_are_met_exactly():
    knots, values = rows(5)
    for interval in range(4):
        np.testing.assert_array_equal(through(knots, values, interval, 0.0), values[interval])
        np.testing.assert_array_equal(through(knots, values, interval, 1.0), values[interval + 1])


def test_the_curve_has_no_corner_at_an_anchor():
    knots, values = rows(5)
    step = 1e-6
    for k in (1, 2, 3):
        before = (values[k] - through(knots, values, k - 1, 1 - step)) / (step * np.diff(knots)[:, k - 1, None])
        after = (through(knots, values, k, step) - values[k]) / (step * np.diff(knots)[:, k, None])
        np.testing.assert_allclose(before, after, rtol=0, atol=1e-3)


def test_two_anchors_are_joined_by_a_line():
    knots, values = rows(2)
    for share in SHARES:
        expected = (1 - share) * values[0] + share * values[1]
        np.testing.assert_allclose(through(knots, values, 0, share), expected, rtol=0, atol=1e-12)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_lines_in_the_knots_are_reproduced(slope, offset):
    knots, _ = rows(5)
    values = [slope * knots[:, k, None] + offset for k in range(5)]
    for interval in range(4):
        line = (1 - 0.3) * values[interval] + 0.3 * values[interval + 1]
        np.testing.assert_allclose(through(knots, values, interval, 0.3), line, rtol=0, atol=1e-9)


@given(st.integers(0, 1000), st.integers(3, 6))
def test_outputs_that_rise_over_the_anchors_rise_throughout(seed, anchors):
    knots, steps = rows(anchors, seed)
    values = list(np.cumsum(np.abs(steps), axis=0))
    for interval in range(anchors - 1):
        curve = np.stack([through(knots, values, interval, s) for s in SHARES])
        assert (np.diff(curve, axis=0) >= -1e-12).all()


@given(st.floats(0.01, 100), st.floats(-10, 10), st.floats(0.01, 100))
def test_units_of_outputs_and_knots_do_not_matter(scale, shift, unit):
    knots, values = rows(5)
    moved = through(unit * knots, [scale * y + shift for y in values], 2, 0.4)
    np.testing.assert_allclose(moved, scale * through(knots, values, 2, 0.4) + shift, rtol=1e-9, atol=1e-9)


def test_one_row_of_knots_serves_all():
    knots, values = rows(5)
    same = np.broadcast_to(knots[0], knots.shape)
    np.testing.assert_array_equal(through(knots[0], values, 1, 0.7), through(same, values, 1, 0.7))


def test_window_is_the_interval_and_its_neighbours():
    assert [list(window(k, 5)) for k in range(4)] == [[0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4]]
    assert list(window(0, 2)) == [0, 1]
