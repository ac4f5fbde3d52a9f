"""Tuples of coupled rows: marginals, permutations, and weighted means in closed form."""

import numpy as np
import pytest

from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.coupled import Coupled
from pipeline.transport.coupling import Coupling, exact_coupling, squared_distances

BOX = [(0, 1), (0, 2), (1, 3)]
"""The tree of a box: 00 to 10, 00 to 01, 10 to 11."""


def samples(*sizes):
    rng = np.random.default_rng(0)
    return [rng.normal(k, 1 + k, (n, 2)) for k, n in enumerate(sizes)]


def exact(ys):
    return lambda one, other: exact_coupling(squared_distances(ys[one], ys[other]))


def test_permutations_are_composed():
    ys = samples(9, 9, 9, 9)
    coupled = Coupled.along(BOX, exact(ys))
    assert sorted(coupled.rows) == [0, 1, 2, 3]
    for parent, child in BOX:
        pairs = exact(ys)(parent, child)
        to = dict(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
        assert [to[row] for row in coupled.rows[parent].tolist()] == coupled.rows[child].tolist()
    np.testing.assert_allclose(coupled.weight, 1 / 9)


@pytest.mark.parametrize("sizes", [(6, 4, 9, 5), (5, 5, 7, 3), (1, 4, 3, 2)])
def test_gluing_keeps_every_coupling_and_adds_few_tuples(sizes):
    ys = samples(*sizes)
    coupled = Coupled.along(BOX, exact(ys))
    assert len(coupled.weight) <= sum(sizes)
    assert coupled.weight.sum() == pytest.approx(1)
    for k, size in enumerate(sizes):
        np.testing.assert_allclose(np.bincount(coupled.rows[k], coupled.weight, size), 1 / size)
    for parent, child in BOX:
        pairs, shape = exact(ys)(parent, child), (sizes[parent], sizes[child])
        found, given = np.zeros(shape), np.zeros(shape)
        np.add.at(found, (coupled.rows[parent], coupled.rows[child]), coupled.weight)
        np.add.at(given, (pairs.left, pairs.right), pairs.weight)
        np.testing.assert_allclose(found, given, atol=1e-12)


def test_rows_that_no_pair_holds_are_left_out_and_others_keep_their_weight():
    first = Coupling(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([0.5, 0.3, 0.2]))
    second = Coupling(np.array([2, 0, 0, 3, 1]), np.array([0, 1, 2, 3, 4]), np.array([0.1, 0.2, 0.3, 0.3, 0.1]))
    coupled = Coupled.along([(0, 1), (1, 2)], lambda one, _: second if one else first)
    tuples = {tuple(int(coupled.rows[k][t]) for k in range(3)): coupled.weight[t] for t in range(4)}
    assert tuples == pytest.approx({(0, 0, 1): 0.2, (0, 0, 2): 0.3, (1, 1, 4): 0.3, (2, 2, 0): 0.2})


def test_means_are_weighted_at_the_condition_of_the_root():
    ys = samples(4, 4, 4, 4)
    ends = [Sample(y, np.full((4, 1), float(k))) for k, y in enumerate(ys)]
    coupled = Coupled.along(BOX, exact(ys))
    weights = {0: 0.1, 1: 0.2, 2: np.array([0.3, 0.1, 0.0, 0.5]), 3: 0.4}
    found = coupled.mean(ends, weights)
    expected = sum(0.1 * (k + 1) * ys[k][coupled.rows[k]] for k in (0, 1, 3))
    expected = expected + weights[2][coupled.rows[0]][:, None] * ys[2][coupled.rows[2]]
    np.testing.assert_allclose(found.outputs, expected)
    assert (found.conditions == 0).all()
    assert found.weight is None


def test_angles_go_the_short_way_round_from_corner_to_corner():
    ends = [Sample(np.array([[angle]]), np.zeros((1, 0))) for angle in (3.0, -3.0, -3.1, -2.9)]
    one = Coupling(np.array([0]), np.array([0]), np.array([1.0]))
    found = Coupled.along(BOX, lambda *_: one).mean(ends, dict.fromkeys(range(4), 0.25), np.array([2 * np.pi]))
    assert found.outputs[0, 0] == pytest.approx((3.0 - 3.0 - 3.1 - 2.9 + 3 * 2 * np.pi) / 4)
