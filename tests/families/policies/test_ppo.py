import random

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from pipeline.errors import FitError
from pipeline.families.cancer_therapy.cancer_env import CancerEnv, CancerVecEnv
from pipeline.families.policies.gaussian_policy import GaussianPolicy
from pipeline.families.policies.ppo import actor_state, episode_rewards, train
from pipeline.families.policies.settings import PolicySettings

TINY = PolicySettings(hidden=(8,), steps=256, environments=4, rollout=256, batch_size=64, epochs=2)
X = np.random.default_rng(0).uniform(0, 20, (9, 7)).astype(np.float32)


def environment(seed: int = 0) -> CancerVecEnv:
    return CancerVecEnv(4, 2.0, "linear", seed)


def blank(hidden: tuple[int, ...] = (8,)) -> GaussianPolicy:
    return GaussianPolicy(7, hidden, [0.0, 0.0], [10.0, 8.0])


def test_the_actor_answers_as_in_stable_baselines3():
    ppo = PPO("MlpPolicy", environment(), n_steps=16, policy_kwargs={"net_arch": [8, 5]}, seed=0)
    module = blank((8, 5))
    module.load_state_dict(module.state_dict() | actor_state(ppo))
    expected = ppo.policy.get_distribution(torch.from_numpy(X)).distribution
    torch.testing.assert_close(module(torch.from_numpy(X)), expected.mean)
    torch.testing.assert_close(module.log_deviation.exp(), expected.stddev[0])


def test_normalised_observations_are_standardised_inside(monkeypatch):
    trained = []
    monkeypatch.setattr(PPO, "learn", lambda self, *a, _learn=PPO.learn, **k: trained.append(_learn(self, *a, **k)))
    module = blank()
    train(environment(), module, TINY.model_copy(update={"normalise": True}), 0)
    (ppo,) = trained
    assert isinstance(ppo.env, VecNormalize)
    expected = ppo.policy.get_distribution(torch.from_numpy(ppo.env.normalize_obs(X))).distribution.mean
    torch.testing.assert_close(module(torch.from_numpy(X)), expected, rtol=1e-4, atol=1e-5)
    assert module.centre[0] > 5


def test_settings_are_those_that_ppo_learns_by(monkeypatch):
    trained = []
    monkeypatch.setattr(PPO, "learn", lambda self, steps: trained.append((self, steps)))
    given = {"learning_rate": 0.002, "discount": 0.9, "trace": 0.8, "batch_size": 32, "epochs": 3, "hidden": (5, 6)}
    train(environment(), blank((5, 6)), TINY.model_copy(update=given), 0)
    ((ppo, steps),) = trained
    assert (ppo.learning_rate, ppo.gamma, ppo.gae_lambda) == (0.002, 0.9, 0.8)
    assert (ppo.n_steps, ppo.n_envs, ppo.batch_size, ppo.n_epochs, steps) == (64, 4, 32, 3, 256)
    critic = [layer.out_features for layer in ppo.policy.mlp_extractor.value_net if isinstance(layer, nn.Linear)]
    assert critic == [5, 6]


def test_training_repeats_itself_and_leaves_global_generators_alone():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()  # noqa: NPY002

    before = states()
    modules = [blank(), blank(), blank()]
    metrics = [train(environment(), module, TINY, seed) for module, seed in zip(modules, (0, 0, 1), strict=True)]
    assert states() == before
    assert metrics[0] == metrics[1]
    first, again, other = (module(torch.from_numpy(X)) for module in modules)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_steps_are_whole_rollouts():
    metrics = train(environment(), blank(), TINY.model_copy(update={"steps": 257}), 0)
    assert metrics["steps"] == 512


def test_weights_that_are_not_finite_are_refused(monkeypatch):
    def spoil(self, *_args, **_kwargs):
        self.policy.log_std.data[0] = torch.nan

    monkeypatch.setattr(PPO, "learn", spoil)
    with pytest.raises(FitError, match=r"not finite; lower train.learning_rate"):
        train(environment(), blank(), TINY, 0)


def test_episode_rewards_are_those_of_one_patient_after_the_other():
    def doses(observation: np.ndarray) -> np.ndarray:
        return np.stack([2 + observation[:, 0] / 10, np.full(len(observation), 1.0)], axis=1)

    asked: list[int] = []

    def policy(conditions, draws, seed):
        asked.append(len(conditions))
        assert draws == 1
        return doses(conditions)[:, None]

    by_hand, lengths = [], []
    for patient in range(4):
        env = CancerEnv(2.0)
        observation, _ = env.reset(seed=11 + patient)
        total, length, over = 0.0, 0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(doses(observation[None])[0])
            total, length, over = total + reward, length + 1, terminated or truncated
        by_hand.append(total)
        lengths.append(length)
    np.testing.assert_allclose(episode_rewards(policy, environment(11), 0), by_hand, rtol=1e-4, atol=1e-3)
    assert asked == [sum(length > step for length in lengths) for step in range(max(lengths))]


def test_every_step_has_a_seed_of_its_own_and_the_same_for_all_policies():
    seen: list[list[int]] = []
    for dose in (0.0, 9.0):
        seeds: list[int] = []

        def policy(conditions, draws, seed, seeds=seeds, dose=dose):
            seeds.append(seed)
            return np.full((len(conditions), draws, 2), dose)

        episode_rewards(policy, environment(), 5)
        seen.append(seeds)
    shorter = min(map(len, seen))
    assert seen[0][:shorter] == seen[1][:shorter]
    assert len(set(seen[0])) == len(seen[0])
