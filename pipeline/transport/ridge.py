"""Ridge regression with its penalty chosen by cross-validation over groups: the closed-form parts of maps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RIDGES = np.logspace(-9, 4, 14)
"""Penalties tried, for columns of variance 1."""
MOST_FOLDS = 10


@dataclass(frozen=True, eq=False)
class Solution:
    """phi @ weights + intercept, with errors of the folds it was chosen by.

    weights: (p, q), intercept: (q,). errors: (F, q), mean squared errors by fold, shares: (F,), weights of the folds.
    left_out: (n, q), what was predicted for every row by the fit without its fold.
    """

    weights: Array
    intercept: Array
    errors: Array
    shares: Array
    left_out: Array

    @property
    def error(self) -> float:
        """The mean squared error at left-out rows, summed over targets."""
        return float(self.shares @ self.errors.sum(1))


def make_folds(groups: NDArray[np.intp], seed: int = 0, most: int = MOST_FOLDS) -> NDArray[np.intp]:
    """The fold of every row (n,): whole groups are left out; where there are fewer than three, rows are."""
    _, number = np.unique(groups, return_inverse=True)
    if number.max(initial=0) < 2:
        number = np.arange(len(groups))
    count = int(number.max(initial=0)) + 1
    order = np.random.default_rng(seed).permutation(count) % min(most, count)
    return np.asarray(order[number], np.intp)


def solve(
    phi: Array,
    target: Array,
    weight: Array,
    folds: NDArray[np.intp],
    ridges: Array = RIDGES,
    caution: float = 0.0,
) -> Solution:
    """Weighted ridge regression of target (n, q) on phi (n, p), a penalty of its own for every target.

    weight: (n,), positive. The penalty with the least error at left-out folds is taken, or the largest one that lies
    within `caution` standard errors of it; the intercept has none.
    """
    names = np.unique(folds)
    shares = np.array([weight[folds == f].sum() for f in names]) / weight.sum()
    errors = np.zeros((len(ridges), len(names), target.shape[1]))
    predicted = np.zeros((len(ridges), *target.shape))
    for i, fold in enumerate(names):
        out = folds == fold
        if out.all():
            predicted[:] = (weight @ target) / weight.sum()
        else:
            weights, intercept = _path(phi[~out], target[~out], weight[~out], ridges)
            predicted[:, out] = phi[out] @ weights + intercept[:, None]
        errors[:, i] = np.einsum("n,rnq->rq", weight[out], (predicted[:, out] - target[out]) ** 2) / weight[out].sum()
    best = _choose(errors, shares, caution)
    weights, intercept = _path(phi, target, weight, ridges)
    columns = np.arange(target.shape[1])
    return Solution(
        weights[best, :, columns].T,
        intercept[best, columns],
        errors[best, :, columns].T,
        shares,
        predicted[best, :, columns].T,
    )


def _choose(errors: Array, shares: Array, caution: float) -> NDArray[np.intp]:
    """The penalty of every target (q,), from errors (R, F, q)."""
    least = np.einsum("f,rfq->rq", shares, errors).argmin(0)
    gap = errors - errors[least, :, np.arange(errors.shape[2])].T
    mean = np.einsum("f,rfq->rq", shares, gap)
    scatter = np.sqrt(np.einsum("f,rfq->rq", shares, (gap - mean[:, None]) ** 2) / max(len(shares) - 1, 1))
    # Ties go to the larger penalty, the simpler fit.
    level = errors[least, :, np.arange(errors.shape[2])] @ shares
    near = mean <= caution * scatter + 1e-9 * level
    return np.asarray(len(errors) - 1 - near[::-1].argmax(0), np.intp)


def clearly_better(complex_: Solution, simple: Solution, standard_errors: float = 2.0) -> bool:
    """Whether the more complex fit is ahead at left-out folds by so many standard errors of their difference."""
    return clearly_less(complex_.errors.sum(1), simple.errors.sum(1), simple.shares, standard_errors)


def clearly_less(first: Array, second: Array, shares: Array, standard_errors: float = 2.0) -> bool:
    """Whether the folds' errors `first` (F,) are below `second` by so many standard errors of the mean difference."""
    gap = second - first
    mean = float(shares @ gap)
    scatter = float(np.sqrt(shares @ (gap - mean) ** 2 / max(len(gap) - 1, 1)))
    return mean > standard_errors * scatter and mean > 1e-12


def _path(phi: Array, target: Array, weight: Array, ridges: Array) -> tuple[Array, Array]:
    """Weights (R, p, q) and intercepts (R, q) for every penalty."""
    share = weight / weight.sum()
    mean_x, mean_y = share @ phi, share @ target
    centred = phi - mean_x
    values, vectors = np.linalg.eigh(centred.T @ (share[:, None] * centred))
    product = vectors.T @ (centred.T @ (share[:, None] * (target - mean_y)))
    scaled = product / (values.clip(0)[None, :, None] + ridges[:, None, None] + 1e-14 * max(values.max(initial=0.0), 1))
    weights = vectors @ scaled
    return weights, mean_y - mean_x @ weights
