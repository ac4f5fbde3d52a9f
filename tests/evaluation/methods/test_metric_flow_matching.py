import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.evaluation.methods import metric_flow_matching
from pipeline.evaluation.methods.flows_across import Moves, straight
from pipeline.evaluation.methods.land import FLOOR, LandMetric, flat
from pipeline.evaluation.methods.learning import Schedule
from pipeline.evaluation.methods.metric_flow_matching import METHOD, Bend, fit_bend
from pipeline.transport.anchor_samples import anchor_samples
from tests.evaluation.methods.situations import fitting
from tests.evaluation.oracles import stochastic_harvest

CPU = torch.device("cpu")


def half_circle(rows=300):
    """Clouds around angles 0°, 90° and 180° of the unit circle, which they cover together."""
    rng = np.random.default_rng(0)
    angles = [np.pi * a + 0.3 * rng.normal(size=rows) for a in (0.0, 0.5, 1.0)]
    radii = [1 + 0.05 * rng.normal(size=(rows, 1)) for _ in angles]
    outputs = [r * np.stack([np.cos(t), np.sin(t)], axis=1) for t, r in zip(angles, radii, strict=True)]
    return Harvest.from_arrays((0.0, 0.5, 1.0), outputs, [np.zeros((rows, 0))] * 3, deterministic=False)


def land(moves):
    samples = anchor_samples(moves.harvest, moves.encoding.scaling, CPU)
    return LandMetric(samples, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def moves():
    return Moves.of(fitting(half_circle(), deterministic=False))


def radius(moves, points):
    return torch.from_numpy(np.linalg.norm(moves.encoding.scaling.restore(points).numpy(), axis=1))


def test_in_flat_space_interpolants_are_those_of_flow_matching(moves):
    bend = fit_bend(moves, flat, 0, Schedule(60, 2e-3))
    batch = moves.draw(100, torch.Generator().manual_seed(1))
    s = torch.full((200, 1), 0.5)
    bent, line = bend.interpolant(batch, s)[0], straight(batch, s)[0]
    assert (bent - line).square().mean() < 1e-3 * (batch.end - batch.start).square().mean()


def test_without_training_nothing_bends_and_ends_are_always_kept(moves):
    bend = Bend(moves, torch.Generator().manual_seed(0))
    batch = moves.draw(20, torch.Generator().manual_seed(1))
    s = torch.rand(40, 1)
    for found, expected in zip(bend.interpolant(batch, s), straight(batch, s), strict=True):
        torch.testing.assert_close(found, expected)
    with torch.no_grad():
        bend.network.last.weight.normal_()
    for end, at in ((batch.start, 0.0), (batch.end, 1.0)):
        torch.testing.assert_close(bend.interpolant(batch, torch.full((40, 1), at))[0], end)


def test_velocities_are_the_derivatives_of_points(moves):
    bend = Bend(moves, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        bend.network.last.weight.normal_()
    batch = moves.draw(10, torch.Generator().manual_seed(1))
    batch = type(batch)(batch.start.double(), batch.end.double(), batch.condition, batch.context.double())
    s, step = torch.rand(20, 1).double() * 0.8 + 0.1, 1e-6
    later, earlier = (bend.interpolant(batch, s + d)[0] for d in (step, -step))
    torch.testing.assert_close(bend.interpolant(batch, s)[1], (later - earlier) / (2 * step), atol=1e-6, rtol=1e-6)


def test_moves_are_dear_where_no_samples_are(moves):
    metric, scaling = land(moves), moves.encoding.scaling
    places = torch.from_numpy(np.array([[0.0, 1.0], [0.0, 0.5], [0.0, -30.0]]))
    condition = scaling.condition(torch.zeros(3, 0, dtype=torch.float64))
    among, inside, far = metric(scaling.standardise(places), condition).mean(1).tolist()
    assert among < inside <= far
    assert far == pytest.approx(1 / FLOOR, rel=1e-3)


def test_the_metric_of_a_category_is_made_of_its_samples_alone():
    harvest = stochastic_harvest(draws=30)
    distant = [y + 100 * (x == 1) for y, x in zip(harvest.outputs, harvest.conditions, strict=True)]
    moved = Harvest.from_arrays(harvest.values, distant, harvest.conditions, schema=harvest.schema)
    of = Moves.of(fitting(moved, deterministic=False))
    metric, scaling = land(of), of.encoding.scaling
    point = scaling.standardise(torch.tensor([[101.0, 101.0], [101.0, 101.0]]).double())
    own, other = metric(point, scaling.condition(torch.tensor([[1.0], [0.0]]).double())).mean(1).tolist()
    assert own < 0.9 / FLOOR < other


@pytest.mark.slow
def test_interpolants_bend_along_the_circle_that_samples_lie_on(moves):
    bend = fit_bend(moves, land(moves), 0, Schedule(400, 2e-3))
    batch = moves.draw(200, torch.Generator().manual_seed(1))
    s = torch.full((400, 1), 0.5)
    line, bent = (radius(moves, f(batch, s)[0]).mean() for f in (straight, bend.interpolant))
    assert line < 0.75
    assert 0.92 < bent < 1.05


def test_the_fit_is_reproducible_and_ends_in_samples(monkeypatch):
    for name in ("TRAINING", "BENDING"):
        monkeypatch.setattr(metric_flow_matching, name, Schedule(15))
    harvest, x = half_circle(40), np.zeros((5, 0))
    one, again = (METHOD.fit(fitting(harvest, deterministic=False, seed=2)).sample(x, 0.7, 3, 1) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (5, 3, 2)


def test_several_hyperparameters_have_no_flow():
    anchors = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    harvest = Harvest.from_arrays(anchors, [np.ones((5, 1))] * 4, [np.arange(5.0)[:, None]] * 4)
    assert METHOD.fit(fitting(harvest, deterministic=True)) is None
