"""PCHIP: monotone cubic interpolation between two anchors, with slopes from the anchors next to them.

Fritsch and Carlson, "Monotone piecewise cubic interpolation", SIAM J. Numer. Anal. 1980, with the slopes of Fritsch and
Butland 1984, as in scipy.interpolate.PchipInterpolator; here with knots that may differ by row. The curve is exact at
the anchors, and every output is monotone where its values at the anchors are.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEEPEST = 3.0
"""A cubic is monotone if its end slopes are within this factor of the secant's."""


def window(interval: int, anchors: int) -> range:
    """The anchors that decide the curve in an interval: its ends and their neighbours."""
    return range(max(0, interval - 1), min(anchors, interval + 3))


def interpolate(knots: Array, values: Sequence[Array], interval: int, positions: Array) -> Array:
    """Points (B, D) at positions s (B, 1) in the interval between two neighbouring knots.

    knots (n,), or (B, n), ascending; values: n arrays (B, D), n ≥ 2.
    """
    widths = list(np.moveaxis(np.diff(knots, axis=-1), -1, 0)[..., None])
    secants = [(after - before) / h for before, after, h in zip(values, values[1:], widths, strict=False)]
    first, last = (widths[interval] * _slope(widths, secants, k) for k in (interval, interval + 1))
    start, end, s = values[interval], values[interval + 1], positions
    move = end - start
    line = np.where(s < 0.5, start + s * move, end - (1 - s) * move)  # exact at both ends
    return np.asarray(line + s * (1 - s) * ((1 - s) * (first - move) - s * (last - move)))


def _slope(widths: Sequence[Array], secants: Sequence[Array], knot: int) -> Array:
    """The derivative (B, D) at a knot."""
    if len(secants) == 1:
        return secants[0]
    if knot in (0, len(secants)):
        nearest, second = (0, 1) if knot == 0 else (-1, -2)
        return _end_slope(widths[nearest], widths[second], secants[nearest], secants[second])
    h0, h1, m0, m1 = widths[knot - 1], widths[knot], secants[knot - 1], secants[knot]
    w0, w1 = h0 + 2 * h1, 2 * h0 + h1
    monotone = m0 * m1 > 0
    m0, m1 = np.where(monotone, m0, 1.0), np.where(monotone, m1, 1.0)
    return np.where(monotone, (w0 + w1) / (w0 / m0 + w1 / m1), 0.0)


def _end_slope(h0: Array, h1: Array, m0: Array, m1: Array) -> Array:
    """The slope of the parabola through three knots at the outer one, limited so that the cubic stays monotone."""
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    slope = np.where(np.sign(slope) != np.sign(m0), 0.0, slope)
    turns = (np.sign(m0) != np.sign(m1)) & (abs(slope) > STEEPEST * abs(m0))
    return np.where(turns, STEEPEST * m0, slope)
