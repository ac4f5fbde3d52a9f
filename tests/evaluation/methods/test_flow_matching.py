import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.errors import HyperparameterError
from pipeline.evaluation.methods import flow_matching, flows_across
from pipeline.evaluation.methods.flow_matching import METHOD
from pipeline.evaluation.methods.flows_across import Moves, straight
from pipeline.evaluation.methods.learning import Schedule
from tests.evaluation.methods.situations import fitting, shuffled
from tests.evaluation.oracles import forecast_harvest, stochastic_harvest


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(flow_matching, "TRAINING", Schedule(20))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(flows_across, "WIDTHS", (64, 64))
    monkeypatch.setattr(flow_matching, "TRAINING", Schedule(800))


def gaussians(rows=400):
    rng = np.random.default_rng(0)
    ends = [rng.normal(size=(rows, 2)), np.array([2.0, 1.0]) + rng.normal(size=(rows, 2)) * [2.0, 0.5]]
    return Harvest.from_arrays((1.0, 3.0), ends, [np.zeros((rows, 0))] * 2, deterministic=False)


@pytest.mark.slow
def test_a_gaussian_is_carried_to_a_gaussian(small):
    # Optimal transport of N(0, I) to N(m, S), S diagonal: at s the mean is s m, the deviation 1 − s + s σ.
    fitted = METHOD.fit(fitting(gaussians(), deterministic=False))
    for value, s in ((2.0, 0.5), (3.0, 1.0)):
        found = fitted.sample(np.zeros((400, 0)), value, 1, 0)[:, 0]
        np.testing.assert_allclose(found.mean(0), [2 * s, s], atol=0.2)
        np.testing.assert_allclose(found.std(0), [1 + s, 1 - 0.5 * s], rtol=0.15)


@pytest.mark.slow
def test_known_pairs_that_shift_alike_move_on_lines(small):
    harvest = forecast_harvest(rows=60)  # velocity (3, 4) everywhere, anchors at five values
    fitted = METHOD.fit(fitting(harvest, deterministic=True))
    x = harvest.conditions[0]
    expected = x.mean(1, keepdims=True) + np.array([3.0, 4.0]) * 0.6
    assert np.abs(fitted.sample(x, 0.6, 1, 0)[:, 0] - expected).mean() < 0.05


def test_the_interpolant_is_the_line_at_constant_velocity():
    moves = Moves.of(fitting(gaussians(), deterministic=False))
    batch = moves.draw(16, torch.Generator().manual_seed(0))
    s = torch.linspace(0, 1, 16)[:, None]
    points, velocity = straight(batch, s)
    torch.testing.assert_close(points, (1 - s) * batch.start + s * batch.end)
    torch.testing.assert_close(velocity, batch.end - batch.start)


def test_pairs_of_deterministic_networks_are_those_of_their_conditions():
    moves = Moves.of(fitting(shuffled(forecast_harvest()), deterministic=True))
    batch = moves.draw(50, torch.Generator().manual_seed(0))
    shift = (batch.end - batch.start).double() * moves.encoding.scaling.output_scale
    torch.testing.assert_close(shift, torch.tensor([0.75, 1.0]).double().expand(200, 2), atol=1e-5, rtol=0)


def test_at_a_left_anchor_the_sample_is_the_anchors_own(short):
    harvest = stochastic_harvest(networks=True)
    fitted = METHOD.fit(fitting(harvest, deterministic=False))
    x = np.array([[0.0], [1.0]])
    np.testing.assert_array_equal(fitted.sample(x, 0.5, 3, 4), harvest.networks[2].outputs(x, 3, 4))


def test_fits_depend_on_the_seed_alone_and_not_on_the_order_of_rows(short):
    harvest, x = stochastic_harvest(), np.array([[2.0], [0.0]])
    state = torch.get_rng_state()
    one, again, other, mixed = (
        METHOD.fit(fitting(h, deterministic=False, seed=s)).sample(x, 0.3, 4, 1)
        for h, s in ((harvest, 3), (harvest, 3), (harvest, 4), (shuffled(harvest), 3))
    )
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    # The starts are permutations of the harvest's rows, and these stand in the same order for both.
    np.testing.assert_array_equal(one, mixed)


def test_several_hyperparameters_have_no_flow():
    anchors = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    harvest = Harvest.from_arrays(anchors, [np.ones((5, 1))] * 4, [np.arange(5.0)[:, None]] * 4)
    assert METHOD.fit(fitting(harvest, deterministic=True)) is None


def test_nothing_is_extrapolated(short):
    fitted = METHOD.fit(fitting(gaussians(20), deterministic=False))
    with pytest.raises(HyperparameterError, match="outside the anchors' range"):
        fitted.sample(np.zeros((1, 0)), 3.5, 1, 0)
