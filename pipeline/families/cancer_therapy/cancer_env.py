"""Cancer therapy as Gymnasium's environment of one patient, and as stable-baselines3's of many.

They agree: environment i of `CancerVecEnv` with seed s is `CancerEnv` reset with the seed s + i.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from pipeline.families.cancer_therapy.cancer import Patients
from pipeline.families.cancer_therapy.observed import (
    HIGHEST_ACTION,
    HIGHEST_OBSERVATION,
    LOWEST_ACTION,
    PENALTY,
    Penalty,
)


def _spaces() -> tuple[spaces.Box, spaces.Box]:
    """Observations (7,) and actions (2,)."""
    observation = spaces.Box(np.zeros_like(HIGHEST_OBSERVATION), HIGHEST_OBSERVATION, dtype=np.float32)
    return observation, spaces.Box(LOWEST_ACTION, HIGHEST_ACTION, dtype=np.float32)


class CancerEnv(gymnasium.Env[Any, Any]):
    """One patient; weight is λ."""

    metadata = {"render_modes": []}

    def __init__(self, weight: float = 0.0, penalty: Penalty = "linear") -> None:
        self.observation_space, self.action_space = _spaces()
        self._patients = Patients(weight, penalty, [np.random.default_rng()])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Admit a new patient; the same seed gives the same patients."""
        super().reset(seed=seed)
        self._patients.generators[0] = self.np_random
        return self._patients.admit([0])[0], {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Treat the patient for one day with an action (2,), which is clipped to the box."""
        day = self._patients.treat(np.asarray(action)[None])
        return (
            day.observation[0],
            float(day.reward[0]),
            bool(day.terminated[0]),
            bool(day.truncated[0]),
            {PENALTY: float(day.penalty[0])},
        )


class CancerVecEnv(VecEnv):
    """`count` patients who are stepped in one call; one whose episode has ended is replaced at once."""

    render_mode: str | None = None

    def __init__(self, count: int, weight: float, penalty: Penalty, seed: int) -> None:
        super().__init__(count, *_spaces())
        self._patients = Patients(weight, penalty, [np.random.default_rng() for _ in range(count)])
        self._actions = np.zeros((count, 2))
        self.seed(seed)

    def reset(self) -> VecEnvObs:
        """Admit new patients everywhere; the seed of `seed`, where there is one, starts their generators afresh."""
        for row, seed in enumerate(self._seeds):
            if seed is not None:
                self._patients.generators[row] = gymnasium.utils.seeding.np_random(seed)[0]
        self._reset_seeds()
        return self._patients.admit(range(self.num_envs))

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions (count, 2) for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """One day of all patients: observations, rewards, whether they are done, and SB3's info with PENALTY."""
        day = self._patients.treat(self._actions)
        done = day.terminated | day.truncated
        infos: list[dict[str, Any]] = [{PENALTY: penalty} for penalty in day.penalty.tolist()]
        observation = day.observation
        if rows := np.flatnonzero(done).tolist():
            for row in rows:
                infos[row] |= {
                    "terminal_observation": observation[row].copy(),
                    "TimeLimit.truncated": bool(day.truncated[row]),
                }
            observation[rows] = self._patients.admit(rows)
        return observation, day.reward.astype(np.float32), done, infos

    def state_dict(self) -> dict[str, Any]:
        """The state of the patients, between two steps."""
        return self._patients.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the patients back."""
        self._patients.load_state_dict(state)

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute for each of `indices`; they all share this object's."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: patients share their attributes."""
        raise NotImplementedError(f"{attr_name}: patients of one batch share their attributes")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: there is no environment for each patient."""
        raise NotImplementedError(f"{method_name}: there is no environment for each patient")

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """No patient is wrapped."""
        return [False for _ in self._get_indices(indices)]
