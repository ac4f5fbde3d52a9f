"""Adam on one vector of parameters, in place: Kingma and Ba, 2015, arXiv 1412.6980."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FIRST, SECOND = 0.9, 0.999
"""Decay of the moments' running means."""
EPSILON = 1e-5
"""As stable-baselines3 has it for PPO; torch's own default is 1e-8."""


class Adam:
    """Steps of one learning rate. parameters (P,) are changed in place."""

    def __init__(self, parameters: Array, learning_rate: float) -> None:
        self.parameters, self.learning_rate = parameters, learning_rate
        self.steps = 0
        self._first, self._second = np.zeros_like(parameters), np.zeros_like(parameters)
        self._work = np.empty_like(parameters)

    def state_dict(self) -> dict[str, Any]:
        """The steps so far and the moments; the parameters are whose they are."""
        return {"steps": self.steps, "first": self._first, "second": self._second}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.steps = state["steps"]
        self._first[:], self._second[:] = state["first"], state["second"]

    def step(self, gradient: Array) -> None:
        """One step along a gradient (P,)."""
        first, second, work = self._first, self._second, self._work
        self.steps += 1
        first *= FIRST
        first += np.multiply(gradient, 1 - FIRST, out=work)
        second *= SECOND
        np.multiply(gradient, gradient, out=work)
        work *= 1 - SECOND
        second += work
        np.sqrt(second, out=work)
        work /= (1 - SECOND**self.steps) ** 0.5
        work += EPSILON
        np.divide(first, work, out=work)
        work *= self.learning_rate / (1 - FIRST**self.steps)
        self.parameters -= work
