import random

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from pipeline.errors import FitError
from pipeline.families.cancer_therapy.cancer_env import CancerEnv, CancerVecEnv
from pipeline.families.policies.adam import Adam
from pipeline.families.policies.gaussian_policy import GaussianPolicy
from pipeline.families.policies.ppo import episode_rewards, standardisation, train
from pipeline.families.policies.settings import PolicySettings

TINY = PolicySettings(hidden=(8,), steps=256, environments=4, rollout=256, batch_size=64, epochs=2)
X = np.random.default_rng(0).uniform(0, 20, (9, 7)).astype(np.float32)


def environment(seed: int = 0) -> CancerVecEnv:
    return CancerVecEnv(4, 2.0, "linear", seed)


def blank(hidden: tuple[int, ...] = (8,)) -> GaussianPolicy:
    return GaussianPolicy(7, hidden, [0.0, 0.0], [10.0, 8.0])


def test_normalised_observations_are_standardised_inside():
    plain, module = blank(), blank()
    train(environment(), plain, TINY, 0)
    train(environment(), module, TINY.model_copy(update={"normalise": True}), 0)
    assert plain.centre.tolist() == [0] * 7
    assert plain.scale.tolist() == [1] * 7
    assert module.centre[0] > 5  # logarithms of cells
    assert (module.scale != 1).all()


def test_standardisation_is_what_the_environment_does():
    seen = VecNormalize(VecMonitor(environment()), clip_obs=np.inf)
    seen.reset()
    for _ in range(20):
        seen.step(np.ones((4, 2)))
    found = standardisation(seen)
    np.testing.assert_allclose((X - found["centre"]) / found["scale"], seen.normalize_obs(X), rtol=1e-4, atol=1e-4)


def test_training_earns_more_than_the_start():
    settings = PolicySettings(hidden=(16,), steps=8192, environments=4, rollout=256, learning_rate=3e-3)
    module, start = blank((16,)), blank((16,))
    short = train(environment(), start, settings.model_copy(update={"steps": 1024}), 0)
    assert train(environment(), module, settings, 0)["episode_reward"] > short["episode_reward"] + 50


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
    def spoil(self, _gradient):
        self.parameters[0] = np.nan

    monkeypatch.setattr(Adam, "step", spoil)
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
