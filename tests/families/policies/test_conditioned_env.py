"""Policies of all λ: episodes that have a λ each, and training on them."""

from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from pipeline.data.conditioned import Box
from pipeline.data.network import Reparameterised, save_network
from pipeline.data.schema import Column
from pipeline.errors import HyperparameterError
from pipeline.families.cancer_therapy.family import CancerSettings, CancerTherapy
from pipeline.families.catalog import load_conditioned
from pipeline.families.embedding import features
from pipeline.families.policies.conditioned_env import ConditionedVecEnv
from pipeline.families.policies.gaussian_policy import GaussianPolicy
from pipeline.families.policies.policy_family import PolicyFamily
from pipeline.families.policies.ppo import without_scaled_features
from pipeline.families.policies.settings import PolicySettings
from pipeline.families.protocol import Data
from pipeline.families.reacher.family import Reacher

SMALL = {"hidden": (8,), "steps": 128, "environments": 4, "rollout": 64, "batch_size": 32, "epochs": 1}
LINEAR, HINGE = (CancerTherapy(CancerSettings(**SMALL, penalty=kind)) for kind in ("linear", "hinge"))
REACHER = Reacher(PolicySettings(**SMALL, normalise=True))
FAMILIES = pytest.mark.parametrize("family", [LINEAR, HINGE, REACHER], ids=["linear", "hinge", "reacher"])
BOX = Box((0.0,), (5.0,))


def actions(family: PolicyFamily, steps: int, rows: int) -> np.ndarray:
    """Actions (steps, rows, D) of the lower quarter of their box."""
    low, high = ([getattr(column, end) for column in family.actions] for end in ("lower", "upper"))
    share = np.random.default_rng(1).uniform(0, 0.25, (steps, rows, len(low)))
    return np.asarray(low + share * (np.array(high) - low), np.float32)


def conditioned(family: PolicyFamily, rows: int, seed: int = 3) -> ConditionedVecEnv:
    return ConditionedVecEnv(family.environment(1.0, rows, seed), family.penalty, BOX, seed)


def rewards(environment: VecEnv, doses: np.ndarray) -> np.ndarray:
    """Sums of rewards (rows,), of the first episode of every row."""
    environment.reset()
    going, total = np.ones(environment.num_envs, bool), np.zeros(environment.num_envs)
    for dose in doses:
        _, reward, done, _ = environment.step(dose)
        total += np.where(going, reward, 0)
        going &= ~done
    environment.close()
    return total


@FAMILIES
def test_the_reward_of_an_episode_is_linear_in_its_weight(family):
    doses = actions(family, 30, 3)
    none, two, five = (rewards(family.environment(value, 3, 3), doses) for value in (0.0, 2.0, 5.0))
    assert (two < none).all()
    np.testing.assert_allclose((five - none) / 5, (two - none) / 2, rtol=1e-4)


@FAMILIES
def test_an_episode_pays_the_reward_of_its_own_weight(family):
    doses, environment, same = actions(family, 30, 3), conditioned(family, 3), conditioned(family, 3)
    found = rewards(environment, doses)
    same.reset()
    values = same.values
    expected = [rewards(family.environment(value, 3, 3), doses)[row] for row, value in enumerate(values)]
    assert len(set(values)) == 3
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    same.close()


def test_an_episode_sees_its_weight_to_its_end_and_the_next_has_another():
    environment = conditioned(REACHER, 2)
    plain = REACHER.environment(1.0, 2, 3)
    dose = np.zeros((2, 2), np.float32)
    seen, bare = environment.reset(), np.asarray(plain.reset())
    first = environment.values.copy()
    width = bare.shape[1]
    for _ in range(50):  # Reacher's episodes have fifty steps
        np.testing.assert_array_equal(seen[:, :width], np.float32(bare))
        np.testing.assert_array_equal(environment.values, first)
        np.testing.assert_array_equal(seen[:, width:], features(torch.tensor(np.float32(first))[:, None], BOX))
        seen, _, done, infos = environment.step(dose)
        bare = np.asarray(plain.step(dose)[0])
    assert done.all()
    assert all(info["TimeLimit.truncated"] for info in infos)
    last = np.stack([info["terminal_observation"] for info in infos])
    np.testing.assert_array_equal(last[:, width:], features(torch.tensor(np.float32(first))[:, None], BOX))
    assert (environment.values != first).all()
    np.testing.assert_array_equal(seen[:, width:], features(torch.tensor(np.float32(environment.values))[:, None], BOX))


def test_features_that_are_no_longer_standardised_give_the_same_actions():
    rng, ends = np.random.default_rng(0), ([0.0, 0.0], [1.0, 1.0])
    scaled, plain = GaussianPolicy(3 + 4, [5], *ends), GaussianPolicy(3, [5], *ends, features=4)
    # A network's weights are not initialised until it is trained or loaded.
    state = {name: rng.normal(size=tensor.shape).astype(np.float32) for name, tensor in scaled.state_dict().items()}
    state |= {"centre": rng.normal(size=7).astype(np.float32), "scale": rng.uniform(1, 2, 7).astype(np.float32)}
    scaled.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    plain.load_state_dict({n: torch.from_numpy(a) for n, a in without_scaled_features(state, 3).items()})
    x = torch.randn(6, 7)
    torch.testing.assert_close(plain(x[:, :3], x[:, 3:]), scaled(x))


@FAMILIES
def test_its_policies_are_coupled_by_noise_as_those_of_single_weights(family):
    network, metrics = family.train_conditioned(Data(), BOX, 0)
    assert metrics["steps"] == 128
    x = np.random.default_rng(0).uniform(-1, 1, (5, len(family.observed))).astype(np.float32)
    torch.manual_seed(4)
    noise = torch.randn(5, 3, 2).numpy()
    for value in (0.0, 2.5, 5.0):
        one = network.at(value)
        assert isinstance(one, Reparameterised)
        assert one.coupled_by_noise
        np.testing.assert_array_equal(network.sample(x, value, 3, 4), one.from_noise(x, noise))
    with pytest.raises(HyperparameterError, match=r"lies outside the range that the network was trained on: 0 to 5"):
        network.at(5.1)


@FAMILIES
def test_a_weight_below_zero_is_refused_before_training(family):
    with pytest.raises(HyperparameterError, match=r"-1.0: a weight is at least 0"):
        family.train_conditioned(Data(), Box((-1.0,), (5.0,)), 0)


class Aim(gymnasium.Env[Any, Any]):
    """One step an episode, of the reward λ a − a² / 2 for an action a: a = λ is the best of all policies."""

    observation_space, action_space = spaces.Box(0, 1, (1,)), spaces.Box(-1, 2, (1,))

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return self.np_random.uniform(size=1).astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        gain = float(action[0])
        return self.reset()[0], self.weight * gain - gain**2 / 2, True, False, {"gain": gain}


class Aiming(PolicyFamily):
    penalty = "gain"
    weight = Column(name="target", lower=0.0)
    observed = (Column(name="nothing"),)
    actions = (Column(name="a", lower=-1.0, upper=2.0),)

    def environment(self, hyperparameter: float, count: int, seed: int) -> VecEnv:
        environment = DummyVecEnv([lambda: Aim(hyperparameter)] * count)
        environment.seed(seed)
        return environment

    def reference(self, observations: Any, generator: np.random.Generator) -> np.ndarray:
        return np.zeros((len(observations), 1))


@pytest.mark.slow
@pytest.mark.parametrize("normalise", [False, True])
def test_training_finds_the_best_policy_of_every_weight(normalise, tmp_path):
    settings = {"hidden": (16,), "steps": 16_000, "environments": 32, "rollout": 512, "batch_size": 64}
    family = Aiming(PolicySettings(**settings, learning_rate=0.005, normalise=normalise))
    network, _ = family.train_conditioned(Data(), Box((0.0,), (1.0,)), 0)
    save_network(network, tmp_path / "saved")
    network = load_conditioned(tmp_path / "saved")
    x = np.linspace(0, 1, 9)[:, None]
    noise = np.zeros((9, 1, 1), np.float32)
    values = (0.0, 0.25, 0.5, 0.75, 1.0)
    means = [float(network.at(value).from_noise(x, noise).mean()) for value in values]  # type: ignore[attr-defined]
    assert all(one < other for one, other in pairwise(means))
    np.testing.assert_allclose(means, values, atol=0.1)
