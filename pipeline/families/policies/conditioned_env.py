"""Environments of all λ: every episode has a λ of its own, which is observed, and whose reward is paid."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from pipeline.data.conditioned import Box
from pipeline.families.embedding import count_features, drawn, features


class ConditionedVecEnv(VecEnvWrapper):
    """Environments whose λ is drawn uniformly in a box for every episode, its features joined to the observations.

    environment: N environments of λ = 1. penalty: the key of their infos that has what λ weighs in the reward of a
    step, so that the reward of λ is that of 1 plus (λ − 1) times it. values (N,): λ of the episodes that go on.
    """

    venv: VecEnv

    def __init__(self, environment: VecEnv, penalty: str, box: Box, seed: int) -> None:
        observed: Any = environment.observation_space
        ones = np.ones(count_features(box), np.float32)
        low, high = (np.float32(np.append(*pair)) for pair in ((observed.low, -ones), (observed.high, ones)))
        super().__init__(environment, spaces.Box(low, high, dtype=np.float32))
        self._penalty, self._box = penalty, box
        self._generator = torch.Generator().manual_seed(seed)
        self.values = np.zeros(self.num_envs)
        self._features = np.zeros((self.num_envs, count_features(box)), np.float32)

    def reset(self) -> NDArray[np.float32]:
        """Begin all episodes, each with another λ."""
        self._draw(range(self.num_envs))
        return self._joined(self.venv.reset())

    def step_wait(self) -> VecEnvStepReturn:
        """One step; where an episode has ended, the last observation is of its λ, and the next one of another."""
        observation, reward, done, infos = self.venv.step_wait()
        reward = reward + (self.values - 1) * np.array([info[self._penalty] for info in infos])
        ended = np.flatnonzero(done)
        for row in ended:
            infos[row]["terminal_observation"] = np.append(infos[row]["terminal_observation"], self._features[row])
        self._draw(ended)
        return self._joined(observation), reward.astype(np.float32), done, infos

    def state_dict(self) -> dict[str, Any]:
        """λ of the episodes that go on, and what draws the next ones; the environments inside have their own."""
        return {"values": self.values, "features": self._features, "generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.values, self._features = state["values"], state["features"]
        self._generator.set_state(state["generator"])

    def _draw(self, rows: Sequence[int] | NDArray[np.integer]) -> None:
        if len(rows):
            values = drawn(len(rows), self._box, self._generator)
            self.values[rows] = values[:, 0].numpy()
            self._features[rows] = features(values, self._box).numpy()

    def _joined(self, observation: Any) -> NDArray[np.float32]:
        return np.concatenate([observation, self._features], axis=1, dtype=np.float32)
