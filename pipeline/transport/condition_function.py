"""Smooth functions of the condition in closed form: affine, plus Gaussian bumps where cross-validation favours them."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.transport import ops
from pipeline.transport.buffers import ResizableBuffers
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.ridge import RIDGES, Array, Solution, clearly_better, make_folds, solve

MOST_CENTRES = 128
FEW_COLUMNS = 2
"""With more columns, bumps are also tried along the few combinations that a linear fit finds."""
LENGTHS = (0.4, 1.0, 2.5)
"""Widths of the bumps tried, in units of the median distance between conditions."""
BUMP_RIDGES = RIDGES[2:]
"""Wide bumps on smaller penalties are polynomials of high degree, wild beyond the samples."""


def features(condition: Condition, shape: ConditionShape) -> Tensor:
    """Conditions as columns (…, F): continuous values, then one column a code."""
    if not shape.codes:
        return condition.values
    parts = [condition.values]
    for i, count in enumerate(shape.codes):
        parts.append(ops.one_hot(condition.codes[..., i], count))
    return ops.concat(parts)


class ConditionFunction(ResizableBuffers):
    """h(x) = b + x L + exp(−½ |x P − c|²) W, columns x as `features` makes them: (B, F) → (B, q)."""

    intercept: Tensor
    linear: Tensor
    projection: Tensor
    centres: Tensor
    weights: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("intercept", torch.zeros(outputs))
        self.register_buffer("linear", torch.zeros(inputs, outputs))
        self.register_buffer("projection", torch.zeros(inputs, 0))
        self.register_buffer("centres", torch.zeros(0, 0))
        self.register_buffer("weights", torch.zeros(0, outputs))

    def set(self, intercept: Array, linear: Array, bumps: "Bumps | None" = None, weights: Array | None = None) -> None:
        """Set the fitted coefficients; weights (M, q) belong to `bumps`."""
        like = self.intercept
        self.intercept, self.linear = (torch.as_tensor(a, dtype=like.dtype) for a in (intercept, linear))
        if bumps is not None and weights is not None:
            self.projection = torch.as_tensor(bumps.projection, dtype=like.dtype)
            self.centres = torch.as_tensor(bumps.centres, dtype=like.dtype)
            self.weights = torch.as_tensor(weights, dtype=like.dtype)

    @property
    def affine(self) -> bool:
        """Whether no bump is in use."""
        return not len(self.centres)

    @property
    def constant(self) -> bool:
        """Whether the value does not depend on the condition."""
        return self.affine and not bool(self.linear.any())

    def forward(self, columns: Tensor) -> Tensor:
        """Values (…, q) at columns (…, F)."""
        value = self.intercept + columns @ self.linear
        return value if self.affine else value + gauss(columns @ self.projection, self.centres) @ self.weights

    def numpy(self, columns: Array) -> Array:
        """As `forward`, in NumPy."""
        return np.asarray(self(torch.from_numpy(columns)).numpy(), np.float64)


def gauss(points: Tensor, centres: Tensor) -> Tensor:
    """exp(−½ |p − c|²): (…, r), (M, r) → (…, M)."""
    squares = (points * points).sum(-1)[..., None] + (centres * centres).sum(-1) - 2 * (points @ centres.T)
    return ops.exp(-0.5 * squares.clip(0))


class Bumps:
    """Gaussian bumps on projected columns: projection (F, r) includes the inverse widths, centres (M, r)."""

    def __init__(self, projection: Array, centres: Array) -> None:
        self.projection, self.centres = projection, centres

    @classmethod
    def over(cls, columns: Array, projection: Array, length: float, seed: int = 0) -> "Bumps | None":
        """Centres at up to MOST_CENTRES distinct rows; None where all projected rows are equal."""
        points = np.unique((columns @ projection).round(9), axis=0)
        if len(points) > MOST_CENTRES:
            points = points[np.random.default_rng(seed).permutation(len(points))[:MOST_CENTRES]]
        gaps = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
        typical = np.median(gaps[gaps > 0]) if (gaps > 0).any() else 0.0
        if len(points) < 4 or not typical:
            return None
        return cls(projection / (length * typical), points / (length * typical))

    def whitened(self, columns: Array) -> tuple[Array, Array]:
        """Nyström features (n, M) of the kernel, and the matrix that turns their weights into weights of bumps.

        Williams and Seeger (2001): features K(x, c) K(c, c)^(−½), so that a ridge on them is the kernel's.
        """
        centres = torch.from_numpy(self.centres)
        values, vectors = np.linalg.eigh(gauss(centres, centres).numpy())
        root = vectors[:, values > 1e-7 * values.max()] / np.sqrt(values[values > 1e-7 * values.max()])
        return gauss(torch.from_numpy(columns @ self.projection), centres).numpy() @ root, root


def _indices(weights: Array) -> list[Array]:
    """The combinations of columns that weights (F, q) are made of: all q, and the strongest alone."""
    if not weights.any():
        return []
    strongest = np.linalg.svd(weights, full_matrices=False)[0][:, :1]
    return [weights, strongest] if weights.shape[1] > 1 else [strongest]


def fit_condition_function(
    columns: Array,
    target: Array,
    weight: Array,
    groups: NDArray[np.intp],
    index: Array | None = None,
    caution: float = 1.0,
) -> tuple[ConditionFunction, Solution]:
    """Regress target (n, q) on the conditions' columns (n, F); the simplest form not refuted by cross-validation.

    index: (F, r), projections along which bumps are tried too: a function of fifty columns may be one of few of their
    combinations.
    """
    inputs, outputs = columns.shape[1], target.shape[1]
    folds = make_folds(groups)
    affine = solve(columns, target, weight, folds, caution=caution)
    found = []
    projections = [np.eye(inputs)] if inputs else []
    if inputs > FEW_COLUMNS:
        # Those that the target itself suggests are known from rows that are to judge them.
        projections += [] if index is None else _indices(index)
    for projection in projections:
        for length in LENGTHS:
            if (bumps := Bumps.over(columns, projection, length)) is None:
                continue
            phi, root = bumps.whitened(columns)
            # Beside the bumps: what is linear in all columns, or where combinations are known, in these alone.
            for linear in [np.eye(inputs)] if projection.shape[1] == inputs else [np.eye(inputs), projection]:
                design = np.hstack([columns @ linear, phi * math.sqrt(10)])
                solution = solve(design, target, weight, folds, BUMP_RIDGES, caution)
                if clearly_better(solution, affine):
                    found.append((solution, linear, bumps, root))
    function = ConditionFunction(inputs, outputs).double()
    if not found:
        function.set(affine.intercept, affine.weights)
        return function, affine
    best = min(found, key=lambda one: one[0].error)[0]
    # Of those that left-out groups cannot tell from the best, the one along the fewest combinations.
    alike = [one for one in found if not clearly_better(best, one[0], 1.0)]
    solution, linear, bumps, root = min(
        alike, key=lambda one: (one[2].projection.shape[1] + one[1].shape[1], one[0].error)
    )
    count = linear.shape[1]
    weights = root @ solution.weights[count:] * math.sqrt(10)
    function.set(solution.intercept, linear @ solution.weights[:count], bumps, weights)
    return function, solution
