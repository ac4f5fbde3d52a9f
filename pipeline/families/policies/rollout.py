"""Rollouts of a policy in training, and what its steps were worth: generalised advantage estimation.

Schulman, Moritz, Levine, Jordan and Abbeel, 2016, arXiv 1506.02438, equation 16. An episode that is cut off for its
length goes on in expectation: the value of its last observation is added to its last reward.
"""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from pipeline.families.policies.actor_critic import ActorCritic
from pipeline.families.policies.clipped import Batch, log_density
from pipeline.families.policies.settings import PolicySettings

Array = NDArray[np.float32]

REMEMBERED = 100
"""Last episodes whose reward and length training reports."""


class Rollouts:
    """N environments that go on from one rollout to the next, T steps each.

    environment: monitored, so that its infos tell the reward and length of an episode that has ended. episodes: those
    of the last ones. steps: taken so far, of all environments.
    """

    def __init__(
        self, environment: VecEnv, networks: ActorCritic, settings: PolicySettings, generator: np.random.Generator
    ) -> None:
        self.environment, self.networks, self.settings, self.generator = environment, networks, settings, generator
        self.episodes: deque[dict[str, float]] = deque(maxlen=REMEMBERED)
        self.steps = 0
        box: Any = environment.action_space
        self._low, self._high = box.low, box.high
        self._observation = np.asarray(environment.reset(), np.float32)

    def collect(self) -> Batch:
        """The next T · N steps, those of the first moment first."""
        T, N = self.settings.rollout // self.environment.num_envs, self.environment.num_envs
        observations = np.empty((T, *self._observation.shape), np.float32)
        actions = np.empty((T, N, len(self._low)), np.float32)
        densities, values, rewards = (np.empty((T, N), np.float32) for _ in range(3))
        over = np.empty((T, N), bool)
        for t in range(T):
            observations[t] = self._observation
            actions[t], densities[t], values[t] = self._act()
            rewards[t], over[t] = self._step(actions[t])
        last = self.networks.forward(self._observation).value
        gains = advantages(rewards, values, over, last, self.settings.discount, self.settings.trace)
        flat = (a.reshape(T * N, *a.shape[2:]) for a in (observations, actions, densities, gains, gains + values))
        return Batch(*flat)

    def state_dict(self) -> dict[str, Any]:
        """Steps so far, last episodes and present observations; environments and networks have states of their own."""
        keys = self.episodes[0] if self.episodes else ()
        episodes = {key: np.array([episode[key] for episode in self.episodes]) for key in keys}
        return {"steps": self.steps, "episodes": episodes, "observation": self._observation}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.steps, self._observation = state["steps"], state["observation"]
        self.episodes.clear()
        episodes = state["episodes"]
        self.episodes.extend(dict(zip(episodes, row, strict=True)) for row in zip(*episodes.values(), strict=True))

    def _act(self) -> tuple[Array, Array, Array]:
        """Actions (N, D), their log-densities (N,), and the values (N,) of the present observations."""
        passed, own = self.networks.forward(self._observation), self.networks.parameters
        noise = self.generator.standard_normal(passed.mean.shape, np.float32)
        return passed.mean + own.deviation * noise, log_density(noise, own.log_deviation), passed.value

    def _step(self, actions: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Take actions (N, D); rewards (N,), and whether the episodes ended (N,)."""
        observation, reward, done, infos = self.environment.step(np.clip(actions, self._low, self._high))
        self._observation = np.asarray(observation, np.float32)
        self.steps += len(done)
        reward = np.array(reward, np.float32)
        ended = np.flatnonzero(done)
        self.episodes.extend(infos[row]["episode"] for row in ended)
        cut = [row for row in ended if infos[row].get("TimeLimit.truncated", False)]
        if cut:
            final = np.stack([infos[row]["terminal_observation"] for row in cut]).astype(np.float32)
            reward[cut] += np.float32(self.settings.discount) * self.networks.forward(final).value
        return reward, np.asarray(done, bool)


def advantages(
    rewards: Array, values: Array, over: NDArray[np.bool_], last: Array, discount: float, trace: float
) -> Array:
    """Advantages (T, N) of steps with these rewards, values and ends (T, N); last (N,): values after the last step."""
    found = np.empty_like(rewards)
    following, advantage = last, np.zeros_like(last)
    for t in reversed(range(len(rewards))):
        going = np.where(over[t], np.float32(0), np.float32(discount))
        advantage = rewards[t] + going * following - values[t] + going * np.float32(trace) * advantage
        found[t], following = advantage, values[t]
    return found
