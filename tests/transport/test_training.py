"""Least-action paths against geodesics that are known: `PathTrainer` on metrics whose answer is exact."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.lagrangian import Lagrangian
from pipeline.transport.metric import EuclideanMetric, GivensMetric
from pipeline.transport.path import PathNetwork
from pipeline.transport.potential import Density, KernelPotential
from pipeline.transport.training import PathTrainer, one_cycle
from tests.problems import UNCONDITIONAL, ConformalMetric, StereographicSphere, no_condition

TIMES = torch.linspace(0, 1, 21)
STEPS = 1000


def draw(rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ends left and right above the origin: near enough for one shortest path, far enough for it to bend."""
    low, high = torch.tensor([-1.0, 0.2]), torch.tensor([-0.5, 0.8])
    start = low + (high - low) * torch.rand(rows, 2, generator=generator)
    end = low + (high - low) * torch.rand(rows, 2, generator=generator)
    return start, end * torch.tensor([-1.0, 1.0])


def train(metric: Any, potential=None, steps=STEPS, points=16) -> PathTrainer:
    """Paths of least action between random ends."""
    generator = torch.Generator().manual_seed(0)
    config = SurrogateConfig(path_learning_rate=5e-3, metric_learning_rate=1e-2)
    paths = PathNetwork(2, UNCONDITIONAL, (64, 64), 8, generator)
    trainer = PathTrainer(Lagrangian(metric, potential, points), paths, config, steps)
    for _ in range(steps):
        start, end = draw(128, generator)
        trainer.descend(trainer.action(start, end, no_condition(128)).mean())
    return trainer


def unseen() -> tuple[Tensor, Tensor]:
    return draw(64, torch.Generator().manual_seed(1))


def root_mean_square(difference: Tensor) -> float:
    return difference.square().sum(-1).mean().sqrt().item()


@pytest.fixture(scope="module")
def on_the_sphere() -> PathTrainer:
    return train(StereographicSphere())


@pytest.fixture(scope="module")
def over_the_hill() -> PathTrainer:
    return train(ConformalMetric(1.0))


@pytest.mark.slow
def test_paths_on_the_sphere_are_great_circles(on_the_sphere):
    sphere = StereographicSphere()
    start, end = unseen()
    exact, _ = sphere.great_circle(start, end, TIMES)
    with torch.no_grad():
        found, _ = on_the_sphere.paths(start, end, no_condition(64), TIMES)
    straight = start.unsqueeze(1) + TIMES[:, None] * (end - start).unsqueeze(1)
    assert root_mean_square(found - exact) < 0.05 * root_mean_square(straight - exact)


@pytest.mark.slow
def test_least_action_on_the_sphere_is_half_the_squared_angle(on_the_sphere):
    start, end = unseen()
    with torch.no_grad():
        found = on_the_sphere.action(start, end, no_condition(64))
    exact = 0.5 * StereographicSphere().distance(start, end).square()
    torch.testing.assert_close(found, exact, rtol=5e-3, atol=0)


@pytest.mark.slow
def test_least_action_is_the_same_there_and_back(on_the_sphere):
    start, end = unseen()
    with torch.no_grad():
        there, velocities = on_the_sphere.paths(start, end, no_condition(64), on_the_sphere.lagrangian.nodes)
        forth = on_the_sphere.lagrangian.action(there, velocities, no_condition(64))
        back = on_the_sphere.lagrangian.action(there.flip(1), -velocities.flip(1), no_condition(64))
    torch.testing.assert_close(forth, back, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_paths_over_the_hill_solve_the_euler_lagrange_equation(over_the_hill):
    """From the start and the velocity there, the equation is integrated to the end: it gives the very path."""
    metric = ConformalMetric(1.0)
    start, end = (v.double() for v in unseen())

    # The velocity that reaches the end, by Newton from the path's own.
    with torch.no_grad():
        _, velocities = over_the_hill.paths(start.float(), end.float(), no_condition(64), torch.zeros(1))
    velocity = velocities[:, 0].double()
    last = torch.ones(1, dtype=torch.float64)
    for _ in range(6):
        missed = metric.geodesic(start, velocity, last)[0][:, 0] - end
        columns = []
        for i in range(2):
            step = torch.zeros(2, dtype=torch.float64)
            step[i] = 1e-5
            columns.append((metric.geodesic(start, velocity + step, last)[0][:, 0] - end - missed) / 1e-5)
        velocity = velocity - torch.linalg.solve(torch.stack(columns, -1), missed)
    exact, _ = metric.geodesic(start, velocity, TIMES.double())
    assert (exact[:, -1] - end).abs().max() < 1e-6

    with torch.no_grad():
        found, _ = over_the_hill.paths(start.float(), end.float(), no_condition(64), TIMES)
    straight = start.unsqueeze(1) + TIMES.double()[:, None] * (end - start).unsqueeze(1)
    assert root_mean_square(found - exact) < 0.1 * root_mean_square(straight - exact)


@pytest.mark.slow
def test_energy_is_conserved_along_a_learnt_path(over_the_hill):
    start, end = unseen()
    with torch.no_grad():
        points, velocities = over_the_hill.paths(start, end, no_condition(64), TIMES)
        kinetic = ConformalMetric(1.0).kinetic(points, velocities, no_condition(64))
    assert (kinetic.std(1) / kinetic.mean(1)).max() < 0.1


def test_euclidean_paths_stay_straight():
    trainer = train(EuclideanMetric(), steps=60)
    start, end = unseen()
    with torch.no_grad():
        found, _ = trainer.paths(start, end, no_condition(64), TIMES)
    straight = start.unsqueeze(1) + TIMES[:, None] * (end - start).unsqueeze(1)
    assert (found - straight).abs().max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("pull", [0.0, 1.0, 3.0])
def test_potential_of_one_sample_gives_its_closed_form(pull):
    """U = −½ ω² |q|² + const, so that q̈ = ω² q: q = (y0 sinh ω(1 − t) + y1 sinh ωt) / sinh ω; straight for ω = 0."""
    one = Density.of(torch.zeros(1, 2), no_condition(1), 1.0, 1.0)
    trainer = train(EuclideanMetric(), KernelPotential(one, pull**2), steps=STEPS if pull else 100)
    start, end = unseen()
    with torch.no_grad():
        found, _ = trainer.paths(start, end, no_condition(64), TIMES)
    weights = torch.stack([1 - TIMES, TIMES])
    if pull:
        weights = torch.sinh(pull * weights) / torch.sinh(torch.tensor(pull))
    exact = weights[0, :, None] * start.unsqueeze(1) + weights[1, :, None] * end.unsqueeze(1)
    straight = start.unsqueeze(1) + TIMES[:, None] * (end - start).unsqueeze(1)
    assert root_mean_square(found - exact) < 0.05 * root_mean_square(straight - exact) + 0.01


@pytest.mark.slow
def test_energy_with_a_potential_is_k_plus_u():
    one = Density.of(torch.zeros(1, 2), no_condition(1), 1.0, 1.0)
    potential = KernelPotential(one, 9.0)
    trainer = train(EuclideanMetric(), potential)
    start, end = unseen()
    with torch.no_grad():
        points, velocities = trainer.paths(start, end, no_condition(64), TIMES)
        kinetic = 0.5 * velocities.square().sum(-1)
        total = kinetic + potential(points, no_condition(64))
    assert (total.std(1) / kinetic.std(1)).median() < 0.1  # slow where samples are dense


def test_metric_makes_the_observed_direction_cheap_within_its_budget():
    """All moves go along (1, 1): the cheap eigenvector turns there, and reaches what the budget allows."""
    generator = torch.Generator().manual_seed(0)
    metric = GivensMetric(2, UNCONDITIONAL, (32,), (0.1, 1.0), generator)
    config = SurrogateConfig(metric_learning_rate=2e-2)
    paths = PathNetwork(2, UNCONDITIONAL, (16,), 4, generator)
    trainer = PathTrainer(Lagrangian(metric, None, 6), paths, config, 300)
    for _ in range(300):
        start = torch.randn(64, 2, generator=generator)
        trainer.descend(trainer.action(start, start + 1, no_condition(64)).mean())
    with torch.no_grad():
        tensor = metric.tensor(torch.randn(50, 1, 2, generator=generator), no_condition(50))[:, 0]
    along = torch.full((2,), 0.5**0.5)
    assert (along @ tensor @ along).max() < 0.15  # 0.1 is the least
    torch.testing.assert_close(tensor.diagonal(dim1=1, dim2=2).sum(1), torch.full((50,), 1.1))


def test_frozen_metric_has_no_gradient_and_thaws():
    generator = torch.Generator().manual_seed(0)
    metric = GivensMetric(2, UNCONDITIONAL, (8,), (0.1, 1.0), generator)
    paths = PathNetwork(2, UNCONDITIONAL, (8,), 4, generator)
    trainer = PathTrainer(Lagrangian(metric, None, 4), paths, SurrogateConfig(), 4)
    start, end = unseen()
    before = [p.clone() for p in metric.parameters()]
    with trainer.frozen_metric():
        loss = trainer.action(start, end, no_condition(64)).mean()
    trainer.descend(loss)
    assert all(torch.equal(a, b) for a, b in zip(before, metric.parameters(), strict=True))
    assert all(p.requires_grad for p in metric.parameters())
    trainer.descend(trainer.action(start, end, no_condition(64)).mean())
    assert not all(torch.equal(a, b) for a, b in zip(before, metric.parameters(), strict=True))


def test_costs_are_actions_of_a_coarser_quadrature():
    generator = torch.Generator().manual_seed(0)
    density = Density.of(torch.randn(200, 2, generator=generator), no_condition(200), 0.3, 1.0)
    paths = PathNetwork(2, UNCONDITIONAL, (8,), 8, generator)
    paths.network.last.weight.data.normal_(0, 0.05, generator=generator)
    start, end = unseen()
    metric = GivensMetric(2, UNCONDITIONAL, (8,), (0.1, 1.0), generator)
    trainer = PathTrainer(Lagrangian(metric, KernelPotential(density, 0.05), 40), paths, SurrogateConfig(), 4)
    with torch.no_grad():
        exact, coarse = (f(start, end, no_condition(64)) for f in (trainer.action, trainer.cost))
    assert (coarse - exact).abs().max() < 0.2 * exact.std()
    assert (coarse - exact).std() < 0.05 * exact.std()
    few = PathTrainer(Lagrangian(metric, None, 4), paths, SurrogateConfig(), 4)
    assert torch.equal(few.cost(start, end, no_condition(64)), few.action(start, end, no_condition(64)))


def test_moves_beside_the_observed_ones_have_their_action_and_no_gradient_in_the_metric():
    generator = torch.Generator().manual_seed(0)
    metric = GivensMetric(2, UNCONDITIONAL, (8,), (0.1, 1.0), generator)
    paths = PathNetwork(2, UNCONDITIONAL, (8,), 4, generator)
    for weight in (metric.network.last.weight, paths.network.last.weight):
        weight.data.normal_(0, 0.5, generator=generator)
    density = Density.of(torch.randn(40, 2, generator=generator), no_condition(40), 0.5, 1.0)
    trainer = PathTrainer(Lagrangian(metric, KernelPotential(density, 0.1), 6), paths, SurrogateConfig(), 4)
    start, end = unseen()
    together = trainer.action_beside(start, end, no_condition(64), 24)
    apart = trainer.action(start, end, no_condition(64))
    torch.testing.assert_close(together, apart)
    learnt = list(metric.parameters())
    for found, alone in (
        (torch.autograd.grad(together.sum(), learnt, retain_graph=True), torch.autograd.grad(apart[:24].sum(), learnt)),
        (
            torch.autograd.grad(together.sum(), list(paths.parameters())),
            torch.autograd.grad(
                trainer.action(start, end, no_condition(64)).sum(), list(paths.parameters()), allow_unused=True
            ),
        ),
    ):
        for a, b in zip(found, alone, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 5, 9, 10, 11, 20, 100])
def test_schedule_rises_and_falls_to_nothing(steps):
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = one_cycle(optimiser, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert all(0 <= rate <= 0.5 for rate in rates)
    if steps >= 20:
        assert max(rates) == pytest.approx(0.5)
    assert rates[-1] < 0.01
