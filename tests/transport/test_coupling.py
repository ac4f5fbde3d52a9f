from itertools import permutations

import numpy as np
import pytest

from pipeline.data.samples import group_rows
from pipeline.errors import DataError
from pipeline.transport.coupling import conditional_coupling, exact_coupling, squared_distances
from tests.problems import gaussian_map


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_equal_numbers_are_matched_as_the_best_permutation_matches_them(count):
    rng = np.random.default_rng(count)
    cost = rng.random((count, count))
    coupling = exact_coupling(cost)
    best = min(sum(cost[i, p[i]] for i in range(count)) for p in permutations(range(count))) / count
    assert coupling.weight @ cost[coupling.left, coupling.right] == pytest.approx(best)
    assert sorted(coupling.left) == sorted(coupling.right) == list(range(count))


@pytest.mark.parametrize(("n0", "n1"), [(1, 4), (4, 1), (3, 5), (7, 4)])
def test_unequal_numbers_keep_both_marginals_and_cost_what_copies_cost(n0, n1):
    rng = np.random.default_rng(n0)
    cost = rng.random((n0, n1))
    coupling = exact_coupling(cost)
    np.testing.assert_allclose(np.bincount(coupling.left, coupling.weight, n0), 1 / n0)
    np.testing.assert_allclose(np.bincount(coupling.right, coupling.weight, n1), 1 / n1)
    # The same problem with n1 copies of every row and n0 of every column is a matching.
    copies = exact_coupling(np.repeat(np.repeat(cost, n1, 0), n0, 1))
    matched = copies.weight @ cost[copies.left // n1, copies.right // n0]
    assert coupling.weight @ cost[coupling.left, coupling.right] == pytest.approx(matched)


def test_squared_distances_are_a_double_loop():
    rng = np.random.default_rng(0)
    y0, y1 = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    expected = [[np.sum((a - b) ** 2) for b in y1] for a in y0]
    np.testing.assert_allclose(squared_distances(y0, y1), expected, atol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_gaussian_map_is_recovered_from_its_images(dimension):
    # The gradient of a convex function pairs every sample with its image, whatever the sample.
    problem = gaussian_map(dimension)
    rng = np.random.default_rng(0)
    y0, _ = problem.draw(200, rng)
    order = rng.permutation(200)
    coupling = exact_coupling(squared_distances(y0, problem.transport(y0)[order]))
    np.testing.assert_array_equal(order[coupling.right], coupling.left)


def test_gaussians_are_as_far_apart_as_bures_says():
    problem = gaussian_map()
    y, _ = problem.draw(200_000, np.random.default_rng(0))
    moves = np.sum((problem.transport(y) - y) ** 2, 1)
    assert moves.mean() == pytest.approx(problem.squared_distance, rel=0.01)


def test_groups_are_equal_rows_over_all_arrays():
    first = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]])
    second = np.array([[0.0, 0.0], [9.0, 9.0]], np.float32)
    a, b = group_rows(first, second)
    assert a[0] == a[2] != a[1] == b[0]
    assert b[1] not in a
    assert [g.tolist() for g in group_rows(np.zeros((2, 0)), np.zeros((3, 0)))] == [[0, 0], [0, 0, 0]]


def test_coupling_stays_within_conditions_and_weighs_them_by_rows():
    rng = np.random.default_rng(0)
    x0 = np.array([[0], [1], [0], [1], [1]])
    x1 = np.array([[1], [0], [1], [0], [5], [1], [0]])
    y0, y1 = rng.normal(size=(5, 2)), rng.normal(size=(7, 2))
    coupling = conditional_coupling(y0, x0, y1, x1)
    np.testing.assert_array_equal(x0[coupling.left], x1[coupling.right])
    np.testing.assert_allclose(np.bincount(coupling.left, coupling.weight, 5), 0.2)
    assert 4 not in coupling.right
    assert coupling.weight.sum() == pytest.approx(1)


def test_order_of_rows_pairs_nothing():
    rng = np.random.default_rng(0)
    x = np.repeat(np.arange(4.0), 6)[:, None]
    y0, y1 = rng.normal(size=(24, 2)), rng.normal(size=(24, 2))
    left, right = rng.permutation(24), rng.permutation(24)
    coupling = conditional_coupling(y0, x, y1, x)
    again = conditional_coupling(y0[left], x[left], y1[right], x[right])
    pairs = set(zip(coupling.left.tolist(), coupling.right.tolist(), strict=True))
    assert {(int(left[i]), int(right[j])) for i, j in zip(again.left, again.right, strict=True)} == pairs


def test_condition_of_one_anchor_alone_is_named():
    y = np.zeros((2, 1))
    with pytest.raises(DataError, match=r"condition \[3\.0\] has samples at one anchor only"):
        conditional_coupling(y, np.array([[1.0], [3.0]]), y, np.array([[1.0], [2.0]]))
