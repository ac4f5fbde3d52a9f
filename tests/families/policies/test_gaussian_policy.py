import numpy as np
import pytest
import torch

from pipeline.families.policies.gaussian_policy import GaussianPolicy

X = torch.linspace(-2, 2, 30).reshape(10, 3)


@pytest.fixture
def policy() -> GaussianPolicy:
    module = GaussianPolicy(3, (4,), [-1.0, 0.0], [1.0, 5.0])
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape))
        module.centre.copy_(torch.tensor([1.0, 2.0, 3.0]))
        module.scale.copy_(torch.tensor([1.0, 2.0, 4.0]))
    return module.requires_grad_(False)


def test_mean_is_an_mlp_of_standardised_observations(policy):
    state = policy.state_dict()
    standardised = (X - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([1.0, 2.0, 4.0])
    hidden = torch.tanh(standardised @ state["layers.0.weight"].T + state["layers.0.bias"])
    torch.testing.assert_close(policy(X), hidden @ state["layers.1.weight"].T + state["layers.1.bias"])


def test_draws_are_normal_and_clipped_to_their_box(policy):
    draws = policy.draw(X[:1], torch.randn(1, 50_000, 2, generator=torch.Generator().manual_seed(1)))[0]
    box = torch.tensor([[-1.0, 0.0], [1.0, 5.0]])
    assert torch.equal(draws.amin(0), box[0])
    assert (draws <= box[1]).all()
    # Clipping moves probability beyond a bound onto it.
    mean, deviation = policy(X[:1])[0], policy.log_deviation.exp()
    for i in range(2):
        below = torch.distributions.Normal(mean[i], deviation[i]).cdf(box[0, i])
        assert (draws[:, i] == box[0, i]).float().mean().item() == pytest.approx(below.item(), abs=0.01)
        inside = torch.distributions.Normal(mean[i], deviation[i]).cdf(torch.tensor(0.7))
        assert (draws[:, i] <= 0.7).float().mean().item() == pytest.approx(inside.item(), abs=0.01)


def test_box_is_no_weight(policy):
    # It belongs to the family's schema, and comes back from there.
    assert set(policy.state_dict()) == {
        "log_deviation",
        "centre",
        "scale",
        *(f"layers.{i}.{name}" for i in (0, 1) for name in ("weight", "bias")),
    }


def test_building_draws_nothing():
    before = torch.random.get_rng_state()
    GaussianPolicy(3, (4,), [0.0], [1.0])
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(GaussianPolicy(3, (4,), [0.0], [1.0]).scale, np.ones(3))
