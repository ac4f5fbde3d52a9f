"""Couplings between the samples of two neighbouring anchors.

Where both anchors have the same conditions, transport decomposes into one small problem a condition, solved exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.data.samples import group_rows
from pipeline.errors import DataError


@dataclass(frozen=True, eq=False)
class Coupling:
    """Pairs of rows with their weights: row left[p] of the one sample goes to row right[p] of the other.

    left, right: (P,) integers. weight: (P,) float64, positive, summing to 1.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    weight: NDArray[np.float64]


def exact_coupling(cost: NDArray[np.floating]) -> Coupling:
    """Optimal coupling of two uniform samples under a cost matrix (n0, n1); a matching where n0 = n1."""
    n0, n1 = cost.shape
    if n0 == n1:
        left, right = linear_sum_assignment(cost)
        return Coupling(left, right, np.full(n0, 1.0 / n0))
    import ot  # a second and more, which a served model does not need

    plan = ot.emd(
        np.full(n0, 1.0 / n0),
        np.full(n1, 1.0 / n1),
        np.ascontiguousarray(cost, dtype=np.float64),
        numItermax=10_000_000,
    )
    left, right = np.nonzero(plan > 1e-12)
    weight = plan[left, right]
    return Coupling(left, right, weight / weight.sum())


def squared_distances(y0: NDArray[np.floating], y1: NDArray[np.floating]) -> NDArray[np.float64]:
    """|y0_i - y1_j|², (n0, n1), from (n0, D) and (n1, D)."""
    import ot

    return np.asarray(ot.dist(np.asarray(y0, np.float64), np.asarray(y1, np.float64), metric="sqeuclidean"))


def conditional_coupling(
    y0: NDArray[np.floating], x0: NDArray[np.number], y1: NDArray[np.floating], x1: NDArray[np.number]
) -> Coupling:
    """Exact squared-Euclidean transport within every group of equal conditions, groups weighted by their rows in x0.

    y0 (N0, D), x0 (N0, C), y1 (N1, D), x1 (N1, C). Raises DataError where a condition of x0 is missing from x1.
    """
    groups0, groups1 = group_rows(x0, x1)
    order0, order1 = np.argsort(groups0, kind="stable"), np.argsort(groups1, kind="stable")
    names, starts0, counts0 = np.unique(groups0[order0], return_index=True, return_counts=True)
    starts1 = np.searchsorted(groups1[order1], names, side="left")
    counts1 = np.searchsorted(groups1[order1], names, side="right") - starts1
    if not counts1.all():
        missing = x0[groups0 == names[np.argmin(counts1)]][0]
        raise DataError(f"condition {missing.tolist()} has samples at one anchor only; a coupling needs them at both")
    if len(names) == len(y0) == len(y1):  # one draw a condition leaves nothing to choose
        return Coupling(order0, order1, np.full(len(y0), 1.0 / len(y0)))
    parts = []
    for start0, count0, start1, count1 in zip(starts0, counts0, starts1, counts1, strict=True):
        rows0, rows1 = order0[start0 : start0 + count0], order1[start1 : start1 + count1]
        pair = exact_coupling(squared_distances(y0[rows0], y1[rows1]))
        parts.append((rows0[pair.left], rows1[pair.right], pair.weight * count0 / len(y0)))
    left, right, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Coupling(left, right, weight)
