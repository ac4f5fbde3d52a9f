from itertools import pairwise

import pytest
import torch

from pipeline.transport.c_transform import minimise_batched
from tests.problems import QuadraticDual


def starts(rows=20, dimension=3) -> torch.Tensor:
    return torch.randn(rows, dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def half_square(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return 0.5 * (a - b).square().sum(-1)


@pytest.mark.parametrize("a", [0.0, 0.5, 3.0, -0.4])
@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_c_transform_of_a_quadratic_is_its_closed_form(a, dimension):
    y = starts(dimension=dimension)
    dual = QuadraticDual(a, torch.linspace(1, 2, dimension, dtype=torch.float64))
    found = minimise_batched(lambda point: half_square(y, point) - dual(point), y, 10)
    torch.testing.assert_close(found.points, dual.minimiser(y), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.values, dual.conjugate(y), rtol=0, atol=1e-9)


def test_one_step_is_exact_where_the_dual_is_linear():
    y, slope = starts(), torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    found = minimise_batched(lambda point: half_square(y, point) - point @ slope, y, 1)
    torch.testing.assert_close(found.points, y + slope)


def test_steps_of_bfgs_reach_a_skewed_quadratic_s_minimum_where_gradient_steps_do_not():
    stretch = torch.tensor([1.0, 5.0, 25.0], dtype=torch.float64)
    found = minimise_batched(lambda point: 0.5 * (stretch * (point - 1).square()).sum(-1), starts(), 25)
    torch.testing.assert_close(found.points, torch.ones(20, 3, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("iterations", [0, 1, 3, 10])
def test_value_never_rises(iterations):
    def rough(point: torch.Tensor) -> torch.Tensor:
        return torch.sin(5 * point).sum(-1) + 0.1 * point.square().sum(-1) + (point[:, 0] * point[:, 1]).abs()

    start = starts(200)
    found = minimise_batched(rough, start, iterations)
    assert (found.values <= rough(start) + 1e-12).all()
    torch.testing.assert_close(found.values, rough(found.points))


def test_more_steps_end_no_higher():
    def valley(point: torch.Tensor) -> torch.Tensor:
        return (1 - point[:, 0]).square() + 20 * (point[:, 1] - point[:, 0].square()).square()

    start = starts(50, 2)
    values = [minimise_batched(valley, start, steps).values for steps in (0, 1, 2, 4, 8, 60)]
    for fewer, more in pairwise(values):
        assert (more <= fewer + 1e-12).all()
    assert values[-1].median() < 1e-6


def test_rows_are_independent():
    centre = starts(6)

    def bowl(rows: slice):
        return lambda point: (point - centre[rows]).square().sum(-1).pow(1.5)

    together = minimise_batched(bowl(slice(None)), 3 * centre, 4)
    for i in range(6):
        alone = minimise_batched(bowl(slice(i, i + 1)), 3 * centre[i : i + 1], 4)
        torch.testing.assert_close(together.points[i], alone.points[0])


def test_wall_of_infinity_is_not_crossed():
    def walled(point: torch.Tensor) -> torch.Tensor:
        return torch.where(point[:, 0] < 1, -10 * point[:, 0], torch.inf)

    start = torch.zeros(3, 1, dtype=torch.float64)
    found = minimise_batched(walled, start, 5)
    assert torch.isfinite(found.points).all()
    assert (found.points < 1).all()


def test_result_has_no_gradient():
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    found = minimise_batched(lambda point: (weight * point.square()).sum(-1), starts(), 2)
    assert not found.points.requires_grad
    assert not found.values.requires_grad
    assert weight.grad is None
