"""What is observed of a patient and what is dosed, with their bounds; needs nothing that simulates."""

from typing import Literal

import numpy as np

Penalty = Literal["linear", "hinge"]
"""What λ weighs: any deviation of NK cells, or what lies beyond a margin."""
PENALTY = "penalty"
"""Key of an environment's info: the part of the day's reward that λ weighs, without λ."""

LOWEST_ACTION = np.array([0.0, 0.0], np.float32)
HIGHEST_ACTION = np.array([10.0, 8.0], np.float32)
"""Radiation, and drug a day."""
OBSERVED = ("T_p", "N_p", "L_p", "C", "T_s", "N_s", "L_s")
HIGHEST_STATE = np.array([1e11, 1e10, 1e10, 1e11, 1e11, 1e10, 1e10])
"""Of OBSERVED; an episode ends where a state lies above."""
HIGHEST_OBSERVATION = np.log(HIGHEST_STATE).astype(np.float32)
