"""Closed forms: what location and scale have to find, and what they must not invent."""

import numpy as np
import pytest
import torch

from pipeline.transport.location_scale import (
    Draws,
    directions_without_each,
    fit_location_scale,
    heavy_tails,
    shrunk_bures,
)

CONDITIONS = np.linspace(-1, 1, 12)[:, None]


def draws(seed: int, count: int, level, deviation=lambda x: 1.0, law="normal") -> Draws:
    rng = np.random.default_rng(seed)
    x = np.repeat(CONDITIONS, count, axis=0)
    noise = rng.normal(size=(len(x), 2)) if law == "normal" else rng.standard_cauchy((len(x), 2))
    return Draws(level(x) + deviation(x) * noise, x, np.repeat(np.arange(12), count))


def apply(made, y, x) -> np.ndarray:
    return made.double()(torch.tensor(y), torch.tensor(x)).numpy()


def test_gaussians_have_the_bures_map():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    scatter0, scatter1 = np.diag([1.0, 2.0, 0.5]), root @ root.T + np.eye(3)
    made = shrunk_bures(scatter0, scatter1, 1e9, 1e9)
    np.testing.assert_allclose(made @ scatter0 @ made, scatter1, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(made, made.T, atol=1e-9)
    np.testing.assert_allclose(shrunk_bures(scatter0, 9 * scatter0, 1e9, 1e9), 3 * np.eye(3), atol=1e-6)


def test_scatter_that_few_draws_cannot_tell_apart_is_not():
    np.testing.assert_allclose(shrunk_bures(np.eye(2), np.diag([1.5, 0.8]), 6, 6), np.eye(2), atol=1e-9)


def test_moved_and_widened_draws_keep_their_spread():
    left, right = draws(0, 40, lambda x: 0 * x), draws(1, 40, lambda x: 3 + 0.5 * x, lambda x: 2.0)
    made = fit_location_scale(left, right)
    fresh = draws(2, 200, lambda x: 0 * x)
    image = apply(made, fresh.outputs, fresh.columns)
    np.testing.assert_allclose(image.mean(0), 3, atol=0.15)
    np.testing.assert_allclose((image - 0.5 * fresh.columns).std(0), 2, rtol=0.05)


def test_three_draws_a_condition_do_not_shrink():
    ratios = []
    for seed in range(10):
        left, right = draws(seed, 3, lambda x: x), draws(100 + seed, 3, lambda x: x + 3)
        made = fit_location_scale(left, right)
        ratios.append(
            (apply(made, left.outputs, left.columns) - left.columns).std() / (left.outputs - left.columns).std()
        )
    assert 0.85 < np.mean(ratios) < 1.25


def test_scale_may_depend_on_the_condition():
    left, right = draws(0, 60, lambda x: 0 * x), draws(1, 60, lambda x: 0 * x, lambda x: np.exp(x))
    made = fit_location_scale(left, right)
    ones = np.ones((2, 2))
    at = np.array([[-1.0], [1.0]])
    slope = apply(made, ones, at) - apply(made, 0 * ones, at)
    np.testing.assert_allclose(slope[:, 0], np.exp(at[:, 0]), rtol=0.25)


def test_conditions_need_not_be_shared():
    rng = np.random.default_rng(0)
    anchors = []
    for rows, turn in ((400, 0.0), (250, 1.0)):
        x = rng.normal(size=(rows, 2))
        level = np.stack([x[:, 0] + 2 * turn * np.cos(x[:, 0]), x[:, 1]], 1)
        anchors.append(Draws(level + 0.15 * rng.normal(size=(rows, 2)), x, np.arange(rows) + 1000 * int(turn)))
    made = fit_location_scale(*anchors)
    x = rng.normal(size=(200, 2)).clip(-1.5, 1.5)
    image = apply(made, x, x)
    expected = np.stack([x[:, 0] + 2 * np.cos(x[:, 0]), x[:, 1]], 1)
    assert np.mean((image - expected) ** 2) < 0.02


def test_heavy_tails_are_seen_and_survived():
    left, right = (draws(s, 40, lambda x, s=s: 3.0 * s + 0 * x, law="cauchy") for s in (0, 1))
    assert heavy_tails(left, right)
    assert not heavy_tails(draws(0, 40, lambda x: x), draws(1, 40, lambda x: x))
    made = fit_location_scale(left, right)
    np.testing.assert_allclose(apply(made, np.zeros((1, 2)), np.zeros((1, 1))), 3, atol=0.4)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_units_of_outputs_do_not_matter(factor):
    left, right = draws(0, 20, lambda x: x), draws(1, 20, lambda x: 2 * x, lambda x: 1.5)
    scaled = [Draws(factor * d.outputs, d.columns, d.group) for d in (left, right)]
    made, other = fit_location_scale(left, right), fit_location_scale(*scaled)
    image = apply(made, left.outputs, left.columns)
    np.testing.assert_allclose(apply(other, factor * left.outputs, left.columns), factor * image, rtol=1e-4, atol=1e-4)


def test_order_of_rows_does_not_matter():
    left, right = draws(0, 20, lambda x: x), draws(1, 20, lambda x: 2 * x)
    order = np.random.default_rng(0).permutation(len(left))
    made, other = fit_location_scale(left, right), fit_location_scale(left.select(order), right)
    np.testing.assert_allclose(
        apply(other, left.outputs, left.columns), apply(made, left.outputs, left.columns), atol=1e-6
    )


MANY = np.random.default_rng(5).normal(size=(70, 40))
DIRECTION = np.random.default_rng(6).normal(size=(40, 1)) / 40**0.5


def many_columns(seed: int, level, deviation: float) -> Draws:
    """Ten draws of one output at 70 conditions of 40 columns; level: of the one combination that matters."""
    x = np.repeat(MANY, 10, axis=0)
    noise = np.random.default_rng(seed).normal(size=(len(x), 1))
    return Draws(level(x @ DIRECTION) + deviation * noise, x, np.repeat(np.arange(len(MANY)), 10))


def along(found) -> float:
    """The cosine between the strongest combination and the true one."""
    return abs(float(found[:, 0] @ DIRECTION[:, 0] / np.linalg.norm(found[:, 0]) / np.linalg.norm(DIRECTION)))


def test_the_combinations_of_an_anchor_are_those_of_the_others():
    anchors = [many_columns(k, lambda z, k=k: z + np.tanh(2 * z) * k, 0.5) for k in range(3)]
    found = directions_without_each(anchors)
    assert min(map(along, found)) > 0.9
    other = many_columns(7, lambda z: 0 * z, 3.0)
    again = directions_without_each([anchors[0], other, anchors[2]])
    np.testing.assert_array_equal(again[1], found[1])
    assert not np.array_equal(again[0], found[0])
    few = [Draws(a.outputs, a.columns[:, :2], a.group) for a in anchors]
    assert directions_without_each(few) == [None] * 3


def test_combinations_of_other_anchors_help_where_columns_are_many():
    anchors = [
        many_columns(0, lambda z: z, 0.2),
        many_columns(1, lambda z: 1.5 * np.tanh(3 * z), 0.3),
        many_columns(2, lambda z: 3 * np.tanh(3 * z), 0.6),
    ]
    unseen = np.random.default_rng(9).normal(size=(400, 40))
    z = unseen @ DIRECTION
    errors = []
    for directions in (directions_without_each(anchors)[1:], [None, None]):
        made = fit_location_scale(anchors[1], anchors[2], directions=directions)
        errors.append(np.mean((apply(made, 1.5 * np.tanh(3 * z), unseen) - 3 * np.tanh(3 * z)) ** 2))
    assert errors[0] < 0.5 * errors[1]
