import numpy as np
import pytest
import torch

from pipeline.families.policies.actor_critic import ActorCritic, orthogonal
from pipeline.families.policies.gaussian_policy import GaussianPolicy

X = np.random.default_rng(1).normal(size=(9, 7)).astype(np.float32)


def drawn(hidden: tuple[int, ...]) -> ActorCritic:
    """Two actions; no parameter is 0."""
    networks = ActorCritic(7, hidden, 2)
    networks.parameters.vector[:] = np.random.default_rng(0).normal(0, 0.4, networks.parameters.vector.size)
    return networks


@pytest.mark.parametrize("hidden", [(8,), (8, 5), (4, 6, 3)])
def test_the_trained_module_answers_as_the_actor_did(hidden):
    networks, module = drawn(hidden), GaussianPolicy(7, hidden, [0.0, 0.0], [1.0, 1.0])
    state = {name: torch.from_numpy(array) for name, array in networks.actor_state().items()}
    module.load_state_dict(module.state_dict() | state)
    np.testing.assert_allclose(networks.forward(X).mean, module(torch.from_numpy(X)).detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hidden", [(8,), (8, 5), (4, 6, 3)])
def test_the_gradient_is_that_of_autograd(hidden):
    networks = drawn(hidden)
    by_mean, by_value, by_deviation = (
        np.random.default_rng(2).normal(size=shape).astype(np.float32) for shape in ((9, 2), (9,), (2,))
    )
    networks.backward(networks.forward(X), by_mean, by_value, by_deviation)
    vector = torch.from_numpy(networks.parameters.vector).double().requires_grad_()
    mean, value, log_deviation = torch_forward(networks, vector, torch.from_numpy(X).double())
    loss = (mean * torch.from_numpy(by_mean)).sum() + (value * torch.from_numpy(by_value)).sum()
    (expected,) = torch.autograd.grad(loss + (log_deviation * torch.from_numpy(by_deviation)).sum(), vector)
    assert np.linalg.norm(networks.gradient.vector - expected.numpy()) < 1e-5 * np.linalg.norm(expected.numpy())


def torch_forward(
    networks: ActorCritic, vector: torch.Tensor, x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Means, values and log_deviation by torch at observations x, from the parameters in a vector."""
    own = networks.parameters
    arrays = [*own.weights, *own.biases, own.mean, own.mean_bias, own.value, own.value_bias, own.log_deviation]
    parts = [p.view(a.shape) for p, a in zip(vector.split([a.size for a in arrays]), arrays, strict=True)]
    depth, actor, critic = len(own.weights), x, x
    for weight, bias in zip(parts[:depth], parts[depth : 2 * depth], strict=True):
        actor, critic = torch.tanh(actor @ weight[0] + bias[0]), torch.tanh(critic @ weight[1] + bias[1])
    mean, mean_bias, value, value_bias, log_deviation = parts[-5:]
    return actor @ mean + mean_bias, (critic @ value + value_bias)[:, 0], log_deviation


@pytest.mark.parametrize("shape", [(7, 7), (7, 3), (3, 7)])
def test_orthogonal_weights_keep_lengths_on_the_shorter_side(shape):
    weight = orthogonal(shape, np.random.default_rng(0))
    assert weight.shape == shape
    short = weight if shape[0] <= shape[1] else weight.T
    np.testing.assert_allclose(short @ short.T, np.eye(min(shape)), atol=1e-12)


def test_initial_weights_have_the_gains_of_stable_baselines3():
    networks = ActorCritic(7, (64, 64), 2)
    networks.initialise(np.random.default_rng(0))
    own = networks.parameters
    for matrix, gain in ((own.weights[1][0], 2**0.5), (own.weights[1][1], 2**0.5), (own.mean, 0.01), (own.value, 1)):
        np.testing.assert_allclose(np.linalg.svd(matrix)[1], gain, rtol=1e-5)
    assert not np.any([*map(np.any, own.biases), own.mean_bias.any(), own.value_bias.any(), own.log_deviation.any()])
    assert not np.allclose(own.weights[0][0], own.weights[0][1])  # the two networks are not drawn alike
