"""Training a Gaussian policy by stable-baselines3's PPO, and rolling any policy out.

Proximal policy optimisation: Schulman, Wolski, Dhariwal, Radford and Klimov, 2017, arXiv 1707.06347. Only the actor's
state_dict is kept: no archive of stable-baselines3, which would have to be unpickled, is written or read.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize
from torch import Tensor, nn

from pipeline.data.network import Policy
from pipeline.errors import FitError
from pipeline.families.policies.gaussian_policy import GaussianPolicy
from pipeline.families.policies.settings import PolicySettings
from pipeline.families.threads import single_thread


def train(environment: VecEnv, module: GaussianPolicy, settings: PolicySettings, seed: int) -> dict[str, float]:
    """Train on the environments, and write the actor's weights into the module, whose initial weights have no effect.

    Returns the steps, and where episodes ended the mean reward and length of the last hundred. Raises FitError where a
    weight is not finite.
    """
    monitored = VecMonitor(environment)
    observed: VecEnv = monitored
    if settings.normalise:
        observed = VecNormalize(monitored, gamma=settings.discount, clip_obs=np.inf)
    with _seeds_kept(), single_thread():
        ppo = PPO(
            "MlpPolicy",
            observed,
            learning_rate=settings.learning_rate,
            n_steps=settings.rollout // settings.environments,
            batch_size=settings.batch_size,
            n_epochs=settings.epochs,
            gamma=settings.discount,
            gae_lambda=settings.trace,
            policy_kwargs={"net_arch": list(settings.hidden)},
            device="cpu",
            seed=seed,
        )
        ppo.set_logger(Logger(folder=None, output_formats=[]))  # the default logger creates a temporary folder
        ppo.learn(settings.steps)
    state = actor_state(ppo)
    if isinstance(observed, VecNormalize):
        statistics = observed.obs_rms
        assert not isinstance(statistics, dict)
        state["centre"] = torch.from_numpy(statistics.mean).float()
        state["scale"] = torch.from_numpy(np.sqrt(statistics.var + observed.epsilon)).float()
    if not all(bool(torch.isfinite(tensor).all()) for tensor in state.values()):
        raise FitError("a weight of the policy is not finite; lower train.learning_rate")
    module.load_state_dict(module.state_dict() | state)
    names = {"episode_reward": "r", "episode_length": "l"} if ppo.ep_info_buffer else {}
    ended = {name: float(np.mean([info[key] for info in ppo.ep_info_buffer or ()])) for name, key in names.items()}
    return {"steps": float(ppo.num_timesteps)} | ended


def actor_state(ppo: PPO) -> dict[str, Tensor]:
    """The state_dict of a GaussianPolicy with the weights of PPO's actor."""
    body, head = ppo.policy.mlp_extractor.policy_net, ppo.policy.action_net
    layers = [layer for layer in (*body, head) if isinstance(layer, nn.Linear)]
    state = {f"layers.{i}.{name}": t for i, layer in enumerate(layers) for name, t in layer.state_dict().items()}
    return {name: t.detach().clone() for name, t in (state | {"log_deviation": ppo.policy.log_std}).items()}


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


@contextmanager
def _seeds_kept() -> Iterator[None]:
    """Restore all global generators afterwards: stable-baselines3 seeds those of the process, and draws from them."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
