"""stable-baselines3's PPO as the oracle of this one: the same weights in both, and a rollout from one to the other."""

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from torch import nn

from pipeline.families.policies.actor_critic import ActorCritic


def linear(module: nn.Module) -> list[nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def copied(ppo: PPO, networks: ActorCritic) -> ActorCritic:
    """Networks with the weights of PPO's, which are written into them."""
    own, policy = networks.parameters, ppo.policy
    stacks = zip(linear(policy.mlp_extractor.policy_net), linear(policy.mlp_extractor.value_net), strict=True)
    for weight, bias, pair in zip(own.weights, own.biases, stacks, strict=True):
        for i, layer in enumerate(pair):
            weight[i], bias[i, 0] = layer.weight.detach().numpy().T, layer.bias.detach().numpy()
    own.mean[:], own.mean_bias[:] = policy.action_net.weight.detach().numpy().T, policy.action_net.bias.detach()
    own.value[:], own.value_bias[:] = policy.value_net.weight.detach().numpy().T, policy.value_net.bias.detach()
    own.log_deviation[:] = policy.log_std.detach()
    return networks


def rolled_out(ppo: PPO) -> PPO:
    """The same PPO after one rollout, before the steps that follow it."""
    ppo.set_logger(Logger(folder=None, output_formats=[]))
    _, callback = ppo._setup_learn(ppo.n_steps * ppo.n_envs)
    assert ppo.env is not None
    ppo.collect_rollouts(ppo.env, callback, ppo.rollout_buffer, ppo.n_steps)
    return ppo


class Noise(np.random.Generator):
    """A generator whose standard normal draws are a given sequence of arrays."""

    def __init__(self, draws: list[NDArray[np.float32]]) -> None:
        super().__init__(np.random.PCG64(0))
        self.draws = iter(draws)

    def standard_normal(self, *_args, **_kwargs) -> NDArray[np.float32]:  # type: ignore[override]
        return next(self.draws)


def noise_of(ppo: PPO) -> Noise:
    """What PPO drew in its rollout, in units of the deviation."""
    buffer, draws = ppo.rollout_buffer, []
    with torch.no_grad():
        for observation, action in zip(buffer.observations, buffer.actions, strict=True):
            normal = ppo.policy.get_distribution(torch.from_numpy(observation)).distribution
            draws.append(((torch.from_numpy(action) - normal.mean) / normal.stddev).numpy())
    return Noise(draws)
