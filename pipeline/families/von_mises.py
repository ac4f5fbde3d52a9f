"""Angles that are von Mises around 0, as a function of normal noise."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

ANGLES = 20_000


def deviation_of_angle(normal: NDArray[np.float64], concentration: float) -> NDArray[np.float64]:
    """Deviations from the mean angle that are von Mises where the given numbers are standard normal; ascending in them.

    The inverse of the distribution function, by linear interpolation on a grid of ANGLES cells.
    """
    from scipy.special import ndtr

    angles, shares = _angle_table(concentration)
    return np.asarray(np.interp(ndtr(normal), shares, angles))


@cache
def _angle_table(concentration: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angles = np.linspace(-math.pi, math.pi, ANGLES + 1)
    density = np.exp(concentration * (np.cos(angles) - 1))
    shares = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return angles, shares / shares[-1]
