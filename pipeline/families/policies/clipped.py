"""PPO's clipped objective and its gradient, and the epochs that follow it on one rollout.

Proximal policy optimisation: Schulman, Wolski, Dhariwal, Radford and Klimov, 2017, arXiv 1707.06347, equation 7, with
stable-baselines3's settings: no entropy bonus, advantages standardised in every batch, a squared error of the values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.families.policies.actor_critic import ActorCritic
from pipeline.families.policies.adam import Adam

Array = NDArray[np.float32]

CLIP = 0.2
VALUE_WEIGHT = 0.5
LARGEST_GRADIENT = 0.5
"""Norm that gradients are shortened to."""


@dataclass(frozen=True)
class Batch:
    """What n steps of a rollout teach.

    observations (n, C). actions (n, D): before they were clipped. log_densities (n,): of the actions, under the policy
    that took them. advantages (n,). returns (n,).
    """

    observations: Array
    actions: Array
    log_densities: Array
    advantages: Array
    returns: Array

    def rows(self, index: NDArray[np.intp]) -> "Batch":
        """The steps of an index (m,)."""
        return Batch(*(array[index] for array in vars(self).values()))


def improve(
    networks: ActorCritic, optimiser: Adam, batch: Batch, epochs: int, size: int, generator: np.random.Generator
) -> None:
    """Take a step for every `size` steps of the batch, in a new order every epoch."""
    for _ in range(epochs):
        order = generator.permutation(len(batch.returns))
        for first in range(0, len(order), size):
            write_gradient(networks, batch.rows(order[first : first + size]))
            shorten(networks.gradient.vector)
            optimiser.step(networks.gradient.vector)


def write_gradient(networks: ActorCritic, batch: Batch) -> float:
    """Write the gradient of the loss at a batch into `networks.gradient`; returns the loss."""
    passed = networks.forward(batch.observations)
    log_deviation, deviation = networks.parameters.log_deviation, networks.parameters.deviation
    count = len(batch.returns)
    noise = (batch.actions - passed.mean) / deviation
    ratio = np.asarray(np.exp(log_density(noise, log_deviation) - batch.log_densities), np.float32)
    gain = standardised(batch.advantages)
    free = gain * ratio
    held = gain * np.clip(ratio, 1 - CLIP, 1 + CLIP)
    # Where the clipped term is the smaller one, the loss does not depend on the policy.
    by_density = np.where(free <= held, -free / count, np.float32(0))[:, None]
    by_mean = by_density * noise / deviation
    by_log_deviation = (by_density * (np.square(noise) - 1)).sum(axis=0)
    error = passed.value - batch.returns
    networks.backward(passed, by_mean, error * np.float32(2 * VALUE_WEIGHT / count), by_log_deviation)
    return float(VALUE_WEIGHT * np.mean(np.square(error)) - np.mean(np.minimum(free, held)))


def log_density(noise: Array, log_deviation: Array) -> Array:
    """Logarithm (n,) of the normal density of actions that are `noise` (n, D) deviations from their means."""
    constant = log_deviation.sum() + np.float32(0.5 * np.log(2 * np.pi) * len(log_deviation))
    return np.asarray(np.square(noise).sum(axis=1) * np.float32(-0.5) - constant, np.float32)


def standardised(advantages: Array) -> Array:
    """Advantages (n,) with the mean 0 and the deviation 1; n is at least 2."""
    centred = advantages - advantages.mean()
    return np.asarray(centred / (np.sqrt(np.square(centred).sum() / (len(centred) - 1)) + np.float32(1e-8)), np.float32)


def shorten(gradient: Array) -> None:
    """Scale a gradient (P,) down, in place, where its norm is above LARGEST_GRADIENT."""
    norm = float(np.dot(gradient, gradient)) ** 0.5
    if (scale := LARGEST_GRADIENT / (norm + 1e-6)) < 1:
        gradient *= np.float32(scale)
