"""Distances between two samples of outputs, and checks of one: no entropic approximation anywhere.

Samples are (n, D) arrays; weights are (n,), positive and summing to 1, and None means equal weights. Squared distances
come in squared units of the outputs, the spread in their own units.

DISTANCES lists what validation reports: to add one, write its function and its entry here. No entry alone rewards a
collapse: where a condition has draws, the distances see the whole distribution, and the rank histogram its width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import ot
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist

from pipeline.errors import DataError
from pipeline.evaluation.support import outside_support
from pipeline.shapes import FloatArray

Weights = NDArray[np.float64] | None

Kind = Literal["matched", "conditional", "joint"]
"""How two samples are compared: see `pipeline.evaluation.comparison`."""

Second = Literal["truth", "observed", "bounds"]
"""What a method's sample is compared with: a sample of the truth (m, D); the outputs that were observed at all λ, as a
`Support`; or the bounds of the outputs' columns, lower ones and upper ones (2, D)."""

DIRECTIONS = 256
"""Lines that samples are projected onto for the sliced W₂², at least; a multiple of D."""

MEDIAN_OF = 250
"""Rows at the most that the bandwidth of the MMD is the median distance of."""

BINS = 10
"""Bins of the rank histogram."""

ROUNDING = 1e-6
"""A value is outside a bound where it is so by more than this share of the bound: means of float32 numbers round."""

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


def sliced_wasserstein2_squared(
    a: FloatArray, b: FloatArray, a_weight: Weights = None, b_weight: Weights = None
) -> float:
    """D times the mean of W₂² of projections onto DIRECTIONS fixed lines at least (Bonneel et al. 2015); a (n, D).

    The lines are the axes of orthonormal frames, so that it is W₂² exactly where b is a moved by a vector, and W₂² at
    the most else: D mean (v · t)² = |t|² over a frame, for every displacement t. It takes n log n steps, not n³, and
    its noise does not grow with D as that of W₂² does.
    """
    a, b = _pair(a, b)
    rng, width = np.random.default_rng(0), a.shape[1]
    if width == 1:
        return wasserstein2_squared(a, b, a_weight, b_weight)
    frames = [np.linalg.qr(rng.standard_normal((width, width)))[0] for _ in range(-(-DIRECTIONS // width))]
    lines = np.concatenate(frames, axis=1).T
    each = [wasserstein2_squared((a @ v)[:, None], (b @ v)[:, None], a_weight, b_weight) for v in lines]
    return float(width * np.mean(each))


def energy_distance(a: FloatArray, b: FloatArray, a_weight: Weights = None, b_weight: Weights = None) -> float:
    """2 E|a − b| − E|a − a'| − E|b − b'| (Székely and Rizzo 2013); 0 where the two samples are the same.

    a (n, D), b (m, D). The expectations run over all pairs, a row with itself included, so that it is never negative.
    """
    a, b = _pair(a, b)
    p, q = _weights(a, a_weight), _weights(b, b_weight)
    between, within_a, within_b = p @ cdist(a, b) @ q, p @ cdist(a, a) @ p, q @ cdist(b, b) @ q
    return max(0.0, float(2 * between - within_a - within_b))


def squared_mean_discrepancy(
    a: FloatArray, b: FloatArray, bandwidth: float, a_weight: Weights = None, b_weight: Weights = None
) -> float:
    """MMD² = E k(a, a') + E k(b, b') − 2 E k(a, b) for k(a, b) = exp(−|a − b|² / 2h²) (Gretton et al. 2012, eq. 5).

    a (n, D), b (m, D); bandwidth: h, in units of the samples. The expectations run over all pairs, a row with itself
    included, so that it is never negative; two samples of one distribution are about 2 (1 − E k) / n apart.
    """
    a, b = _pair(a, b)
    p, q = _weights(a, a_weight), _weights(b, b_weight)
    between = p @ _kernel(cdist(a, b), bandwidth) @ q
    return max(0.0, _mean_kernel(a, p, bandwidth) + _mean_kernel(b, q, bandwidth) - 2 * float(between))


def _kernel(distances: NDArray[np.float64], bandwidth: float) -> NDArray[np.float32]:
    """Gaussian kernels of distances; float32 in place is a third of the time, and means of them are in float64."""
    kernel: NDArray[np.float32] = (distances / (np.sqrt(2) * bandwidth)).astype(np.float32)
    np.multiply(kernel, kernel, out=kernel)
    np.negative(kernel, out=kernel)
    np.exp(kernel, out=kernel)
    return kernel


def _mean_kernel(a: NDArray[np.float64], p: NDArray[np.float64], bandwidth: float) -> float:
    """E k(a, a') over all pairs of rows of weights p; with equal ones each two different rows are computed once."""
    if np.ptp(p) > 0:
        return float(p @ _kernel(cdist(a, a), bandwidth) @ p)
    return float(p @ p + 2 * p[0] ** 2 * _kernel(pdist(a), bandwidth).sum(dtype=np.float64))


def mmd_squared(a: FloatArray, b: FloatArray, a_weight: Weights = None, b_weight: Weights = None) -> float:
    """MMD² of the Gaussian kernel whose bandwidth is the median distance between two different rows of b, the truth.

    Gretton et al. 2012, section 8, but of the truth alone: every method is judged by the same kernel. 1 where b has no
    two different rows. MEDIAN_OF of these, evenly spaced in their order, are enough for a median.
    """
    rows = np.unique(np.asarray(b, np.float64), axis=0)
    apart = pdist(rows[:: -(-len(rows) // MEDIAN_OF)])
    return squared_mean_discrepancy(a, b, float(np.median(apart)) if apart.size else 1.0, a_weight, b_weight)


def rank_histogram(
    a: FloatArray, b: FloatArray, a_weight: Weights = None, b_weight: Weights = None
) -> NDArray[np.float64]:
    """Shares (D, BINS) of the rows of b (m, D) by their rank among those of a (n, D), output by output (Hamill 2001).

    A row of b that lies above the share F of a is one of n + 1 equally likely places: the interval from n F / (n + 1)
    to (n F + 1) / (n + 1), over which its weight is spread, and over all places that it ties with. So the histogram is
    even in the mean where both are draws of one distribution, be there ties or few rows. U-shaped: a is too narrow;
    a dome: too wide; sloped: off to a side. With weights n is 1 / Σ weight², Kish's effective number of rows.
    """
    a, b = _pair(a, b)
    p, q = _weights(a, a_weight), _weights(b, b_weight)
    effective = 1 / np.sum(p**2)
    edges = np.linspace(0, 1, BINS + 1)
    places = np.array([_places(x, y, p, effective) for x, y in zip(a.T, b.T, strict=True)])  # (D, 2, m)
    return _shares(places[:, 0], places[:, 1], q, edges)


def _places(
    x: NDArray[np.float64], y: NDArray[np.float64], p: NDArray[np.float64], effective: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The interval of ranks in [0, 1] of every y (m,) among x (n,) of weights p: its ends (m,) and (m,)."""
    order = np.argsort(x, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(p[order])])
    below, upto = (total[np.searchsorted(x[order], y, side)] for side in ("left", "right"))
    return effective * below / (effective + 1), (effective * upto + 1) / (effective + 1)


def _shares(
    start: NDArray[np.float64], end: NDArray[np.float64], q: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weight in every bin (D, bins), that of a row spread evenly from its start to its end, both (D, m)."""
    reached = np.clip((edges - start[..., None]) / (end - start)[..., None], 0, 1)
    return np.asarray(q @ np.diff(reached, axis=-1))


def unevenness(histogram: NDArray[np.float64]) -> float:
    """Mean over bins and outputs of |share − 1 / bins|, times the bins (Gneiting et al. 2007, section 3.1).

    0: even; 1.6: all ranks in the two outer bins of ten, as of a sample that collapsed onto the middle; 1.8, the most
    of ten: all in one. m rows of the truth against n draws of it have about 2.4 √(1/m + 1/n) where few conditions are
    averaged.
    """
    bins = histogram.shape[-1]
    return float(np.mean(np.abs(histogram - 1 / bins)) * bins)


def outside_bounds(a: FloatArray, bounds: FloatArray, a_weight: Weights = None, _: Weights = None) -> float:
    """The share of the values of a (n, D) that lie outside their column's bounds (2, D), infinite where there is none.

    Rounding does not count: what exceeds a bound by less than a millionth of it.
    """
    a, bounds = _pair(a, bounds)
    margin = ROUNDING * np.where(np.isfinite(bounds), np.abs(bounds), 0)
    outside = (a < bounds[0] - margin[0]) | (a > bounds[1] + margin[1])
    return float(_weights(a, a_weight) @ outside.mean(axis=1))


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
    """A figure that validation reports of a method's sample: a distance to the truth, or a check.

    name: its column in errors.csv and its key in metrics.json. label: as the report shows it. between: what is computed
    of a method's sample, of what it is compared with, and of the weights of both: a number, or an array that `figure`
    makes a number of, once it is averaged over conditions. kinds: the comparisons that it applies to. by_row: it
    compares rows that belong together (n, D), (n, D), and takes no weights; only "matched" samples have such rows.
    squared: its unit is that of the outputs squared. second: what the sample is compared with. check: a share or a
    shape, told apart from distances in the report; those of outputs alone, without conditions as coordinates. rows:
    the sizes of groups that it is for: "any", thinned where they are large; or "few" or "many", of two distances that
    stand in for each other.
    """

    name: str
    label: str
    between: Callable[..., float | NDArray[np.float64]]
    kinds: tuple[Kind, ...] = ("matched", "conditional", "joint")
    by_row: bool = False
    squared: bool = False
    second: Second = "truth"
    check: bool = False
    figure: Callable[[NDArray[np.float64]], float] = float
    rows: Literal["any", "few", "many"] = "any"


_DRAWS: tuple[Kind, ...] = ("conditional", "joint")

DISTANCES: list[Distance] = [
    Distance("mse", "MSE", mean_squared_error, ("matched",), by_row=True, squared=True),
    Distance("wasserstein2_squared", "W₂²", wasserstein2_squared, _DRAWS, squared=True, rows="few"),
    Distance(
        "sliced_wasserstein2_squared", "D × sliced W₂²", sliced_wasserstein2_squared, _DRAWS, squared=True, rows="many"
    ),
    Distance("energy_distance", "energy distance", energy_distance),
    Distance("mmd_squared", "MMD² (Gaussian, h = the truth's median distance)", mmd_squared, _DRAWS),
    Distance("calibration", "unevenness of ranks", rank_histogram, _DRAWS, check=True, figure=unevenness),
    Distance("outside_support", "outside the observed support", outside_support, second="observed", check=True),
    Distance("outside_bounds", "outside the columns' bounds", outside_bounds, second="bounds", check=True),
]
"""The first entry that applies to a kind of comparison is its error, which the gates judge by; others are reported."""


def distances_of(kind: Kind) -> tuple[Distance, ...]:
    """What is reported for a kind of comparison: its error, then the others."""
    return tuple(distance for distance in DISTANCES if kind in distance.kinds)
