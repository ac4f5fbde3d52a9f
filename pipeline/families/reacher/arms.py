"""Many arms that are stepped one after the other, whose physics can be put back to the bit."""

from typing import Any

import gymnasium
import mujoco  # type: ignore[import-untyped]
import numpy as np
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.vec_env import DummyVecEnv

INTEGRATED = int(mujoco.mjtState.mjSTATE_INTEGRATION)
"""What a step of MuJoCo depends on: positions, speeds, time, controls, and where its solver starts from."""


class Arms(DummyVecEnv):
    """Gymnasium's MuJoCo environments; between two steps they have a state."""

    def state_dict(self) -> dict[str, Any]:
        """Physics, generators and steps of the episodes so far, by arm."""
        return {"arms": [_state(arm) for arm in self.envs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put every arm back."""
        for arm, saved in zip(self.envs, state["arms"], strict=True):
            _load(arm, saved)


def _state(arm: gymnasium.Env[Any, Any]) -> dict[str, Any]:
    own: Any = arm.unwrapped
    physics = np.empty(mujoco.mj_stateSize(own.model, INTEGRATED))
    mujoco.mj_getState(own.model, own.data, physics, INTEGRATED)
    steps = _time_limit(arm)._elapsed_steps  # which gymnasium keeps to itself
    return {"physics": physics, "generator": own.np_random.bit_generator.state, "steps": steps}


def _load(arm: gymnasium.Env[Any, Any], saved: dict[str, Any]) -> None:
    own: Any = arm.unwrapped
    mujoco.mj_setState(own.model, own.data, saved["physics"], INTEGRATED)
    own.np_random.bit_generator.state = saved["generator"]
    _time_limit(arm)._elapsed_steps = saved["steps"]


def _time_limit(arm: Any) -> Any:
    while not isinstance(arm, TimeLimit):
        arm = arm.env
    return arm
