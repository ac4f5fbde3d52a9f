"""The law of the great circles: what is claimed to be the truth is."""

import numpy as np
import pytest
from scipy.special import i0, i1

from benchmarks.high_dimension import (
    CATEGORIES,
    CONCENTRATION,
    RADIUS_SPREAD,
    THICKNESS,
    VARIANTS,
    GreatCircles,
    errors,
)
from pipeline.evaluation.methods.catalog import baselines

DIMENSIONS = pytest.mark.parametrize("dimension", [8, 16, 64])


@DIMENSIONS
def test_planes_are_orthonormal_and_apart(dimension):
    frame = GreatCircles(dimension).frame
    np.testing.assert_allclose(frame.T @ frame, np.eye(2 * CATEGORIES), atol=1e-12)


@DIMENSIONS
def test_mean_stands_on_the_great_circle_at_half_a_turn_s(dimension):
    truth, s = GreatCircles(dimension), 0.3
    y = truth.draw(1, s, 40_000, np.random.default_rng(0))
    # E r exp(ia) = exp(σ²/2) I1(κ)/I0(κ) exp(iπs).
    length = np.exp(RADIUS_SPREAD**2 / 2) * i1(CONCENTRATION) / i0(CONCENTRATION)
    expected = truth.plane(1) @ [length * np.cos(np.pi * s), length * np.sin(np.pi * s)]
    np.testing.assert_allclose(y.mean(0), expected, atol=0.02)


@DIMENSIONS
def test_manifold_is_equally_thick_in_any_dimension(dimension):
    truth = GreatCircles(dimension)
    y = truth.draw(2, 0.5, 20_000, np.random.default_rng(1))
    plane = truth.plane(2)
    outside = y - y @ plane @ plane.T
    assert np.sqrt((outside**2).sum(1).mean()) == pytest.approx(THICKNESS, rel=0.02)
    radius = np.linalg.norm(y @ plane, axis=1)
    assert np.log(radius).std() == pytest.approx(RADIUS_SPREAD, rel=0.02)


def test_turn_is_a_rotation_of_the_plane_alone():
    truth = GreatCircles(16)
    y = truth.draw(3, 0.0, 50, np.random.default_rng(2))
    turned = truth.turn(y, 3, 0.4)
    plane = truth.plane(3)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(y, axis=1))
    np.testing.assert_allclose(turned - turned @ plane @ plane.T, y - y @ plane @ plane.T, atol=1e-12)
    angle = np.angle((turned @ plane) @ [1, 1j] / ((y @ plane) @ [1, 1j]))
    np.testing.assert_allclose(angle, 0.4)
    np.testing.assert_allclose(truth.turn(turned, 3, -0.4), y, atol=1e-12)


def test_turned_start_is_distributed_as_the_truth():
    truth = GreatCircles(8)
    start = truth.draw(0, 0.0, 20_000, np.random.default_rng(3))
    turned, fresh = truth.turn(start, 0, np.pi * 0.25), truth.draw(0, 0.25, 20_000, np.random.default_rng(4))
    np.testing.assert_allclose(turned.mean(0), fresh.mean(0), atol=0.02)
    np.testing.assert_allclose(np.cov(turned.T), np.cov(fresh.T), atol=0.01)


def test_radius_is_one_on_the_circle_and_half_the_chord_inside():
    truth = GreatCircles(16)
    u, v = truth.plane(1).T
    conditions = np.full((1, 1), 1.0)
    assert truth.radius(u[None], conditions) == pytest.approx(1)
    assert truth.radius((u + v)[None] / 2, conditions) == pytest.approx(np.sqrt(0.5))


@pytest.mark.slow
def test_scores_hold_every_row_and_the_floor_is_its_own_unit(monkeypatch):
    from pipeline.surrogate.config import SurrogateConfig

    quick = SurrogateConfig(variant="K_I", map_steps=5, density_samples=50)
    monkeypatch.setattr("benchmarks.high_dimension.SurrogateConfig", lambda variant: quick)
    rows = errors(16, VARIANTS[0], 0, samples=20, redraws=1)
    assert {VARIANTS[0], "transport", "floor", *(m.name for m in baselines() if m.sample)} == set(rows)
    assert rows["floor"]["ratio"] == 1
    assert rows["left_anchor"]["w2"] > rows["straight_line"]["w2"] > rows["floor"]["w2"]
