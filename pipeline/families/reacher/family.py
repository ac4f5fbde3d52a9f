"""Policies of Gymnasium's Reacher, trained by PPO; λ = weight of the control cost.

An arm of two joints moves its fingertip to a target; the reward of a step is −|fingertip − target| − λ |torques|². The
experiment of Amad and van der Schaar (ICLR 2026, arXiv 2603.01771), where λ runs from 1 to 5. Reacher-v5 here: it is
the older versions' without the eleventh observation, which was always 0.
"""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column
from pipeline.families.policies.policy_family import PolicyFamily

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

LINKS = (0.1, 0.11)
"""From joint to joint, and from there to the fingertip, in metres."""
PULL, DAMPING, NOISE = 20.0, 0.1, 0.05
"""The reference behaviour's torques: per square metre of the pull, per rad/s, and their random part's deviation."""


class Reacher(PolicyFamily):
    """The family; ingest.source is this module itself, targets are drawn. Torques are fractions of the highest one."""

    weight = Column(name="control_cost", lower=0.0)
    penalty = "reward_ctrl"
    observed: ClassVar[tuple[Column, ...]] = (
        *(Column(name=name, lower=-1.0, upper=1.0) for name in ("cos_0", "cos_1", "sin_0", "sin_1")),
        *(Column(name=name, units="m") for name in ("target_x", "target_y")),
        *(Column(name=name, units="rad/s") for name in ("speed_0", "speed_1")),
        *(Column(name=name, units="m") for name in ("offset_x", "offset_y")),
    )
    actions: ClassVar[tuple[Column, ...]] = tuple(
        Column(name=name, lower=-1.0, upper=1.0) for name in ("torque_0", "torque_1")
    )

    def environment(self, hyperparameter: float, count: int, seed: int) -> "VecEnv":
        """Arms that are stepped one after the other: a step of one takes less than that of a policy's update."""
        import gymnasium

        from pipeline.families.reacher.arms import Arms

        def arm() -> gymnasium.Env[NDArray[np.float64], NDArray[np.float32]]:
            return gymnasium.make("Reacher-v5", reward_control_weight=hyperparameter, disable_env_checker=True)

        environment = Arms([arm] * count)
        environment.seed(seed)
        return environment

    def reference(self, observations: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.floating]:
        """Pull the fingertip to the target (the transposed Jacobian times the offset), damp, and add noise.

        It reaches as trained policies do, and strays a little: their states lie among those that it visits.
        """
        cos, sin, speed, offset = (
            observations[:, part] for part in (slice(0, 2), slice(2, 4), slice(6, 8), slice(8, 10))
        )
        both = np.arctan2(sin, cos).sum(axis=1)
        outer = LINKS[1] * np.stack([-np.sin(both), np.cos(both)], axis=1)
        inner = LINKS[0] * np.stack([-sin[:, 0], cos[:, 0]], axis=1)
        jacobian = np.stack([inner + outer, outer], axis=1)  # [n, joint, axis]
        pull = -np.einsum("nja,na->nj", jacobian, offset)
        torque = PULL * pull - DAMPING * speed + NOISE * generator.standard_normal(speed.shape)
        return np.asarray(np.clip(torque, -1, 1), np.float32)
