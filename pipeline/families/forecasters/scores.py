"""How good forecasts of a quantile are, on values that came true."""

import numpy as np
from numpy.typing import NDArray


def pinball_loss(forecast: NDArray[np.floating], truth: NDArray[np.floating], quantile: float) -> float:
    """Mean of max(q e, (q − 1) e) over all entries (N, D), e = truth − forecast; in the data's units.

    Proper for the quantile q (Gneiting and Raftery 2007, section 6): least where the forecast is the true quantile.
    """
    error = np.asarray(truth, np.float64) - forecast
    return float(np.maximum(quantile * error, (quantile - 1) * error).mean())


def level_error(forecast: NDArray[np.floating], truth: NDArray[np.floating], quantile: float) -> float:
    """|share of values (N, D) at or below their forecast − q|: 0 where the forecast is the quantile that it says."""
    return abs(float(np.mean(np.asarray(truth) <= forecast)) - quantile)
