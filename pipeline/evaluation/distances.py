"""Distances between two samples of outputs, all exact: no entropic or sliced approximation.

Samples are (n, D) arrays; weights are (n,), positive and summing to 1, and None means equal weights. Squared distances
come in squared units of the outputs, the spread in their own units.

DISTANCES lists what validation reports: to add one, write its function and its entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import ot
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pipeline.errors import DataError
from pipeline.shapes import FloatArray

Weights = NDArray[np.float64] | None

Kind = Literal["matched", "conditional", "joint"]
"""How two samples are compared: see `pipeline.evaluation.comparison`."""

_NETWORK_SIMPLEX_STEPS = 5_000_000


def mean_squared_error(a: FloatArray, b: FloatArray) -> float:
    """Mean of (a − b)² over rows and columns, for samples matched row by row, both (n, D)."""
    if a.shape != b.shape:
        raise DataError(f"matched samples have shapes {a.shape} and {b.shape}; they must agree")
    return float(np.mean((np.asarray(a, np.float64) - b) ** 2))


def wasserstein2_squared(a: FloatArray, b: FloatArray, a_weight: Weights = None, b_weight: Weights = None) -> float:
    """Exact W₂²(a, b) = min over couplings of E|a − b|², summed over columns; a (n, D), b (m, D).

    D = 1 is solved by sorting, equal sizes without weights by assignment, all else by the network simplex.
    """
    a, b = _pair(a, b)
    if a.shape[1] == 1:
        return float(ot.emd2_1d(a[:, 0], b[:, 0], _weights(a, a_weight), _weights(b, b_weight), metric="sqeuclidean"))
    cost = cdist(a, b, "sqeuclidean")
    if a_weight is None and b_weight is None and len(a) == len(b):
        rows, columns = linear_sum_assignment(cost)
        return float(cost[rows, columns].mean())
    return float(ot.emd2(_weights(a, a_weight), _weights(b, b_weight), cost, numItermax=_NETWORK_SIMPLEX_STEPS))


def energy_distance(a: FloatArray, b: FloatArray, a_weight: Weights = None, b_weight: Weights = None) -> float:
    """2 E|a − b| − E|a − a'| − E|b − b'| (Székely and Rizzo 2013); 0 where the two samples are the same.

    a (n, D), b (m, D). The expectations run over all pairs, a row with itself included, so that it is never negative.
    """
    a, b = _pair(a, b)
    p, q = _weights(a, a_weight), _weights(b, b_weight)
    between, within_a, within_b = p @ cdist(a, b) @ q, p @ cdist(a, a) @ p, q @ cdist(b, b) @ q
    return max(0.0, float(2 * between - within_a - within_b))


def squared_mean_discrepancy(a: FloatArray, b: FloatArray, bandwidth: float) -> float:
    """MMD² = E k(a, a') + E k(b, b') − 2 E k(a, b) for k(a, b) = exp(−|a − b|² / 2h²) (Gretton et al. 2012, eq. 5).

    a (n, D), b (m, D); bandwidth: h, in units of the samples. The expectations run over all pairs, a row with itself
    included, so that it is never negative; two samples of one distribution are about 2 (1 − E k) / n apart.
    """
    a, b = _pair(a, b)

    def mean_kernel(u: NDArray[np.float64], v: NDArray[np.float64]) -> float:
        return float(np.exp(cdist(u, v, "sqeuclidean") / (-2 * bandwidth**2)).mean())

    return max(0.0, mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b))


def spread(a: FloatArray, weight: Weights = None) -> float:
    """Root of the trace of the covariance: the root mean square distance of the rows (n, D) from their mean."""
    a = np.asarray(a, np.float64)
    p = _weights(a, weight)
    return float(np.sqrt(p @ ((a - p @ a) ** 2).sum(axis=1)))


def _pair(a: FloatArray, b: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not len(a) or not len(b):
        raise DataError(f"samples have shapes {a.shape} and {b.shape}; (n, D) and (m, D) with rows are needed")
    return np.asarray(a, np.float64), np.asarray(b, np.float64)


def _weights(a: FloatArray, weight: Weights) -> NDArray[np.float64]:
    return np.full(len(a), 1.0 / len(a)) if weight is None else weight


@dataclass(frozen=True)
class Distance:
    """A distance that validation reports.

    name: its column in errors.csv and its key in metrics.json. label: as the report shows it. between: the distance of
    two samples and their weights. kinds: the comparisons that it applies to. by_row: it compares rows that belong
    together (n, D), (n, D), and takes no weights; only "matched" samples have such rows. squared: its unit is that of
    the outputs squared.
    """

    name: str
    label: str
    between: Callable[..., float]
    kinds: tuple[Kind, ...] = ("matched", "conditional", "joint")
    by_row: bool = False
    squared: bool = False


DISTANCES: list[Distance] = [
    Distance("mse", "MSE", mean_squared_error, ("matched",), by_row=True, squared=True),
    Distance("wasserstein2_squared", "W₂²", wasserstein2_squared, ("conditional", "joint"), squared=True),
    Distance("energy_distance", "energy distance", energy_distance),
]
"""The first entry that applies to a kind of comparison is its error, which the gates judge by; others are reported."""


def distances_of(kind: Kind) -> tuple[Distance, ...]:
    """What is reported for a kind of comparison: its error, then the others."""
    return tuple(distance for distance in DISTANCES if kind in distance.kinds)
