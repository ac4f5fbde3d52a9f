from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clocks import leave_one_out
from pipeline.clocks.leave_one_out import MOST_CONDITIONS, POSITIONS, LeftOut, leave_anchors_out
from pipeline.data.harvest import Harvest

ANCHORS = (0.0, 0.2, 0.6, 1.0)


def clouds(contexts=7, draws=1, dimension=2, anchors=ANCHORS, seed=0, deterministic=None) -> Harvest:
    """Anything at all: nothing here rests on how samples move."""
    rng = np.random.default_rng(seed)
    x = np.repeat(rng.normal(size=(contexts, 1)), draws, axis=0)
    ys = [rng.normal(size=(len(x), dimension)) for _ in anchors]
    return Harvest.from_arrays(anchors, ys, [x] * len(anchors), deterministic=deterministic)


def standardised(harvest: Harvest) -> list[np.ndarray]:
    """Outputs in units of their pooled spread: all columns have one unit here."""
    scale = np.sqrt(np.mean(np.concatenate(harvest.outputs).std(0) ** 2))
    return [y / scale for y in harvest.outputs]


def reordered(harvest: Harvest, seed: int) -> Harvest:
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(y)) for y in harvest.outputs]
    return Harvest.from_arrays(
        harvest.hyperparameter,
        [y[o] for y, o in zip(harvest.outputs, orders, strict=True)],
        [x[o] for x, o in zip(harvest.conditions, orders, strict=True)],
        deterministic=harvest.schema.deterministic,
    )


def least_cost(cost: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """The cheapest of all matchings, looked for among all of them."""
    return min((sum(cost[i, j] for i, j in enumerate(order)), order) for order in permutations(range(len(cost))))


def squares(y0: np.ndarray, y1: np.ndarray) -> np.ndarray:
    return ((y0[:, None] - y1[None]) ** 2).sum(-1)


# The curves.


@pytest.mark.parametrize("dimension", [1, 3])
def test_deterministic_curves_are_what_the_straight_line_misses(dimension):
    harvest = clouds(dimension=dimension, deterministic=True)
    ys = standardised(harvest)
    found = leave_anchors_out(harvest, deterministic=True)
    assert [curve.anchor for curve in found] == [1, 2]
    for curve in found:
        k, rows = curve.anchor, curve.conditions  # one row a condition, alike at all anchors
        assert sorted(rows) == list(range(7))
        for m, s in enumerate(POSITIONS):
            line = (1 - s) * ys[k - 1] + s * ys[k + 1]
            np.testing.assert_allclose(
                curve.errors[:, m], np.mean((ys[k] - line) ** 2, axis=1)[rows], rtol=0, atol=1e-6
            )


@pytest.mark.parametrize("dimension", [1, 2])
def test_stochastic_curves_are_exact_transport_within_each_condition(dimension):
    draws = 4
    harvest = clouds(contexts=3, draws=draws, dimension=dimension, deterministic=False)
    ys = standardised(harvest)
    for curve in leave_anchors_out(harvest, deterministic=False):
        assert curve.errors.shape == (12, len(POSITIONS))
        for first in range(0, 12, draws):  # the harvest's conditions stand in blocks
            left, truth, right = (y[first : first + draws] for y in ys[curve.anchor - 1 : curve.anchor + 2])
            _, order = least_cost(squares(left, right))
            found = curve.errors[curve.conditions // draws == first // draws]
            assert len(found) == draws
            for m in range(0, len(POSITIONS), 5):
                moved = (1 - POSITIONS[m]) * left + POSITIONS[m] * right[list(order)]
                least, _ = least_cost(squares(moved, truth))
                assert found[:, m].sum() == pytest.approx(least / dimension, rel=1e-5)


def test_translates_of_one_sample_pay_the_parabola():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(30, 2))
    ways = np.array([[0.0, 0.0], [0.3, 0.6], [1.0, 2.0]])
    harvest = Harvest.from_arrays((0, 1, 2), [base + w for w in ways], [np.zeros((30, 0))] * 3, deterministic=False)
    (curve,) = leave_anchors_out(harvest, deterministic=False)
    scale = np.sqrt(np.mean(np.concatenate(harvest.outputs).std(0) ** 2))
    expected = (POSITIONS - 0.3) ** 2 * 5 / 2 / scale**2
    np.testing.assert_allclose(curve.errors.mean(0), expected, rtol=0, atol=1e-6)


# Between the grid's positions.


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 3), min_size=1, max_size=4), st.lists(st.floats(0, 1), min_size=1))
def test_parabolas_are_read_off_exactly(coefficients, positions):
    a, b, c = np.array(coefficients).T[..., None]
    curve = LeftOut(1, a + b * POSITIONS + c * POSITIONS**2, np.arange(len(a)))
    s = np.array(positions)
    np.testing.assert_allclose(curve.at(s), a + b * s + c * s**2, rtol=0, atol=1e-9)


def test_positions_may_differ_by_row():
    a, b = np.array([[1.0], [-2.0], [0.5]]), np.array([[0.3], [0.0], [4.0]])
    curve = LeftOut(1, a + b * POSITIONS**2, np.arange(3))
    s = np.array([[0.1, 0.2], [0.5, 0.9], [0.0, 1.0]])
    np.testing.assert_allclose(curve.at(s), a + b * s**2, rtol=0, atol=1e-9)


def test_deterministic_curves_are_exact_between_the_grid_s_positions():
    harvest = clouds(deterministic=True)
    ys = standardised(harvest)
    s = np.array([0.001, 0.0125, 0.333, 0.9999])
    curve = leave_anchors_out(harvest, deterministic=True)[0]
    lines = (1 - s)[:, None, None] * ys[0] + s[:, None, None] * ys[2]
    expected = np.mean((ys[1] - lines) ** 2, axis=-1).T[curve.conditions]
    np.testing.assert_allclose(curve.at(s), expected, rtol=0, atol=1e-6)


def test_grid_s_positions_are_read_off_as_they_are():
    curve = leave_anchors_out(clouds(draws=3, deterministic=False), deterministic=False)[0]
    np.testing.assert_allclose(curve.at(POSITIONS), curve.errors, rtol=0, atol=1e-12)


# What must not matter.


def test_order_of_samples_does_not_matter_where_all_are_compared():
    for deterministic, draws in ((True, 1), (False, 5)):
        harvest = clouds(draws=draws, deterministic=deterministic)
        for found, expected in zip(
            *(leave_anchors_out(h, deterministic) for h in (reordered(harvest, 3), harvest)), strict=True
        ):
            np.testing.assert_allclose(found.errors.mean(0), expected.errors.mean(0), rtol=1e-6)
            for curve in (found, expected):
                assert (np.bincount(curve.conditions)[np.unique(curve.conditions)] == draws).all()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("deterministic", [True, False])
def test_unit_of_the_outputs_does_not_matter(scale, deterministic):
    harvest = clouds(draws=1 if deterministic else 4, deterministic=deterministic)
    other = Harvest.from_arrays(
        ANCHORS, [scale * y for y in harvest.outputs], harvest.conditions, deterministic=deterministic
    )
    for found, expected in zip(*(leave_anchors_out(h, deterministic) for h in (other, harvest)), strict=True):
        np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(found.conditions, expected.conditions)


def test_columns_of_other_units_count_alike():
    harvest = clouds(deterministic=True)
    units = {"y0": "m", "y1": "s"}
    plain, scaled = (
        Harvest.from_arrays(ANCHORS, [y * [1, f] for y in harvest.outputs], harvest.conditions, units=units)
        for f in (1.0, 1e6)
    )
    for found, expected in zip(*(leave_anchors_out(h, True) for h in (scaled, plain)), strict=True):
        np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-4, atol=1e-6)


# Which rows take part.


def test_conditions_are_ordered_rows_of_the_first_anchor():
    harvest = reordered(clouds(contexts=9, draws=3, deterministic=False), 1)
    for curve in leave_anchors_out(harvest, deterministic=False):
        values = harvest.conditions[0][curve.conditions, 0]
        assert (np.diff(values) >= 0).all()
        assert len(np.unique(curve.conditions)) == 9
        for row in curve.conditions:  # one row stands for each condition
            assert (harvest.conditions[0][row] == values[curve.conditions == row]).all()


def test_as_many_draws_of_a_condition_take_part_at_every_anchor():
    counts = np.array([[5, 2, 4], [3, 6, 4], [7, 9, 1]])  # anchors by conditions
    rng = np.random.default_rng(0)
    xs = [np.repeat([0.0, 1.0, 2.0], row)[:, None] for row in counts]
    ys = [10 * x + rng.normal(size=(len(x), 2)) for x in xs]
    (curve,) = leave_anchors_out(Harvest.from_arrays((0, 1, 2), ys, xs, deterministic=False), deterministic=False)
    of_condition = xs[0][curve.conditions, 0]
    assert [int((of_condition == c).sum()) for c in range(3)] == counts.min(0).tolist()
    # Draws of other conditions are ten away: none was matched with any.
    assert curve.errors.max() < 10


def test_many_conditions_are_thinned_to_whole_ones():
    contexts = MOST_CONDITIONS + 500
    curves = leave_anchors_out(clouds(contexts=contexts, anchors=(0, 1, 2), deterministic=True), deterministic=True)
    assert curves[0].errors.shape == (MOST_CONDITIONS, len(POSITIONS))
    assert len(np.unique(curves[0].conditions)) == MOST_CONDITIONS


def test_many_draws_are_thinned_alike(monkeypatch):
    monkeypatch.setattr(leave_one_out, "MOST_DRAWS", 3)
    monkeypatch.setattr(leave_one_out, "MOST_STOCHASTIC", 10)
    (curve,) = leave_anchors_out(clouds(contexts=20, draws=8, anchors=(0, 1, 2), deterministic=False), False)
    # Four conditions of three draws: the limit is passed by one condition's draws at most.
    assert np.unique(curve.conditions, return_counts=True)[1].tolist() == [3, 3, 3, 3]


def test_repeated_rows_of_a_deterministic_harvest_count_once():
    harvest = clouds(deterministic=True)
    twice = Harvest.from_arrays(
        ANCHORS,
        [np.repeat(y, 2, axis=0) for y in harvest.outputs],
        [np.repeat(x, 2, axis=0) for x in harvest.conditions],
        deterministic=True,
    )
    for found, expected in zip(*(leave_anchors_out(h, True) for h in (twice, harvest)), strict=True):
        np.testing.assert_allclose(found.errors, expected.errors, rtol=0, atol=1e-6)


def test_two_anchors_leave_none_out():
    assert leave_anchors_out(clouds(anchors=(0.0, 1.0)), deterministic=True) == []


def test_conditions_that_are_not_shared_tell_nothing():
    rng = np.random.default_rng(0)
    ys, xs = ([rng.normal(size=(5, width)) for _ in ANCHORS] for width in (2, 1))
    assert leave_anchors_out(Harvest.from_arrays(ANCHORS, ys, xs), deterministic=False) == []
    # Nor do they where but the last anchor lacks one.
    shared = clouds(contexts=5, deterministic=False)
    xs, ys = list(shared.conditions), list(shared.outputs)
    xs[-1], ys[-1] = xs[-1][:-1], ys[-1][:-1]
    assert leave_anchors_out(Harvest.from_arrays(ANCHORS, ys, xs, deterministic=False), deterministic=False) == []


def test_positions_run_evenly_from_end_to_end():
    assert (POSITIONS[0], POSITIONS[-1]) == (0, 1)
    np.testing.assert_allclose([b - a for a, b in pairwise(POSITIONS)], POSITIONS[1], rtol=0, atol=1e-15)
