import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from pipeline.clocks.clock import Clock
from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.parts import Parts, make_density
from pipeline.transport.anchor_samples import anchor_samples
from pipeline.transport.solvers.semidual import SemidualSolver
from pipeline.transport.standardise import Standardiser
from pipeline.transport.training import PathTrainer
from tests.clouds import cloud_harvest, moment
from tests.problems import gaussian_map

NONE = np.zeros((1000, 0))


def solver_of(harvest: Harvest, config: SurrogateConfig) -> SemidualSolver:
    config = config.model_copy(update={"solver": "semidual"})
    scaling = Standardiser.of(harvest)
    samples = anchor_samples(harvest, scaling, torch.device("cpu"))
    density = make_density(samples, config, 0)
    anchors = harvest.hyperparameter.tolist()
    parts = Parts(scaling, [Clock("linear", anchors)], density, config, 0, edges=len(anchors) - 1)
    trainer = PathTrainer(parts.lagrangian, parts.paths, config, config.outer_steps)
    return SemidualSolver(samples, parts.maps, trainer, config, torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize(("dimension", "tolerance"), [(1, 0.03), (2, 0.06)])
def test_gaussian_map_is_recovered(dimension, tolerance):
    problem = gaussian_map(dimension)
    y0, y1 = problem.draw(1000, np.random.default_rng(0))
    harvest = Harvest.from_arrays([0, 1], [y0, y1], [NONE] * 2)
    surrogate = Surrogate.fit(harvest, SurrogateConfig(variant="K_I", solver="semidual", outer_steps=400))
    y, _ = problem.draw(1000, np.random.default_rng(1))
    for s in (0.5, 1.0):
        found = surrogate.transport(y, NONE, 0.0, s)
        error = np.mean(np.sum((found - problem.transport(y, s)) ** 2, 1))
        assert error < tolerance * problem.squared_distance


@pytest.mark.slow
def test_conditions_that_are_not_shared_are_transported_each_for_itself():
    # p_k(y | x) = N(3 k x, 0.1²): the move depends on x, of which no two anchors share a value.
    rng = np.random.default_rng(0)
    xs = [rng.uniform(-1, 1, (1500, 1)) for _ in (0, 1)]
    ys = [3 * k * x + rng.normal(0, 0.1, x.shape) for k, x in enumerate(xs)]
    config = SurrogateConfig(variant="K_I", solver="semidual", outer_steps=400)
    surrogate = Surrogate.fit(Harvest.from_arrays([0, 1], ys, xs), config)
    x = rng.uniform(-0.9, 0.9, (500, 1))
    found = surrogate.transport(rng.normal(0, 0.1, x.shape), x, 0.0, 1.0)
    assert np.sqrt(np.mean((found - 3 * x) ** 2)) < 0.3  # the samples' own spread is 0.1, the moves' 1.6


def test_dual_value_starts_at_minus_the_untrained_cost_of_standing_still():
    # g = 0 and T = id: g^c = 0, so that the dual value is 0 where U = 0.
    solver = solver_of(cloud_harvest(), moment(variant="K_theta"))
    value, map_loss = solver.step(learn_metric=True)
    assert value == pytest.approx(0, abs=1e-6)
    assert map_loss == pytest.approx(0, abs=1e-6)


def test_weak_duality_holds_for_the_refined_c_transform():
    """E g^c + E g never exceeds the cost of any coupling, here the exact one: K_I, whose c-transform converges."""
    problem = gaussian_map()
    y0, y1 = problem.draw(64, np.random.default_rng(0))
    harvest = Harvest.from_arrays([0, 1], [y0, y1], [np.zeros((64, 0))] * 2)
    config = moment(variant="K_I", conjugate_iterations=20, outer_steps=12, dual_learning_rate=1e-2)
    solver = solver_of(harvest, config)
    for _ in range(12):
        solver.step(learn_metric=False)
    start, end = (anchor.outputs.unsqueeze(0) for anchor in solver.anchors)
    condition = solver.anchors[0].condition.unsqueeze(0)
    found = solver.conjugate(start, condition).values.mean() + solver.dual(end, condition).mean()
    cost = 0.5 * torch.cdist(start[0].double(), end[0].double()).square().numpy()
    rows, columns = linear_sum_assignment(cost)
    assert found.item() <= cost[rows, columns].mean() + 1e-3


def test_refined_points_are_no_dearer_than_the_map_s():
    solver = solver_of(cloud_harvest(), moment(variant="K_theta-U"))
    for _ in range(3):
        solver.step(learn_metric=True)
    start, condition, _, _ = solver.batches()
    with torch.no_grad():
        guess = solver.maps(start, condition)
        at_guess = (
            solver.trainer.action(
                start.flatten(0, 1),
                guess.flatten(0, 1),
                type(condition)(condition.values.flatten(0, 1), condition.codes.flatten(0, 1)),
            )
            - solver.dual(guess, condition).flatten()
        )
    assert (solver.conjugate(start, condition).values <= at_guess + 1e-5).all()


def test_metric_is_learnt_every_so_many_steps_only():
    solver = solver_of(cloud_harvest(), moment(variant="K_theta", outer_steps=4))
    weights = solver.trainer.lagrangian.metric.network.last.bias
    solver.step(learn_metric=True)  # T = id: nothing moves yet, and nothing is learnt of moves
    solver.step(learn_metric=True)
    before = weights.clone()
    solver.step(learn_metric=False)
    assert torch.equal(weights, before)
    solver.step(learn_metric=True)
    assert not torch.equal(weights, before)


def test_history_has_a_value_a_step(of_variant):
    history = of_variant("K_theta-U", "semidual").history
    assert {name: len(curve) for name, curve in history.items()} == {"dual_value": 3, "map_loss": 3}
