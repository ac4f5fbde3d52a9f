"""Circular values and probabilities: turns, arcs, and the projection onto the simplex."""

import numpy as np
import pytest
import torch

from pipeline.transport.column_kinds import nearest_turn, on_circles, squared_arcs, to_simplex, wrapped

RNG = np.random.default_rng(0)
FORMS = [np.asarray, torch.as_tensor]


@pytest.mark.parametrize("form", FORMS)
def test_the_nearest_turn_is_the_same_direction_and_half_a_period_away_at_most(form):
    values, reference = RNG.uniform(-900, 900, (2, 200, 2))
    found = np.asarray(nearest_turn(form(values), form(reference), form(np.array([360.0, 0.0]))))
    assert (np.abs(found[:, 0] - reference[:, 0]) <= 180).all()
    np.testing.assert_allclose(np.cos(np.radians(found[:, 0])), np.cos(np.radians(values[:, 0])), atol=1e-9)
    np.testing.assert_array_equal(found[:, 1], values[:, 1])


@pytest.mark.parametrize("form", FORMS)
def test_wrapped_values_lie_in_one_period(form):
    values = RNG.uniform(-50, 50, (200, 2))
    found = np.asarray(wrapped(form(values), form(np.array([2.0, 0.0])), form(np.array([3.0, 0.0]))))
    assert ((found[:, 0] >= 2) & (found[:, 0] < 5)).all()
    np.testing.assert_allclose((found[:, 0] - values[:, 0]) % 3 % 3, 0, atol=1e-9)
    np.testing.assert_array_equal(found[:, 1], values[:, 1])


def test_squared_arcs_make_squared_distances_those_of_the_short_way():
    degrees, period = np.array([[350.0, 1.0], [90.0, 2.0]]), np.array([360.0, 0.0])
    plain = ((degrees[:, None] - degrees[None]) ** 2).sum(-1)
    both = plain + squared_arcs(degrees, degrees, period)
    np.testing.assert_allclose(both, [[0, 100.0**2 + 1], [100.0**2 + 1, 0]])


def test_on_circles_small_turns_are_as_long_as_their_arcs_and_half_turns_a_diameter():
    degrees, period = np.array([[359.0, 1.0], [1.0, 1.0], [181.0, 4.0]]), np.array([360.0, 0.0])
    points = on_circles(degrees, period)
    assert points.shape == (3, 3)
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(2.0, rel=1e-3)
    assert np.linalg.norm(points[1] - points[2]) == pytest.approx(np.hypot(360 / np.pi, 3.0))
    np.testing.assert_array_equal(on_circles(degrees, np.zeros(2)), degrees)


@pytest.mark.parametrize("form", FORMS)
def test_probabilities_project_onto_themselves(form):
    p = RNG.dirichlet([0.2] * 5, 300)
    p[0] = [1, 0, 0, 0, 0]
    np.testing.assert_allclose(np.asarray(to_simplex(form(p))), p, atol=1e-15)


@pytest.mark.parametrize("form", FORMS)
def test_the_projection_is_the_nearest_point_of_the_simplex(form):
    """Its optimality: no vertex, hence no point of the simplex, lies in a direction that is nearer."""
    values = RNG.normal(0.2, 1, (300, 5))
    found = np.asarray(to_simplex(form(values)))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)
    assert (found >= 0).all()
    towards = np.eye(5)[None] - found[:, None]
    assert ((values - found)[:, None] * towards).sum(-1).max() <= 1e-12
