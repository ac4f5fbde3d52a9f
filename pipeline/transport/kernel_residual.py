"""The residual of a location-scale map: kernel regression on coupled pairs, where it lowers left-out errors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from pipeline.transport.condition_function import gauss
from pipeline.transport.interval_map import IntervalMap, Kernel
from pipeline.transport.location_scale import shrunk_bures
from pipeline.transport.ridge import RIDGES, Array, clearly_less, make_folds, solve

MOST_CENTRES = 256
MOST_ROWS = 4000
"""Largest number of pairs in a regression."""
KERNEL_RIDGES = RIDGES[2:]
"""With smaller penalties flat kernels behave as polynomials of high degree, which diverge beyond the samples."""
LENGTHS = (0.35, 0.7, 1.5, 3.0)
"""Widths of kernels tried, in units of the median distance between points."""
SMOOTH_LENGTHS = (0.7, 1.5, 3.0)
"""Widths for noisy pairs of draws: narrow kernels follow the noise, and fold the map."""
MOST_COLUMNS = (1, 2, 3, 5, 8)
"""Numbers of the most informative columns that are tried, where there are many."""
JUDGED = 5
"""Number of folds that decide about a residual."""
MOST_JUDGED = 400
"""Rows of a fold whose energy distance is computed."""


@dataclass(frozen=True, eq=False)
class Moves:
    """Coupled pairs: start, end (P, D), columns of the condition (P, F), weight (P,), number of the condition (P,)."""

    start: Array
    end: Array
    columns: Array
    weight: Array
    group: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.start)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Moves":
        """Some of the pairs."""
        return Moves(self.start[rows], self.end[rows], self.columns[rows], self.weight[rows], self.group[rows])

    def thinned(self, most: int, seed: int = 0) -> "Moves":
        """At most so many pairs, drawn at random."""
        if len(self) <= most:
            return self
        return self.select(np.sort(np.random.default_rng(seed).permutation(len(self))[:most]))

    @property
    def points(self) -> Array:
        """(P, D + F)."""
        return np.hstack([self.start, self.columns])

    @property
    def freedom(self) -> float:
        """Rows less conditions, at least 1."""
        return float(max(len(np.unique(self.start, axis=0)) - len(np.unique(self.group)), 1))


def affine_map(moves: Moves, dimension: int) -> IntervalMap:
    """T(y | x) = y B + x L + b by ridge regression on the pairs, penalties by left-out conditions."""
    solution = solve(moves.points, moves.end - moves.start, moves.weight, make_folds(moves.group))
    result = IntervalMap(dimension, moves.columns.shape[1]).double()
    result.set_matrix(np.eye(dimension) + solution.weights[:dimension])
    result.shift.set(solution.intercept, solution.weights[dimension:])
    return result


def kernel_of(base: IntervalMap, moves: Moves, inverse_lengths: Array, *, correct: bool) -> Kernel:
    """Kernel regression of the residual of `base`; `correct`: moments are corrected to those of the ends."""
    at_base = run(base.base, moves)
    points = moves.points * inverse_lengths
    centres = _centres(points)
    phi, root = _whitened(points, centres)
    solution = solve(phi, moves.end - at_base, moves.weight, make_folds(moves.group), KERNEL_RIDGES)
    residual = phi @ solution.weights + solution.intercept
    bound = 2 * np.abs(residual).max(0).clip(1e-9)
    matrix, offset = np.eye(moves.start.shape[1]), np.zeros(moves.start.shape[1])
    if correct:
        matrix, offset = correction(at_base + bound * np.tanh(residual / bound), moves)
    return Kernel(inverse_lengths, centres, root @ solution.weights, solution.intercept, bound, matrix, offset)


def correction(image: Array, moves: Moves) -> tuple[Array, Array]:
    """P (D, D) and p (D,): z P + p has the ends' mean, and within conditions their covariance."""
    freedom = moves.freedom
    scatter0, scatter1 = (_within(values, moves) for values in (image, moves.end))
    matrix = shrunk_bures(scatter0, scatter1, 4 * freedom, 4 * freedom)
    share = moves.weight / moves.weight.sum()
    return matrix, share @ moves.end - (share @ image) @ matrix


def _within(values: Array, moves: Moves) -> Array:
    """Covariance within conditions, by weights (D, D)."""
    _, number = np.unique(moves.group, return_inverse=True)
    if number.max(initial=0) + 1 > 0.7 * len(values):
        number = np.zeros(len(values), np.intp)
    total = np.bincount(number, moves.weight)
    means = np.stack([np.bincount(number, moves.weight * v) for v in values.T], 1) / total[:, None]
    centred = values - means[number]
    return np.asarray(centred.T @ (moves.weight[:, None] * centred) / moves.weight.sum())


def candidates(base: IntervalMap, moves: Moves, widths: tuple[float, ...]) -> list[Array]:
    """Inverse lengths (D + F,) of kernels to try: all columns, and the few that explain most residual."""
    points = moves.points
    scale = points.std(0)
    unit = np.where(scale > 1e-6, 1 / np.maximum(scale, 1e-6), 0.0)
    order = np.argsort(-_telling(points * unit, moves.end - run(base.base, moves), moves.weight), kind="stable")
    alive = int((unit > 0).sum())
    subsets = [order[:count] for count in MOST_COLUMNS if count < alive] + [np.flatnonzero(unit)]
    result = []
    for subset in subsets:
        chosen = np.zeros_like(unit)
        chosen[subset] = unit[subset]
        some = (points * chosen)[np.random.default_rng(0).permutation(len(points))[:300]]
        gaps = cdist(some, some)
        if not (gaps > 0).any():
            continue
        result += [chosen / (length * float(np.median(gaps[gaps > 0]))) for length in widths]
    return result


def best_lengths(base: IntervalMap, moves: Moves, widths: tuple[float, ...]) -> tuple[Array, Array, Array] | None:
    """Inverse lengths of the kernel with the least squared error at left-out rows; errors by fold, shares of folds."""
    some = moves.thinned(MOST_ROWS // 2)
    target = some.end - run(base.base, some)
    folds = make_folds(some.group, most=JUDGED)
    best: tuple[float, Array, Array, Array] | None = None
    for lengths in candidates(base, some, widths):
        points = some.points * lengths
        phi, _ = _whitened(points, _centres(points, 128))
        solution = solve(phi, target, some.weight, folds, KERNEL_RIDGES)
        if best is None or solution.error < best[0]:
            best = solution.error, lengths, solution.errors.sum(1), solution.shares
    return best[1:] if best else None


def regression_map(moves: Moves, dimension: int) -> IntervalMap:
    """The map of a deterministic network from known pairs: affine, with a kernel where it lowers left-out errors."""
    moves = moves.thinned(MOST_ROWS)
    base = affine_map(moves, dimension)
    found = best_lengths(base, moves, LENGTHS) if len(np.unique(moves.group)) >= 8 else None
    if found is not None:
        lengths, errors, shares = found
        folds = make_folds(moves.thinned(MOST_ROWS // 2).group, most=JUDGED)
        some = moves.thinned(MOST_ROWS // 2)
        simple = solve(some.points, some.end - some.start, some.weight, folds)
        if clearly_less(errors, simple.errors.sum(1), shares):
            base.set_kernel(kernel_of(base, moves, lengths, correct=False))
    return base


def judge(fit: Callable[[Moves], IntervalMap], moves: Moves, folds: NDArray[np.intp]) -> tuple[Array, Array]:
    """Energy distances (F,) between images and ends at left-out rows, and squared errors of pairs (F,)."""
    energies, squares = [], []
    for fold in np.unique(folds):
        made, test = fit(moves.select(folds != fold)), moves.select(folds == fold).thinned(MOST_JUDGED)
        image = run(made, test)
        squares.append(float(test.weight @ ((image - test.end) ** 2).sum(1) / test.weight.sum()))
        energies.append(_energy(image, test))
    return np.array(energies), np.array(squares)


def _energy(image: Array, moves: Moves) -> float:
    """Energy distance within conditions; jointly with the condition where these hardly repeat."""
    _, number = np.unique(moves.group, return_inverse=True)
    if number.max(initial=0) + 1 > len(moves) / 4:
        left, right = np.hstack([image, moves.columns]), np.hstack([moves.end, moves.columns])
        return _energy_distance(left, right, moves.weight)
    parts = [number == g for g in range(number.max() + 1)]
    total = moves.weight.sum()
    shares = np.array([moves.weight[p].sum() / total for p in parts])
    return float(shares @ [_energy_distance(image[p], moves.end[p], moves.weight[p]) for p in parts])


def _energy_distance(left: Array, right: Array, weight: Array) -> float:
    share = weight / weight.sum()
    cross, own0, own1 = (share @ cdist(a, b) @ share for a, b in ((left, right), (left, left), (right, right)))
    return float(2 * cross - own0 - own1)


def run(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], moves: Moves) -> Array:
    """A map at the pairs' starts, in NumPy."""
    return np.asarray(function(torch.from_numpy(moves.start), torch.from_numpy(moves.columns)).numpy(), np.float64)


def _centres(points: Array, most: int = MOST_CENTRES) -> Array:
    distinct = np.unique(points, axis=0)
    if len(distinct) <= most:
        return distinct
    return np.asarray(distinct[np.sort(np.random.default_rng(0).permutation(len(distinct))[:most])])


def _whitened(points: Array, centres: Array) -> tuple[Array, Array]:
    """Nyström features (n, M') and the matrix from their weights to the centres' (Williams and Seeger, 2001)."""
    middle = torch.from_numpy(centres)
    values, vectors = np.linalg.eigh(gauss(middle, middle).numpy())
    kept = values > 1e-8 * values.max()
    root = vectors[:, kept] / np.sqrt(values[kept])
    return gauss(torch.from_numpy(points), middle).numpy() @ root, root


def _telling(points: Array, residual: Array, weight: Array) -> Array:
    """How much of the residual a cubic of every single column explains (D + F,)."""
    share = weight / weight.sum()
    centred = residual - share @ residual
    size = centred.std(0)
    target = centred / np.where(size > 1e-9 * max(size.max(), 1e-30), np.maximum(size, 1e-300), np.inf)
    result = np.zeros(points.shape[1])
    for i, column in enumerate(points.T):
        basis = np.column_stack([column, column**2, np.abs(column) * column, np.abs(column)])
        basis = (basis - share @ basis) * np.sqrt(share)[:, None]
        values, vectors, _ = np.linalg.svd(basis, full_matrices=False)
        result[i] = float(((values[:, vectors > 1e-9].T @ (target * np.sqrt(share)[:, None])) ** 2).sum())
    return result
