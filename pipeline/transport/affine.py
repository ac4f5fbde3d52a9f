"""Affine transport maps in closed form: y ↦ y + (y, φ(x)) A + b, φ the features of the condition.

For deterministic outputs the map is a ridge regression. For draws, regression on coupled pairs would shrink the spread,
because the pairs of finite samples are noisy. There T(y | x) = m_1(x) + B (y − m_0(x)): each anchor's conditional mean
m_k is regressed on its own rows, and B moves the covariance within conditions exactly. Under the Euclidean cost that
is the transport map between Gaussians (Bures; Peyré and Cuturi, Computational Optimal Transport, 2019, remark 2.31).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e3)
"""Of what conditions explain; the last leaves a constant."""
OUTPUT_RIDGES = (1e-4, 1e-2, 1.0, 1e3)
"""Of what outputs explain beyond staying where they are; the last leaves a shift."""
CLIP = 3.0
"""Residuals beyond so many robust deviations count as that large: heavy tails have no moments."""
ROUNDS = 3
CONSISTENT = 1.4826
"""The standard deviation of a normal law in units of its median absolute deviation."""
AS_GOOD = 1.1
"""A map of the covariances alone is taken where it predicts pairs this nearly as well as one regressed on them."""


@dataclass(frozen=True, eq=False)
class Affine:
    """y ↦ y + (y, φ) matrix + offset: matrix (D + F, D), offset (D,), float64."""

    matrix: Tensor
    offset: Tensor

    def __call__(self, outputs: Tensor, features: Tensor) -> Tensor:
        """Move outputs (n, D) at features (n, F)."""
        return outputs + torch.cat([outputs, features], -1) @ self.matrix + self.offset


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one anchor: outputs (n, D), features (n, F) of their conditions, and the number of their condition."""

    outputs: Tensor
    features: Tensor
    group: Tensor


@dataclass(frozen=True, eq=False)
class Moments:
    """The conditional mean of outputs, m(x) = φ(x) coefficients + constant, and the covariance around it.

    covariance (D, D), within conditions where they have several rows; freedom: of how many independent residuals.
    """

    coefficients: Tensor
    constant: Tensor
    covariance: Tensor
    freedom: float

    def mean(self, features: Tensor) -> Tensor:
        """M at features (n, F), (n, D)."""
        return features @ self.coefficients + self.constant


def regressed(start: Tensor, features: Tensor, end: Tensor, weight: Tensor, distinct: int) -> Affine:
    """Weighted ridge regression of end − start (P, D) on (start, φ); weight (P,) positive.

    distinct: how many conditions the pairs have. The ridges are those with the least generalised cross-validation
    (Golub, Heath and Wahba, 1979), where only distinct conditions count as observations: few of them in many columns
    would be learnt by heart.
    """
    inputs, target = torch.cat([start, features], -1).double(), (end - start).double()
    weight = (weight / weight.sum()).double().unsqueeze(-1)
    mean_x, mean_y = (weight * inputs).sum(0), (weight * target).sum(0)
    centred, wanted = inputs - mean_x, target - mean_y
    gram, moment = centred.T @ (weight * centred), centred.T @ (weight * wanted)
    least, solution = math.inf, torch.zeros_like(moment)
    for penalty in _penalties(start.shape[1], features.shape[1]):
        both = torch.linalg.solve(gram + torch.diag(penalty.to(gram)), torch.cat([moment, gram], dim=1))
        candidate = both[:, : moment.shape[1]]
        share = (float(both[:, moment.shape[1] :].diagonal().sum()) + 1) / distinct
        missed = float((weight * (wanted - centred @ candidate).square()).sum())
        score = missed / (1 - share) ** 2 if share < 1 else math.inf
        if score <= least:
            least, solution = score, candidate
    return Affine(solution, mean_y - mean_x @ solution)


def _penalties(dimension: int, width: int) -> Iterator[Tensor]:
    for first, second in product(OUTPUT_RIDGES, RIDGES if width else RIDGES[:1]):
        yield torch.cat([torch.full((dimension,), first), torch.full((width,), second)])


def moments(rows: Rows) -> Moments:
    """Conditional mean and covariance of an anchor's rows, robust against heavy tails."""
    y, features = rows.outputs.double(), rows.features.double()
    _, number, counts = torch.unique(rows.group, return_inverse=True, return_counts=True)
    tamed = y
    for _ in range(ROUNDS):
        coefficients, constant, used = _mean(tamed, features, len(counts))
        fitted = features @ coefficients + constant
        tamed = fitted + _clipped(y - fitted)
    if len(y) >= 2 * len(counts):
        centre = torch.zeros(len(counts), y.shape[1], dtype=y.dtype, device=y.device)
        centre.index_add_(0, number, tamed)
        residual, freedom = tamed - (centre / counts.unsqueeze(-1))[number], float(len(y) - len(counts))
    else:
        residual, freedom = tamed - fitted, max(len(y) - used, 1.0)
    residual = _clipped(residual)
    return Moments(coefficients, constant, residual.T @ residual / max(freedom, 1.0), freedom)


def _mean(outputs: Tensor, features: Tensor, distinct: int) -> tuple[Tensor, Tensor, float]:
    """Ridge regression of outputs (n, D) on features (n, F): coefficients, constant, degrees of freedom."""
    centre, level = features.mean(0), outputs.mean(0)
    x, y = features - centre, outputs - level
    gram, moment = x.T @ x / len(x), x.T @ y / len(x)
    values, vectors = torch.linalg.eigh(gram)
    least, best, used = math.inf, torch.zeros_like(moment), 1.0
    for ridge in RIDGES:
        shrunk = vectors @ ((vectors.T @ moment) / (values + ridge).unsqueeze(-1))
        freedom = float((values / (values + ridge)).sum()) + 1
        score = (
            float((y - x @ shrunk).square().mean()) / (1 - freedom / distinct) ** 2 if freedom < distinct else math.inf
        )
        if score <= least:
            least, best, used = score, shrunk, freedom
    return best, level - centre @ best, used


def _clipped(residual: Tensor) -> Tensor:
    """Residuals (n, D) with each column's tails beyond CLIP robust deviations brought in."""
    deviation = CONSISTENT * residual.abs().median(0).values
    plain = residual.square().mean(0).sqrt()
    # Where most rows are equal (an atom) the median says nothing of the others.
    reach = torch.where(deviation > 0.1 * plain, CLIP * deviation, torch.full_like(plain, torch.inf))
    return residual.clamp(-reach, reach)


def transported(left: Moments, right: Moments, pairs: tuple[Tensor, Tensor, Tensor, Tensor] | None) -> Affine:
    """T(y | x) = m_1(x) + B (y − m_0(x)).

    pairs: start, end (P, D), features (P, F) and weight (P,) of a coupling under a cost that is not Euclidean; B is
    then regressed on them and corrected so that it maps the one covariance to the other, unless the map of the
    covariances alone predicts the pairs as well.
    """
    linear = covariance_map(left, right)
    if pairs is not None:
        start, end, features, weight = (t.double() for t in pairs)
        before, after = start - left.mean(features), end - right.mean(features)
        learnt = _regressed_map(before, after, weight, left.covariance, right.covariance)
        missed = [float(weight @ (after - before @ b.T).square().sum(-1)) for b in (linear, learnt)]
        if missed[0] > AS_GOOD * missed[1]:
            linear = learnt
    identity = torch.eye(len(linear), dtype=linear.dtype, device=linear.device)
    matrix = torch.cat([linear.T - identity, right.coefficients - left.coefficients @ linear.T])
    return Affine(matrix, right.constant - left.constant @ linear.T)


def _regressed_map(before: Tensor, after: Tensor, weight: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """The linear map regressed on pairs of residuals, then corrected so that it carries `source` to `target`."""
    weight = weight.unsqueeze(-1)
    gram, moment = before.T @ (weight * before), before.T @ (weight * after)
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    slope = torch.linalg.solve(gram + RIDGES[0] * identity, moment).T
    corrected: Tensor = bures_map(slope @ source @ slope.T, target) @ slope
    return corrected


def covariance_map(left: Moments, right: Moments) -> Tensor:
    """B (D, D): the identity, a multiple of it, a diagonal or the Bures map, the simplest that the samples allow.

    They are compared by the Bayesian information criterion of normal laws whose covariances B makes equal.
    """
    dimension = len(left.covariance)
    identity = torch.eye(dimension, dtype=left.covariance.dtype, device=left.covariance.device)
    total = left.freedom + right.freedom
    first, second = (_regular(m.covariance) for m in (left, right))
    if min(left.freedom, right.freedom) < 2 or total < dimension + 4:
        return identity
    scale = (torch.trace(second) / torch.trace(first)).sqrt()
    candidates = [(identity, 0), (scale * identity, 1)]
    if dimension > 1:
        candidates.append((torch.diag((second.diagonal() / first.diagonal()).sqrt()), dimension))
        if min(left.freedom, right.freedom) > 2 * dimension:
            candidates.append((bures_map(first, second), dimension * (dimension + 1) // 2))

    def criterion(candidate: tuple[Tensor, int]) -> float:
        matrix, parameters = candidate
        moved = matrix @ first @ matrix.T
        pooled = (left.freedom * moved + right.freedom * second) / total
        lack = total * torch.logdet(pooled) - left.freedom * torch.logdet(moved) - right.freedom * torch.logdet(second)
        return float(lack) + parameters * math.log(total)

    return min(candidates, key=criterion)[0]


def _regular(covariance: Tensor) -> Tensor:
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    return covariance + (1e-6 * torch.trace(covariance) / len(covariance) + 1e-12) * identity


def bures_map(source: Tensor, target: Tensor) -> Tensor:
    """The symmetric B with B source B = target: source^{−½} (source^½ target source^½)^½ source^{−½}, (D, D)."""
    root = _root(_regular(source))
    inverse = torch.linalg.inv(root)
    product: Tensor = inverse @ _root(root @ _regular(target) @ root) @ inverse
    return product


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root
