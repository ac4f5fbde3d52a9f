"""Cancer therapy as a task: patients who are treated day by day, many in one call.

One step is a day, an episode has at most 200. Every patient has a generator of its own, so that patient i of a batch is
the same as one alone with the same seed. Noise, bounds and rewards are those of DTR-Gym's GhaffariCancerEnv, in its
default setting; λ weighs a penalty on the deviation of NK cells from their initial level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.families.cancer_therapy.observed import (
    HIGHEST_ACTION,
    HIGHEST_OBSERVATION,
    HIGHEST_STATE,
    LOWEST_ACTION,
    OBSERVED,
    Penalty,
)
from pipeline.families.cancer_therapy.rosenbrock import integrate
from pipeline.families.cancer_therapy.tumours import NOMINAL, VARIABLES, Tumours

ROWS = [VARIABLES.index(name) for name in OBSERVED]
START = np.array([1e7, 0.0, 2e8, 1e4, 1e2, 1e2, 1.5e9, 0.0, 0.0, 0.0, 0.0, 0.0])
"""Of VARIABLES."""
DAYS = 200
DELAYS = 10
"""τ is one of the days 0 … 9."""
CONSTANTS_SPREAD, START_SPREAD, OBSERVATION_SPREAD = 0.05, 0.25, 0.1
END_REWARD = 100.0
MARGIN = 0.1
"""Deviation that the hinge penalty allows."""
RELATIVE, ABSOLUTE = 1e-3, 1e-3
"""Tolerances of the solver: of a cell's share, and in cells; observations do not go below one cell."""
FIRST_STEP = 1e-4


@dataclass(frozen=True)
class Day:
    """What one step gives for N patients.

    observation: (N, 7) float32. reward: (N,). penalty: (N,), at most 0, the part of the reward that λ weighs, without
    λ. terminated: (N,), cured or out of bounds. truncated: (N,), treated for 200 days without either.
    """

    observation: NDArray[np.float32]
    reward: NDArray[np.float64]
    penalty: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class Patients:
    """N patients under treatment. `admit` starts episodes, `treat` advances all patients by a day."""

    def __init__(self, weight: float, penalty: Penalty, generators: Sequence[np.random.Generator]) -> None:
        self.weight, self.penalty = weight, penalty
        self.generators = list(generators)
        self.tumours = Tumours(len(self.generators))
        self.state = np.repeat(START[:, None], len(self.generators), axis=1)
        self.day = np.zeros(len(self.generators), int)
        self._step = np.full(len(self.generators), FIRST_STEP)
        self._first_tumour = np.ones(len(self.generators))
        self._first_cells = np.ones(len(self.generators))

    def admit(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Start an episode with a new patient in each of `rows`; their observations (len(rows), 7)."""
        rows = list(rows)
        for row in rows:
            draw = self.generators[row]
            self.tumours.table[:, row] = NOMINAL * (1 + draw.uniform(-CONSTANTS_SPREAD, CONSTANTS_SPREAD, len(NOMINAL)))
            self.state[:, row] = START * (1 + draw.uniform(-START_SPREAD, START_SPREAD, len(START)))
            self.tumours.delay[row] = draw.integers(DELAYS)
        self.day[rows] = 0
        self._step[rows] = FIRST_STEP
        observation = self._observe(rows)
        self._first_tumour[rows] = _log(self.state[[0, 1]][:, rows].sum(axis=0))
        self._first_cells[rows] = _log_cells(observation)
        return observation

    def treat(self, actions: NDArray[np.floating]) -> Day:
        """One day under actions (N, 2), which are clipped to their box. Raises DataError for another shape or NaN."""
        actions = np.asarray(actions, np.float64)
        if actions.shape != (self.day.size, 2) or not np.isfinite(actions).all():
            raise DataError(f"actions have shape {actions.shape}; ({self.day.size}, 2) of finite doses is needed")
        reward = 1 - _log(self.state[[0, 1]].sum(axis=0)) / self._first_tumour
        self.tumours.dose = np.clip(actions, LOWEST_ACTION, HIGHEST_ACTION).T
        self.tumours.metastasis = self.day >= self.tumours.delay
        self.state, self._step = integrate(
            self.tumours, self.state, 1.0, self._step, relative=RELATIVE, absolute=ABSOLUTE
        )
        self.day += 1
        cured = (self.state[[0, 1]] < 1).all(axis=0)
        outside = (self.state[ROWS] > HIGHEST_STATE[:, None]).any(axis=0) & ~cured
        observation = self._observe(range(self.day.size))
        reward += END_REWARD * cured - END_REWARD * outside
        penalty = -self._deviation(observation)
        reward += self.weight * penalty
        terminated = np.asarray(cured | outside)
        return Day(observation, reward, penalty, terminated, (self.day >= DAYS) & ~terminated)

    def state_dict(self) -> dict[str, Any]:
        """What days so far have left: the patients and their generators."""
        arrays = {name: value.copy() for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        tumours = {name: value.copy() for name, value in vars(self.tumours).items()}
        return {"arrays": arrays, "tumours": tumours, "draws": [g.bit_generator.state for g in self.generators]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave, of as many patients."""
        vars(self).update(state["arrays"])
        vars(self.tumours).update(state["tumours"])
        for generator, saved in zip(self.generators, state["draws"], strict=True):
            generator.bit_generator.state = saved

    def _deviation(self, observation: NDArray[np.float32]) -> NDArray[np.float64]:
        """What λ weighs: the deviation of the NK cells' logarithm, as observed, from that of the first day."""
        deviation = np.abs(_log_cells(observation) / self._first_cells - 1)
        return np.maximum(0, deviation - MARGIN) if self.penalty == "hinge" else deviation

    def _observe(self, rows: Sequence[int]) -> NDArray[np.float32]:
        seen = self.state[ROWS][:, list(rows)].T
        noise = np.array(
            [self.generators[row].uniform(-OBSERVATION_SPREAD, OBSERVATION_SPREAD, len(ROWS)) for row in rows]
        )
        logs = np.log(np.maximum(seen * (1 + noise), 1)).astype(np.float32)
        return np.asarray(np.minimum(logs, HIGHEST_OBSERVATION))


def _log(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(cells, np.e)))


def _log_cells(observation: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logarithm of N (n,) of both sites' NK cells in observations (n, 7)."""
    return _log(np.exp(observation[:, [1, 5]].astype(np.float64)).sum(axis=1))
