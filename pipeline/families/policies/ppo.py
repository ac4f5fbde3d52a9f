"""Training a Gaussian policy by proximal policy optimisation, and rolling any policy out.

Algorithm and settings are stable-baselines3's PPO; its environments serve, its networks do not: their gradients cost
more than the episodes, and an archive of them would have to be unpickled. Only the actor's state_dict is kept.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from pipeline.data.network import Policy
from pipeline.errors import FitError
from pipeline.families.policies.actor_critic import ActorCritic
from pipeline.families.policies.adam import Adam
from pipeline.families.policies.clipped import improve
from pipeline.families.policies.gaussian_policy import GaussianPolicy
from pipeline.families.policies.rollout import Rollouts
from pipeline.families.policies.settings import PolicySettings


def train(environment: VecEnv, module: GaussianPolicy, settings: PolicySettings, seed: int) -> dict[str, float]:
    """Train on the environments, and write the actor's weights into the module, whose initial weights have no effect.

    Returns the steps, and where episodes ended the mean reward and length of the last hundred. Raises FitError where a
    weight is not finite.
    """
    monitored = VecMonitor(environment)
    normalised = VecNormalize(monitored, gamma=settings.discount, clip_obs=np.inf) if settings.normalise else None
    generator = np.random.default_rng(seed)
    networks = ActorCritic(len(module.centre), settings.hidden, len(module.lower))
    networks.initialise(generator)
    optimiser = Adam(networks.parameters.vector, settings.learning_rate)
    rollouts = Rollouts(normalised or monitored, networks, settings, generator)
    while rollouts.steps < settings.steps:
        improve(networks, optimiser, rollouts.collect(), settings.epochs, settings.batch_size, generator)
        if not np.isfinite(networks.parameters.vector).all():
            raise FitError("a weight of the policy is not finite; lower train.learning_rate")
    state = networks.actor_state() | ({} if normalised is None else standardisation(normalised))
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    module.load_state_dict(module.state_dict() | tensors)
    names = {"episode_reward": "r", "episode_length": "l"} if rollouts.episodes else {}
    ended = {name: float(np.mean([episode[key] for episode in rollouts.episodes])) for name, key in names.items()}
    return {"steps": float(rollouts.steps)} | ended


def standardisation(environment: VecNormalize) -> dict[str, NDArray[np.float32]]:
    """What observations were standardised by at last, (C,) each, as a GaussianPolicy names it."""
    statistics = environment.obs_rms
    assert not isinstance(statistics, dict)
    scale = np.sqrt(statistics.var + environment.epsilon)
    return {"centre": statistics.mean.astype(np.float32), "scale": scale.astype(np.float32)}


def episode_rewards(policy: Policy, environment: VecEnv, seed: int) -> NDArray[np.float64]:
    """The sum of rewards of the first episode of every environment, (N,), under one draw of the policy a step.

    The policy is evaluated only in environments whose episode goes on. seed: of its draws.
    """
    observation = np.asarray(environment.reset())
    going = np.ones(environment.num_envs, bool)
    total = np.zeros(environment.num_envs)
    assert environment.action_space.shape is not None
    actions = np.zeros((environment.num_envs, *environment.action_space.shape), np.float32)
    step = 0
    while going.any():
        entropy = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
        actions[:] = 0
        actions[going] = policy(observation[going], 1, entropy)[:, 0]
        state, reward, done, _ = environment.step(actions)
        observation = np.asarray(state)
        total += np.where(going, reward, 0)
        going &= ~done
        step += 1
    return total
