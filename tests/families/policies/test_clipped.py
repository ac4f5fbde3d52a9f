from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from pipeline.families.cancer_therapy.cancer_env import CancerVecEnv
from pipeline.families.policies.actor_critic import ActorCritic
from pipeline.families.policies.adam import Adam
from pipeline.families.policies.clipped import Batch, improve, log_density, shorten, standardised, write_gradient
from tests.families.policies.stable import copied, rolled_out
from tests.families.policies.test_actor_critic import drawn, torch_forward

DRAWS = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return DRAWS.normal(size=shape).astype(np.float32)


def batch_of(networks: ActorCritic, count: int = 40, surprise: float = 0.5) -> Batch:
    """Steps whose densities have changed by some tenths: some ratios are clipped, others are not."""
    observations, noise = normal(count, 7), normal(count, 2)
    log_deviation = networks.parameters.log_deviation
    actions = networks.forward(observations).mean + np.exp(log_deviation) * noise
    densities = log_density(noise, log_deviation) + np.float32(surprise) * normal(count)
    return Batch(observations, actions, densities, normal(count), normal(count))


def test_log_densities_are_those_of_a_normal_distribution():
    log_deviation, noise = normal(3), normal(5, 3)
    expected = torch.distributions.Normal(0, torch.from_numpy(log_deviation).exp())
    actions = torch.from_numpy(noise * np.exp(log_deviation))
    np.testing.assert_allclose(log_density(noise, log_deviation), expected.log_prob(actions).sum(1), rtol=1e-5)


def test_standardised_advantages_have_mean_0_and_deviation_1():
    gain = standardised(normal(64) * np.float32(5) + np.float32(3))
    assert gain.dtype == np.float32
    np.testing.assert_allclose([gain.mean(), gain.std(ddof=1)], [0, 1], atol=1e-6)


def test_loss_and_gradient_are_those_of_autograd():
    networks = drawn((8, 5))
    batch = batch_of(networks)
    loss = write_gradient(networks, batch)
    vector = torch.from_numpy(networks.parameters.vector).double().requires_grad_()
    observations, actions, densities, gain, returns = (torch.from_numpy(a).double() for a in vars(batch).values())
    mean, value, log_deviation = torch_forward(networks, vector, observations)
    ratio = (torch.distributions.Normal(mean, log_deviation.exp()).log_prob(actions).sum(1) - densities).exp()
    gain = (gain - gain.mean()) / (gain.std() + 1e-8)
    terms = torch.stack([gain * ratio, gain * ratio.clamp(0.8, 1.2)])
    expected = -terms.amin(0).mean() + 0.5 * (value - returns).square().mean()
    (slope,) = torch.autograd.grad(expected, vector)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert np.linalg.norm(networks.gradient.vector - slope.numpy()) < 1e-5 * np.linalg.norm(slope.numpy())
    assert 5 < int((terms[0] > terms[1]).sum()) < 35  # some steps are clipped


def test_a_policy_that_has_moved_beyond_the_clip_is_not_pushed_further():
    networks = drawn((8,))
    batch = batch_of(networks, surprise=0.0)
    sign = np.sign(standardised(batch.advantages))
    moved = replace(batch, log_densities=batch.log_densities - np.float32(0.3) * sign)  # in the advantage's direction
    write_gradient(networks, moved)
    gradient = networks.gradient
    assert not np.any([gradient.mean.any(), gradient.log_deviation.any(), gradient.weights[0][0].any()])
    assert gradient.value.any()
    write_gradient(networks, replace(batch, log_densities=batch.log_densities + np.float32(0.3) * sign))  # against it
    assert gradient.mean.any()


def test_gradients_are_shortened_to_a_half():
    long, short = np.array([3.0, -4.0], np.float32), np.array([0.3, -0.2], np.float32)
    shorten(long)
    np.testing.assert_allclose(long, [0.3, -0.4], rtol=1e-5)
    shorten(short)
    assert short.tolist() == np.array([0.3, -0.2], np.float32).tolist()


def test_every_epoch_visits_all_steps_once_in_an_order_of_its_own(monkeypatch):
    networks = drawn((8,))
    batch = replace(batch_of(networks), returns=np.arange(40, dtype=np.float32))
    seen: list[list[float]] = []
    write = "pipeline.families.policies.clipped.write_gradient"
    monkeypatch.setattr(write, lambda _, rows: seen.append(rows.returns.tolist()))
    improve(networks, Adam(networks.parameters.vector, 1e-3), batch, 2, 10, np.random.default_rng(0))
    assert [len(rows) for rows in seen] == [10] * 8
    first, second = (list(chain(*seen[i : i + 4])) for i in (0, 4))
    assert sorted(first) == sorted(second) == batch.returns.tolist()
    assert first != second


def test_steps_are_those_of_stable_baselines3():
    # One batch an epoch: then the order, which both draw, does not matter.
    ppo = PPO("MlpPolicy", CancerVecEnv(4, 2.0, "linear", 0), 1e-3, n_steps=64, batch_size=256, n_epochs=10, seed=0)
    rolled_out(ppo)
    networks, buffer = copied(ppo, ActorCritic(7, (64, 64), 2)), ppo.rollout_buffer
    arrays = (buffer.observations, buffer.actions, buffer.log_probs, buffer.advantages, buffer.returns)
    batch = Batch(*(array.reshape(256, *array.shape[2:]).astype(np.float32) for array in arrays))
    start = networks.parameters.vector.copy()
    improve(networks, Adam(networks.parameters.vector, 1e-3), batch, 10, 256, np.random.default_rng(0))
    ppo.train()
    moved, expected = (
        networks.parameters.vector - start,
        copied(ppo, ActorCritic(7, (64, 64), 2)).parameters.vector - start,
    )
    assert np.linalg.norm(moved - expected) < 1e-3 * np.linalg.norm(expected)
