import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.path import LENGTH_PIECES, PathNetwork, SplineBasis, _cumulative_simpson, evaluate_spline
from tests.problems import UNCONDITIONAL, no_condition

FUNCTIONS = [2, 3, 8, 17]


def network(dimension=2, shape=UNCONDITIONAL, functions=8, bend=0.3) -> PathNetwork:
    generator = torch.Generator().manual_seed(0)
    made = PathNetwork(dimension, shape, (16, 16), functions, generator)
    made.network.last.weight.data.normal_(0, bend, generator=generator)
    return made


def ends(rows=9, dimension=2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, dimension, generator=generator), torch.randn(rows, dimension, generator=generator)


@pytest.mark.parametrize("functions", FUNCTIONS)
def test_basis_vanishes_at_both_ends_exactly(functions):
    values, _ = SplineBasis(functions)(torch.tensor([0.0, 1.0]))
    assert torch.equal(values, torch.zeros(2, functions))


@pytest.mark.parametrize("functions", FUNCTIONS)
def test_basis_is_scipy_s_b_splines_but_the_first_and_the_last(functions):
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, functions), np.ones(3)])
    times = np.linspace(0, 1, 101)
    expected = BSpline.design_matrix(times, knots, 3).toarray()
    np.testing.assert_allclose(expected.sum(1), 1)  # all of them are a partition of 1
    values, _ = SplineBasis(functions)(torch.tensor(times, dtype=torch.float32))
    np.testing.assert_allclose(values.numpy(), expected[:, 1:-1], atol=2e-6)


@pytest.mark.parametrize("functions", FUNCTIONS)
def test_derivative_is_that_of_the_values(functions):
    basis = SplineBasis(functions).double()
    times = torch.linspace(0.011, 0.987, 50, dtype=torch.float64)
    _, slopes = torch.func.jvp(lambda t: basis(t)[0], (times,), (torch.ones_like(times),))
    torch.testing.assert_close(basis(times)[1], slopes)
    step = 1e-6
    differences = (basis(times + step)[0] - basis(times - step)[0]) / (2 * step)
    torch.testing.assert_close(basis(times)[1], differences, rtol=1e-5, atol=1e-3)


def test_cubics_that_vanish_at_the_ends_are_represented_exactly():
    basis = SplineBasis(8).double()
    times = torch.linspace(0, 1, 60, dtype=torch.float64)
    cubic = times * (1 - times) * (2 - 3 * times)
    solution = torch.linalg.lstsq(basis(times)[0], cubic[:, None]).solution
    torch.testing.assert_close((basis(times)[0] @ solution)[:, 0], cubic, rtol=0, atol=1e-7)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_paths_end_at_their_ends_bit_for_bit(dimension):
    start, end = ends(50, dimension)
    paths = network(dimension)
    positions = torch.tensor([0.0, 0.5, 1.0])
    points, _ = paths(start, end, no_condition(50), positions)
    uniform = paths.at_positions(start, end, no_condition(50), positions)
    for found in (points, uniform):
        assert torch.equal(found[:, 0], start)
        assert torch.equal(found[:, 2], end)
        assert (found[:, 1] - (start + end) / 2).abs().max() > 0.05  # the path is bent


def test_velocity_is_the_derivative_of_the_points():
    start, end = (v.double() for v in ends())
    paths = network().double()
    times = torch.linspace(0.01, 0.99, 20, dtype=torch.float64)
    points, velocities = torch.func.jvp(
        lambda t: paths(start, end, no_condition(9, torch.float64), t)[0], (times,), (torch.ones_like(times),)
    )
    torch.testing.assert_close(paths(start, end, no_condition(9, torch.float64), times), (points, velocities))


def test_times_may_differ_by_row():
    start, end = ends()
    paths = network()
    times = torch.rand(9, 4, generator=torch.Generator().manual_seed(3))
    together, _ = paths(start, end, no_condition(9), times)
    for i in range(9):
        alone, _ = paths(start[i : i + 1], end[i : i + 1], no_condition(1), times[i])
        torch.testing.assert_close(together[i], alone[0])


def test_untrained_paths_are_straight_lines_at_constant_speed():
    start, end = ends()
    paths = PathNetwork(2, UNCONDITIONAL, (16,), 8, torch.Generator().manual_seed(0))
    times = torch.linspace(0, 1, 7)
    points, velocities = paths(start, end, no_condition(9), times)
    difference = (end - start).unsqueeze(1)
    torch.testing.assert_close(points, start.unsqueeze(1) + times[:, None] * difference)
    torch.testing.assert_close(velocities, difference.expand(-1, 7, -1))
    torch.testing.assert_close(paths.at_positions(start, end, no_condition(9), times), points)


def test_ends_that_agree_make_a_path_that_stays():
    start, _ = ends()
    points, velocities = network()(start, start, no_condition(9), torch.linspace(0, 1, 5))
    torch.testing.assert_close(points, start.unsqueeze(1).expand(-1, 5, -1), rtol=0, atol=1e-5)
    assert velocities.abs().max() < 1e-4
    positions = network().at_positions(start, start, no_condition(9), torch.linspace(0, 1, 5))
    torch.testing.assert_close(positions, start.unsqueeze(1).expand(-1, 5, -1), rtol=0, atol=1e-5)


def test_gradient_is_finite_where_the_ends_agree():
    start = torch.zeros(3, 2, requires_grad=True)
    points, _ = network()(start, torch.zeros(3, 2), no_condition(3), torch.linspace(0, 1, 5))
    points.sum().backward()
    assert torch.isfinite(start.grad).all()


@pytest.mark.parametrize(("bend", "tolerance"), [(0.02, 5e-3), (0.15, 2e-2)])
def test_positions_are_shares_of_the_path_s_length(bend, tolerance):
    start, end = ends()
    paths = network(bend=bend)
    shares = torch.tensor([0.1, 0.3, 0.5, 0.8])
    found = paths.at_positions(start, end, no_condition(9), shares)
    fine, _ = paths(start, end, no_condition(9), torch.linspace(0, 1, 4001))
    lengths = torch.cumsum((fine[:, 1:] - fine[:, :-1]).norm(dim=-1), 1)
    for m, share in enumerate(shares):
        nearest = (fine[:, 1:] - found[:, m : m + 1]).norm(dim=-1).argmin(1)
        reached = lengths.gather(1, nearest[:, None])[:, 0] / lengths[:, -1]
        torch.testing.assert_close(reached, share.expand(9), rtol=0, atol=tolerance)


def test_later_positions_are_never_reached_earlier():
    """Also on a line that is passed with stops and steps back, whose speed is 0 in between."""
    start, end = torch.zeros(200, 1), torch.ones(200, 1)
    wild = 0.6 * torch.randn(200, 8, 1, generator=torch.Generator().manual_seed(5))
    paths = network(1)
    times = paths._times(end - start, wild, torch.linspace(0, 1, 101).expand(200, -1))
    assert (times.diff(dim=1) >= -1e-6).all()
    assert ((times >= 0) & (times <= 1)).all()


def test_simpson_s_rule_is_exact_for_cubic_speeds():
    times = torch.linspace(0, 1, 2 * LENGTH_PIECES + 1)
    ends_of_pieces = times[::2]
    lengths = (1 + 4 * times**3 - times) @ _cumulative_simpson(LENGTH_PIECES)
    torch.testing.assert_close(lengths, ends_of_pieces + ends_of_pieces**4 - 0.5 * ends_of_pieces**2)


def test_positions_may_differ_by_row():
    start, end = ends()
    paths = network()
    shares = torch.rand(9, 3, generator=torch.Generator().manual_seed(4)).sort(1).values
    together = paths.at_positions(start, end, no_condition(9), shares)
    for i in range(9):
        alone = paths.at_positions(start[i : i + 1], end[i : i + 1], no_condition(1), shares[i])
        torch.testing.assert_close(together[i], alone[0], rtol=1e-4, atol=1e-5)


def test_paths_depend_on_values_and_categories():
    start, end = ends(3)
    paths = network(shape=ConditionShape(1, (3,)))
    base = Condition(torch.zeros(3, 1), torch.zeros(3, 1, dtype=torch.long))
    times = torch.tensor([0.5])
    for other in (Condition(torch.ones(3, 1), base.codes), Condition(base.values, torch.ones(3, 1, dtype=torch.long))):
        difference = paths(start, end, other, times)[0] - paths(start, end, base, times)[0]
        assert difference.norm(dim=-1).min() > 1e-4


def test_spline_is_linear_in_its_coefficients():
    start, end = ends()
    basis, times = SplineBasis(5), torch.linspace(0, 1, 11)
    by_row = times.expand(9, -1)
    c = torch.randn(2, 9, 5, 2, generator=torch.Generator().manual_seed(6))
    straight, _ = evaluate_spline(start, end, torch.zeros(9, 5, 2), basis, times)
    first, second, both = (evaluate_spline(start, end, k, basis, times)[0] for k in (c[0], c[1], c[0] + c[1]))
    torch.testing.assert_close(both - straight, first + second - 2 * straight, rtol=1e-4, atol=1e-5)
    for same, other in zip(
        evaluate_spline(start, end, c[0], basis, times), evaluate_spline(start, end, c[0], basis, by_row), strict=True
    ):
        torch.testing.assert_close(same, other)
