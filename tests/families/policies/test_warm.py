"""Training on from another policy: what is taken over, and what it goes on with."""

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecNormalize

from pipeline.errors import ConfigurationError
from pipeline.families.cancer_therapy.family import CancerSettings, CancerTherapy
from pipeline.families.policies.actor_critic import ActorCritic
from pipeline.families.policies.gaussian_policy import GaussianPolicy
from pipeline.families.policies.ppo import Training, go_on, standardisation
from pipeline.families.policies.settings import PolicySettings
from pipeline.families.protocol import Data
from pipeline.families.reacher.family import Reacher
from pipeline.families.torch_family import ModuleNetwork

SMALL = {"hidden": (8,), "steps": 128, "environments": 4, "rollout": 64, "batch_size": 32, "epochs": 1}
THERAPY = CancerTherapy(CancerSettings(**SMALL))
REACHER = Reacher(PolicySettings(**SMALL, normalise=True))


@pytest.fixture(scope="module")
def reaching():
    return REACHER.train(Data(), 1.0, 0)[0]


def parameters(network) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in network.module.state_dict().items()}


def test_an_actor_comes_back_and_leaves_the_critic():
    first, second = ActorCritic(3, (5, 4), 2), ActorCritic(3, (5, 4), 2)
    first.initialise(np.random.default_rng(0))
    second.initialise(np.random.default_rng(1))
    x = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    values = second.forward(x).value
    second.load_actor(first.actor_state())
    np.testing.assert_array_equal(second.forward(x).mean, first.forward(x).mean)
    np.testing.assert_array_equal(second.forward(x).value, values)


def test_no_steps_change_nothing():
    start, _ = THERAPY.train(Data(), 0.0, 0)
    same, metrics = THERAPY.train_from(start, Data(), 5.0, 1, 0.0)
    assert metrics["steps"] == 0
    before, after = parameters(start), parameters(same)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == set()


def test_steps_move_the_policy_and_the_start_stays(reaching):
    before = parameters(reaching)
    moved, metrics = REACHER.train_from(reaching, Data(), 2.0, 0, 0.5)
    assert metrics["steps"] == 128  # one rollout teaches the critic, one both
    assert isinstance(moved, ModuleNetwork)
    assert moved.hyperparameter == 2.0
    assert not np.array_equal(parameters(moved)["layers.0.weight"], before["layers.0.weight"])
    after = parameters(reaching)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_critic_learns_alone(reaching):
    environment = REACHER.environment(1.0, 4, 0)
    module = reaching.module
    assert isinstance(module, GaussianPolicy)
    training = Training(environment, REACHER.settings, 0, module)
    actor, value = training.networks.actor_state(), training.networks.parameters.value.copy()
    training.learn_values(64)
    environment.close()
    assert all(np.array_equal(part, training.networks.actor_state()[name]) for name, part in actor.items())
    assert not np.array_equal(training.networks.parameters.value, value)


def test_statistics_of_observations_are_pooled(reaching):
    # 50 rows of the former training and 20 new ones have the moments of all 70 together.
    rng = np.random.default_rng(0)
    former, new = rng.normal(2.0, 3.0, (50, 10)), rng.normal(-1.0, 1.0, (20, 10))
    environment = VecNormalize(REACHER.environment(1.0, 4, 0))
    state = {"centre": former.mean(0), "scale": np.sqrt(former.var(0) + environment.epsilon)}
    go_on(environment, {name: array.astype(np.float32) for name, array in state.items()}, len(former))
    assert not isinstance(environment.obs_rms, dict)
    environment.obs_rms.update(new)
    pooled, both = standardisation(environment), np.concatenate([former, new])
    environment.close()
    np.testing.assert_allclose(pooled["centre"], both.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pooled["scale"], both.std(0), rtol=1e-5)


def test_networks_of_others_are_refused(reaching):
    with pytest.raises(ConfigurationError, match=r"CancerTherapy cannot start from a network of .*Reacher"):
        THERAPY.train_from(reaching, Data(), 1.0, 0, 0.5)
    wider = Reacher(PolicySettings(**(SMALL | {"hidden": (9,)})))
    with pytest.raises(ConfigurationError, match=r"the network of λ = 1.0 has other layers than these settings of Rea"):
        wider.train_from(reaching, Data(), 2.0, 0, 0.5)
