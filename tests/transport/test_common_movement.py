"""Anchors with few draws: equal movement over the clock where noise explains the rest, their own levels where not."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.transport.common_movement import share_movement
from pipeline.transport.location_scale import Draws, fit_location_scale

KNOTS = np.array([0.0, 0.3, 1.0])
NONE = torch.zeros(1, 0, dtype=torch.float64)


def anchors_of(levels, seed: int, draws: int = 3) -> list[Draws]:
    """Draws of one condition without columns, deviation 0.3, about levels (K + 1, D)."""
    rng = np.random.default_rng(seed)
    group = np.zeros(draws, np.intp)
    return [Draws(v + 0.3 * rng.normal(size=(draws, len(v))), np.zeros((draws, 0)), group) for v in levels]


def errors(levels, seed: int, draws: int = 3) -> np.ndarray:
    """Squared errors of the two maps' movements, without and with shared movement: (2,)."""
    anchors = anchors_of(levels, seed, draws)
    maps = [fit_location_scale(anchors[k], anchors[k + 1]) for k in range(2)]
    centres = [torch.tensor(a.outputs.mean(0)[None]) for a in anchors[:2]]

    def error() -> float:
        moved = [(m(y, NONE) - y)[0].numpy() for m, y in zip(maps, centres, strict=True)]
        return float(np.square(moved - np.diff(levels, axis=0)).sum())

    before = error()
    share_movement(maps, anchors, KNOTS)
    return np.array([before, error()])


def test_noise_is_shared_out_where_the_movement_is_even():
    levels = np.outer(KNOTS, [3.0, 0.0])
    found = np.mean([errors(levels, seed) for seed in range(40)], axis=0)
    assert found[1] < 0.6 * found[0]


def test_levels_that_noise_does_not_explain_stay():
    levels = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    for seed in range(5):
        before, after = errors(levels, seed)
        assert after == pytest.approx(before, rel=0.05, abs=1e-3)


def test_many_draws_are_hardly_moved():
    for levels in (np.outer(KNOTS, [3.0, 0.0]), np.array([[0.0, 0.0], [0.5, 0.2], [1.0, 0.0]])):
        before, after = errors(levels, 0, draws=2000)
        assert after < before + 1e-4


def test_what_tells_no_noise_is_left_alone():
    levels = np.outer(KNOTS, [3.0, 0.0])
    for anchors in (
        anchors_of(levels, 0, draws=1),  # one draw a condition
        anchors_of(levels[:2], 0),  # two anchors
        [Draws(a.outputs, a.columns, a.group + k) for k, a in enumerate(anchors_of(levels, 0))],  # not shared
    ):
        maps = [fit_location_scale(a, b) for a, b in pairwise(anchors)]
        kept = [m.shift.intercept.clone() for m in maps]
        share_movement(maps, anchors, KNOTS[: len(anchors)])
        assert all(torch.equal(m.shift.intercept, k) for m, k in zip(maps, kept, strict=True))


def test_a_move_with_a_kernel_comes_after_the_correction():
    (left, right), y = anchors_of(np.zeros((2, 2)), 0, draws=30), torch.randn(5, 2, dtype=torch.float64)
    made = fit_location_scale(left, right)
    columns = torch.zeros(5, 0, dtype=torch.float64)
    change = torch.tensor([1.0, -2.0], dtype=torch.float64)
    for kernel in (False, True):
        if kernel:
            made.centres, made.weights = torch.randn(3, 2).double(), torch.randn(3, 2).double()
            made.correction = torch.randn(2, 2).double()
        before = made(y, columns)
        made.move(change)
        torch.testing.assert_close(made(y, columns), before + change)
