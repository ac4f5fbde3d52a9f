import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.transport.lagrangian import Lagrangian
from pipeline.transport.metric import EuclideanMetric, GivensMetric
from pipeline.transport.path import PathNetwork
from pipeline.transport.potential import Density, KernelPotential
from tests.problems import UNCONDITIONAL, ConformalMetric, StereographicSphere, no_condition


def lagrangian(metric=None, potential=None, points=12) -> Lagrangian:
    return Lagrangian(metric or EuclideanMetric(), potential, points).double()


def ends(rows=6, dimension=2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(rows, dimension, generator=generator, dtype=torch.float64)
    return start, torch.randn(rows, dimension, generator=generator, dtype=torch.float64)


def line(start, end, times, speed=lambda t: (t, torch.ones_like(t))) -> tuple[torch.Tensor, torch.Tensor]:
    """A straight line run through as `speed` (position, its derivative) says."""
    position, rate = speed(times)
    difference = (end - start).unsqueeze(1)
    return start.unsqueeze(1) + position[:, None] * difference, rate[:, None] * difference


@pytest.mark.parametrize("points", [2, 3, 5, 12])
def test_quadrature_is_exact_for_polynomials_up_to_twice_its_points(points):
    rule = Lagrangian(EuclideanMetric(), None, points)
    nodes, weights = rule.nodes.double(), rule.node_weights.double()
    for power in range(2 * points):
        assert (weights @ nodes**power).item() == pytest.approx(1 / (power + 1), abs=1e-6)
    assert abs((weights @ nodes ** (2 * points)).item() - 1 / (2 * points + 1)) > 1e-9 or points > 6


def test_action_of_the_straight_line_is_half_the_squared_distance():
    start, end = ends(dimension=5)
    rule = lagrangian()
    action = rule.action(*line(start, end, rule.nodes), no_condition(6))
    torch.testing.assert_close(action, 0.5 * (end - start).square().sum(-1), rtol=1e-6, atol=0)


def test_constant_speed_is_the_cheapest_way_along_a_line():
    start, end = ends()
    rule = lagrangian()
    least = rule.action(*line(start, end, rule.nodes), no_condition(6))
    # ∫ (2t)² = 4/3, ∫ (3t²)² = 9/5: energies know the speed.
    squared = rule.action(*line(start, end, rule.nodes, lambda t: (t**2, 2 * t)), no_condition(6))
    cubed = rule.action(*line(start, end, rule.nodes, lambda t: (t**3, 3 * t**2)), no_condition(6))
    torch.testing.assert_close(squared, 4 / 3 * least, rtol=1e-6, atol=0)
    torch.testing.assert_close(cubed, 9 / 5 * least, rtol=1e-6, atol=0)


def test_action_of_a_great_circle_is_half_the_squared_angle():
    sphere = StereographicSphere()
    start, end = ends()
    rule = lagrangian(sphere, points=24)
    action = rule.action(*sphere.great_circle(start, end, rule.nodes), no_condition(6))
    torch.testing.assert_close(action, 0.5 * sphere.distance(start, end).square(), rtol=1e-5, atol=0)


def test_great_circle_costs_less_than_the_straight_line():
    sphere = StereographicSphere()
    start, end = ends()
    rule = lagrangian(sphere, points=24)
    straight = rule.action(*line(start, end, rule.nodes), no_condition(6))
    assert (straight > 0.5 * sphere.distance(start, end).square()).all()


def test_action_along_a_geodesic_is_the_energy_at_its_start():
    # K is conserved, so that the action is ½ f(q0) |v0|².
    metric = ConformalMetric(2.0)
    start, velocity = ends()
    rule = lagrangian(metric, points=24)
    action = rule.action(*metric.geodesic(start, velocity, rule.nodes), no_condition(6))
    expected = metric.kinetic(start.unsqueeze(1), velocity.unsqueeze(1), no_condition(6))[:, 0]
    torch.testing.assert_close(action, expected, rtol=1e-5, atol=0)


def test_quadrature_converges_faster_than_any_power():
    sphere = StereographicSphere()
    start = torch.tensor([[1.0, 0.2]], dtype=torch.float64)
    end = torch.tensor([[-0.6, 0.9]], dtype=torch.float64)

    def error(points: int) -> float:
        nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(points))
        rule = lagrangian(sphere, points=points)
        rule.nodes, rule.node_weights = (nodes + 1) / 2, weights / 2  # in float64, or rounding hides the order
        found = rule.action(*line(start, end, rule.nodes), no_condition(1))
        return abs(found.item() - reference)

    reference = 0.0
    reference = error(40)
    errors = [error(points) for points in (2, 4, 8, 16)]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert orders[0] > 2
    assert orders[1] > orders[0]
    assert orders[2] > orders[1]
    assert errors[2] < 1e-4  # already 8 points, fewer than the shipped setting, are exact to four digits


def test_potential_is_subtracted():
    density = Density.of(torch.zeros(1, 2), no_condition(1), 1.0, 1.0)
    potential = KernelPotential(density, 0.5).double()
    rule = lagrangian(potential=potential)
    here = torch.zeros(1, 12, 2, dtype=torch.float64)
    action = rule.action(here, torch.zeros_like(here), no_condition(1))
    assert action.item() == pytest.approx(-0.5 * math.log(1 / (2 * math.pi) + 1e-8), rel=1e-6)


def test_passing_through_dense_regions_is_cheap():
    support = torch.stack([torch.linspace(-1, 1, 60), torch.full((60,), 0.6)], 1)
    potential = KernelPotential(Density.of(support, no_condition(60), 0.1, 1.0), 0.05)
    rule = lagrangian(potential=potential)
    start = torch.tensor([[-1.0, 0.6]], dtype=torch.float64)
    end = torch.tensor([[1.0, 0.6]], dtype=torch.float64)
    through = rule.action(*line(start, end, rule.nodes), no_condition(1))
    beside = rule.action(*line(start - 1, end - 1, rule.nodes), no_condition(1))
    assert through.item() < beside.item()


@pytest.mark.parametrize("metric", ["euclidean", "sphere", "learnt"])
def test_reversed_path_has_the_same_action(metric):
    generator = torch.Generator().manual_seed(0)
    learnt = GivensMetric(2, UNCONDITIONAL, (16,), (0.1, 1.0), generator)
    learnt.network.last.weight.data.normal_(0, 1, generator=generator)
    chosen = {"euclidean": EuclideanMetric(), "sphere": StereographicSphere(), "learnt": learnt}[metric]
    potential = KernelPotential(Density.of(torch.randn(30, 2), no_condition(30), 0.3, 1.0), 0.1)
    rule = lagrangian(chosen, potential)
    paths = PathNetwork(2, UNCONDITIONAL, (16,), 8, generator).double()
    paths.network.last.weight.data.normal_(0, 0.5, generator=generator)
    points, velocities = paths(*ends(), no_condition(6, torch.float64), rule.nodes)
    there = rule.action(points, velocities, no_condition(6, torch.float64))
    back = rule.action(points.flip(1), -velocities.flip(1), no_condition(6, torch.float64))
    torch.testing.assert_close(there, back, rtol=1e-6, atol=1e-9)
