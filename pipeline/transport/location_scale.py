"""Transport between draws in closed form: conditional means, and a Bures map of the residuals.

T(y | x) = m(x) + Δ(x) + e^{δ(x)} ⊙ B (y − m(x)). Means are regressed anchor by anchor, so that the anchors need not
share conditions, and no pairs enter: unlike a regression on coupled pairs, this does not attenuate. Estimates from few
draws are shrunk to the identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.transport.condition_function import FEW_COLUMNS, ConditionFunction, fit_condition_function
from pipeline.transport.interval_map import IntervalMap
from pipeline.transport.ridge import Array, clearly_better, make_folds, solve

FREEDOM = 2.0
"""Degrees of freedom of the t distribution that location and scatter are fitted by where tails are heavy."""
LIKELY = 0.95
"""The quantile of what noise alone would show, below which nothing is taken for a change."""
SCALES_TELL = 3.0
"""Standard errors by which a scale that depends on the condition has to be ahead of a constant one."""
MOST_DIRECTIONS = 3
"""The most combinations of columns that are tried together: bumps over more of them need more conditions than there
are."""
WEAKEST = 0.2
"""The smallest singular value of a combination, relative to the strongest: below this it is mostly noise."""
KURTOSIS_ROWS = 50
"""Of fewer rows a kurtosis says little, and is pulled to the Gaussian's."""


@dataclass(frozen=True, eq=False)
class Draws:
    """An anchor's samples: outputs (N, D), columns of their conditions (N, F), numbers of their conditions (N,)."""

    outputs: Array
    columns: Array
    group: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.outputs)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Draws":
        """Some of the rows."""
        return Draws(self.outputs[rows], self.columns[rows], self.group[rows])


@dataclass(frozen=True, eq=False)
class Groups:
    """Samples condition by condition: names (G,), counts (G,), locations (G, D), columns (G, F), number of row (N,)."""

    names: NDArray[np.intp]
    counts: Array
    locations: Array
    columns: Array
    number: NDArray[np.intp]

    @classmethod
    def of(cls, draws: Draws, heavy: bool) -> "Groups":
        """Locations are means, or where tails are heavy those of a t distribution."""
        names, first, number, counts = np.unique(
            draws.group, return_index=True, return_inverse=True, return_counts=True
        )
        sums = np.zeros((len(names), draws.outputs.shape[1]))
        np.add.at(sums, number, draws.outputs)
        locations = sums / counts[:, None]
        if heavy:
            locations = _robust_locations(draws.outputs, number, len(names))
        return cls(names, counts.astype(np.float64), locations, draws.columns[first], number)


Directions = Array | None
"""Combinations (F, r) of the conditions' columns that outputs are thought to depend on; None: nothing is thought."""


def directions_without_each(anchors: Sequence[Draws]) -> list[Directions]:
    """For every anchor, the combinations of columns that the locations at all OTHER anchors depend on.

    The strongest of the anchors' linear fits, by singular values, each output's in units of its error at left-out
    conditions. What an anchor's own rows suggest is left out, because these rows are to judge it.
    """
    if anchors[0].columns.shape[1] <= FEW_COLUMNS:
        return [None] * len(anchors)
    heavy = heavy_tails(*anchors)
    fits = []
    for anchor in anchors:
        groups = Groups.of(anchor, heavy)
        fit = solve(groups.columns, groups.locations, groups.counts, make_folds(groups.names))
        error = np.sqrt(fit.shares @ fit.errors)
        fits.append(fit.weights / np.maximum(error, 1e-6 * max(float(error.max()), 1e-30)))
    found: list[Directions] = []
    for out in range(len(fits)):
        vectors, values, _ = np.linalg.svd(np.hstack([w for k, w in enumerate(fits) if k != out]), full_matrices=False)
        count = min(MOST_DIRECTIONS, int((values > WEAKEST * values[0]).sum()))
        found.append(vectors[:, :count] * values[:count] if count else None)
    return found


def fit_location_scale(
    left: Draws, right: Draws, heavy: bool | None = None, directions: Sequence[Directions] | None = None
) -> IntervalMap:
    """The map between two anchors' draws; directions: for the left one's locations, and for the right one's."""
    dimension, inputs = left.outputs.shape[1], left.columns.shape[1]
    if heavy is None:
        heavy = heavy_tails(left, right)
    for_left, for_right = directions_without_each([left, right]) if directions is None else directions
    result = IntervalMap(dimension, inputs).double()
    groups0, groups1 = Groups.of(left, heavy), Groups.of(right, heavy)
    mean, fitted = fit_condition_function(groups0.columns, groups0.locations, groups0.counts, groups0.names, for_left)
    result.mean = mean
    shift, moved = _shift(groups0, groups1, mean, for_right)
    result.shift = shift
    shared = np.array_equal(groups0.names, groups1.names)
    start = fitted.left_out if shared else mean.numpy(groups1.columns)
    residual0, freedom0 = _residuals(left, groups0, fitted.left_out)
    residual1, freedom1 = _residuals(right, groups1, start + moved)
    scatter0, scatter1 = _scatter(residual0, freedom0, heavy), _scatter(residual1, freedom1, heavy)
    matrix = shrunk_bures(scatter0, scatter1, freedom0, freedom1, _excess(residual0, residual1, heavy))
    result.set_matrix(matrix)
    _fit_log_scale(result, residual0 @ matrix, residual1, groups0, groups1)
    result.fold()
    return result


def _shift(
    groups0: Groups, groups1: Groups, mean: ConditionFunction, index: Directions
) -> tuple[ConditionFunction, Array]:
    """Δ(x), and its out-of-fold predictions at the right anchor's conditions (G1, D).

    Fitted to differences of means where conditions are shared, else to the residuals of the right anchor's locations
    from m.
    """
    if np.array_equal(groups0.names, groups1.names):
        target = groups1.locations - groups0.locations
        weight = 1.0 / (1.0 / groups0.counts + 1.0 / groups1.counts)
    else:
        target, weight = groups1.locations - mean.numpy(groups1.columns), groups1.counts
    shift, solution = fit_condition_function(groups1.columns, target, weight, groups1.names, index)
    return shift, solution.left_out


def _residuals(draws: Draws, groups: Groups, predicted: Array) -> tuple[Array, float]:
    """Residuals from the conditions' locations (N, D), and their degrees of freedom.

    Where conditions hardly repeat, residuals are from the out-of-fold predictions (G, D).
    """
    freedom = len(draws) - len(groups.names)
    if freedom >= max(2, len(draws) / 4):
        return draws.outputs - groups.locations[groups.number], float(freedom)
    return draws.outputs - predicted[groups.number], float(max(len(draws) - 1, 1))


def _scatter(residual: Array, freedom: float, heavy: bool) -> Array:
    """Covariance (D, D), or where tails are heavy the scatter of a t distribution, pulled to its diagonal."""
    scatter = residual.T @ residual / freedom
    if heavy:
        scatter = _robust_scatter(residual) * len(residual) / freedom
    dimension = len(scatter)
    pull = min(1.0, (dimension - 1) / (freedom + 1))
    return (1 - pull) * scatter + pull * np.diag(scatter.diagonal())


def shrunk_bures(scatter0: Array, scatter1: Array, freedom0: float, freedom1: float, excess: float = 1.0) -> Array:
    """The Bures map B with B C0 B = C1, C1 shrunk towards C0 according to the degrees of freedom (D, D).

    In the logarithm of C0^(−½) C1 C0^(−½): its mean diagonal and the rest each by the positive part of James and Stein.
    excess: the variance of a sample variance over that of a Gaussian's.
    """
    dimension = len(scatter0)
    deviation0, deviation1 = np.sqrt(scatter0.diagonal()), np.sqrt(scatter1.diagonal())
    still = deviation0 <= 1e-7 * max(deviation0.max(), deviation1.max(), 1e-30)
    safe = np.where(still, 1.0, deviation0)
    one0 = scatter0 / np.outer(safe, safe)
    one1 = scatter1 / np.outer(safe, safe)
    for matrix in (one0, one1):
        matrix[still] = matrix[:, still] = 0
    one0[still, still] = one1[still, still] = 1.0
    root, inverse_root = _power(one0, 0.5), _power(one0, -0.5)
    logarithm = _logarithm(inverse_root @ one1 @ inverse_root)
    noise = excess * sum((1 + 3 / f) / f for f in (freedom0, freedom1))
    level = logarithm.trace() / dimension
    rest = logarithm - level * np.eye(dimension)
    level *= _keep(level**2, 2 * noise / dimension, 1)
    entries = (dimension - 1) * (dimension + 2)
    rest *= _keep(float((rest**2).sum()), noise * entries, entries // 2)
    values, vectors = np.linalg.eigh(level * np.eye(dimension) + rest)
    target = root @ (vectors * np.exp(values)) @ vectors.T @ root
    target_units = target * np.outer(safe, safe)
    scale0 = _power(one0 * np.outer(safe, safe), 0.5), _power(one0 * np.outer(safe, safe), -0.5)
    return np.asarray(scale0[1] @ _power(scale0[0] @ target_units @ scale0[0], 0.5) @ scale0[1])


def _keep(square: float, noise: float, count: int) -> float:
    """The share to keep of `count` numbers whose squares sum to `square`, where noise alone would have `noise`.

    Nothing below the 95 % quantile of noise alone: a positive-part estimator that lets few numbers through by chance
    would move what does not move.
    """
    from scipy.stats import chi2  # half a second, which a served model does not need

    return max(0.0, 1 - noise * float(chi2.ppf(LIKELY, count)) / count / square) if square > 0 else 0.0


def _power(matrix: Array, exponent: float) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values.clip(1e-12 * max(values.max(), 1e-30)) ** exponent) @ vectors.T)


def _logarithm(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.log(values.clip(1e-10, None))) @ vectors.T)


def _fit_log_scale(result: IntervalMap, moved: Array, residual: Array, groups0: Groups, groups1: Groups) -> None:
    """δ(x), where cross-validation shows that the ratio of scales depends on the condition."""
    if not len(groups0.columns[0]) or len(groups0.names) < 4 or len(groups1.names) < 4:
        return
    level0, weight0 = _log_deviations(moved, groups0)
    level1, weight1 = _log_deviations(residual, groups1)
    if np.array_equal(groups0.names, groups1.names):
        target, weight = level1 - level0, 1 / (1 / weight0 + 1 / weight1)
    else:
        at_left, _ = fit_condition_function(groups0.columns, level0, weight0, groups0.names)
        target, weight = level1 - at_left.numpy(groups1.columns), weight1
    function, solution = fit_condition_function(groups1.columns, target, weight, groups1.names)
    constant = solve(np.zeros((len(target), 0)), target, weight, make_folds(groups1.names))
    if not clearly_better(solution, constant, SCALES_TELL):
        return
    raw = function.numpy(groups0.columns)[groups0.number]
    mean_square = (moved**2).mean(0)
    ratio = np.sqrt(mean_square / (np.exp(2 * raw) * moved**2).mean(0).clip(1e-300))
    function.intercept = function.intercept + torch.from_numpy(np.log(ratio))
    result.log_scale = function


def _log_deviations(residual: Array, groups: Groups) -> tuple[Array, Array]:
    """Log of every condition's root mean square (G, D), and its weight (G,)."""
    squares = np.zeros((len(groups.names), residual.shape[1]))
    np.add.at(squares, groups.number, residual**2)
    # Half a typical row is added: the log of a single residual near zero would outweigh all others.
    squares = (squares + 0.25 * (residual**2).mean(0)) / (groups.counts[:, None] + 0.25)
    return 0.5 * np.log(squares.clip(1e-24)), groups.counts


def _excess(residual0: Array, residual1: Array, heavy: bool) -> float:
    if heavy:
        return 2.0
    kurtosis = [float(np.median((r**4).mean(0) / ((r**2).mean(0) ** 2).clip(1e-300))) for r in (residual0, residual1)]
    found = float(np.clip((np.mean(kurtosis) - 1) / 2, 0.5, 10.0))
    rows = min(len(residual0), len(residual1))
    return 1.0 + (found - 1.0) * rows / (rows + KURTOSIS_ROWS)


def heavy_tails(*anchors: Draws) -> bool:
    """Whether draws lie about their conditions' medians with tails far heavier than a Gaussian's.

    By quantiles of the bulk, the near and the far tail. Neither a second cluster nor an atom counts as a tail.
    """
    if any(len(draws) - len(np.unique(draws.group)) < 40 for draws in anchors):
        return False
    centred = np.concatenate([_about_medians(draws) for draws in anchors])
    votes = []
    for column in centred.T:
        size = np.abs(column[column != 0])
        if len(size) >= 40:
            half, near, far = np.quantile(size, [0.5, 0.95, 0.995])
            votes.append(far > 2.2 * near and column.std() > 1.4 * 1.4826 * half > 0)
    return bool(votes) and float(np.mean(votes)) > 0.5


def _about_medians(draws: Draws) -> Array:
    """Draws less their conditions' medians, in units of the median deviation (N, D)."""
    groups = Groups.of(draws, heavy=False)
    medians = np.stack([np.median(draws.outputs[groups.number == g], axis=0) for g in range(len(groups.names))])
    centred = draws.outputs - medians[groups.number]
    return np.asarray(centred / np.median(np.abs(centred), axis=0).clip(1e-12))


def _robust_locations(outputs: Array, number: NDArray[np.intp], count: int) -> Array:
    """Locations (G, D) of t distributions, one a condition and column."""
    locations = np.zeros((count, outputs.shape[1]))
    for g in range(count):
        rows = outputs[number == g]
        centre = np.median(rows, axis=0)
        scale = np.median(np.abs(rows - centre), axis=0).clip(1e-12) * 1.2
        for _ in range(10):
            weight = (FREEDOM + 1) / (FREEDOM + ((rows - centre) / scale) ** 2)
            centre = (weight * rows).sum(0) / weight.sum(0)
        locations[g] = centre
    return locations


def _robust_scatter(residual: Array) -> Array:
    """Scatter (D, D) of a t distribution about zero."""
    dimension = residual.shape[1]
    scatter = np.diag((np.median(np.abs(residual), axis=0).clip(1e-12) * 1.2) ** 2)
    for _ in range(50):
        distance = np.einsum("ni,ij,nj->n", residual, np.linalg.pinv(scatter), residual)
        weight = (FREEDOM + dimension) / (FREEDOM + distance)
        scatter = residual.T @ (weight[:, None] * residual) / len(residual)
    return np.asarray(scatter)
