"""Finds atoms at the ends of outputs' ranges, and fits the latent outputs beyond them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pipeline.data.schema import Schema
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.atoms import LARGEST_SCORE, Atoms, Tail
from pipeline.transport.condition import ConditionShape
from pipeline.transport.condition_function import ConditionFunction, features, fit_condition_function
from pipeline.transport.ridge import Array, make_folds, solve
from pipeline.transport.standardise import Standardiser

SMALLEST_SHARE = 0.02
"""The smallest share of an anchor's rows that makes an atom; clipping fewer rows changes little."""
FEWEST_ROWS = 5
"""The fewest equal rows that make an atom: the share alone would make one of every row of a small harvest."""
MULTIPLICITY = 10.0
"""How many times as often as a typical value an atom occurs: counts and rounded outputs repeat all of their values."""
AFFINE_STEPS, STEPS = 4, 2
"""Steps of Fisher scoring with a score that is affine in the condition, and then with any smooth one."""
LARGEST_STEP = 2.0
"""Of a working response, in scores: a single row that was thought impossible would outweigh all others."""
NARROWEST = 0.05
"""The smallest distance of the two ends' scores, where rows between them are rare."""


def find_ends(outputs: Sequence[Array]) -> tuple[Array, Array]:
    """The atoms at the lower and the upper end (D,), infinite where there is none, from the anchors' outputs (N, D).

    An end is the smallest or largest value over all anchors; it is an atom if at some anchor enough rows have it, and
    others do not.
    """
    lower, upper = (extreme([extreme(y, axis=0) for y in outputs], axis=0) for extreme in (np.min, np.max))
    for d in range(len(lower)):
        for ends, none in ((lower, -np.inf), (upper, np.inf)):
            if not any(_is_atom(y[:, d], ends[d]) for y in outputs):
                ends[d] = none
    return lower, upper


def _ends(outputs: Sequence[Array], schema: Schema) -> tuple[Array, Array]:
    """As `find_ends`. Angles have no ends, and a probability moves with the others of its simplex: no atoms there."""
    lower, upper = find_ends(outputs)
    other = [column.kind in ("circular", "simplex") for column in schema.outputs]
    lower[other], upper[other] = -np.inf, np.inf
    return lower, upper


def clipped_to_atoms(outputs: Sequence[Array], scaling: Standardiser) -> Atoms:
    """Atoms whose ends bound the answers, and that have no latent outputs; outputs: (N, D) per anchor."""
    inputs = scaling.shape.continuous + sum(scaling.shape.codes)
    atoms = Atoms((), len(outputs), outputs[0].shape[1], inputs)
    for bound, end in zip((atoms.lower, atoms.upper), _ends(outputs, scaling.schema), strict=True):
        bound.copy_(torch.from_numpy(end))
    return atoms


def _is_atom(values: Array, end: float) -> bool:
    count = int((values == end).sum())
    if count < max(FEWEST_ROWS, SMALLEST_SHARE * len(values)) or count == len(values):
        return False
    return count >= MULTIPLICITY * float(np.median(np.unique(values[values != end], return_counts=True)[1]))


def fit_atoms(
    outputs: Sequence[Array], samples: Sequence[AnchorSamples], scaling: Standardiser, seed: int
) -> tuple[Atoms, list[AnchorSamples]]:
    """The atoms of a harvest, and its samples as latent outputs, the same where there are none.

    outputs: (N, D) per anchor, float64, in their own units. samples: the same, standardised.
    """
    lower, upper = _ends(outputs, scaling.schema)
    columns = np.flatnonzero(np.isfinite(lower) | np.isfinite(upper)).tolist()
    inputs = scaling.shape.continuous + sum(scaling.shape.codes)
    atoms = Atoms(columns, len(samples), outputs[0].shape[1], inputs)
    if not columns:
        return atoms, list(samples)
    atoms.lower.copy_(torch.from_numpy(lower))
    atoms.upper.copy_(torch.from_numpy(upper))
    rows = [_Rows(y, anchor, scaling.shape) for y, anchor in zip(outputs, samples, strict=True)]
    scale = scaling.output_scale.cpu().numpy()
    for i, d in enumerate(columns):
        by_anchor = [r.tails(d, lower[d], upper[d], scale[d]) for r in rows]
        for tails, of_end in zip((atoms.below, atoms.above), zip(*by_anchor, strict=True), strict=True):
            known = [tail.typical for tail in of_end if tail.typical > 0]
            typical = float(torch.stack(known).mean()) if known else 1.0
            for k, tail in enumerate(of_end):
                if not tail.typical > 0:  # an anchor that does not tell takes the others' mean
                    _constant(tail.scale, typical)
                    tail.typical.fill_(typical)
                tails[k * len(columns) + i] = tail.float()
    atoms = atoms.to(samples[0].outputs.device)
    generator = np.random.default_rng(seed)
    latent = []
    for k, (anchor, row) in enumerate(zip(samples, rows, strict=True)):
        uniform = torch.from_numpy(row.quantiles(lower, upper, generator)).to(anchor.outputs.device)
        given = torch.from_numpy(row.outputs).to(anchor.outputs.device)
        x = features(anchor.condition, scaling.shape)
        latent.append(replace(anchor, outputs=atoms.latent(anchor.outputs, given, x, k, uniform)))
    return atoms, latent


class _Rows:
    """An anchor's outputs (N, D) in their own units, with their conditions: number (N,), names, columns (G, F)."""

    def __init__(self, outputs: Array, anchor: AnchorSamples, shape: ConditionShape) -> None:
        self.outputs = outputs
        group = anchor.group.cpu().numpy()
        self.names, first, self.number = np.unique(group, return_index=True, return_inverse=True)
        columns = features(anchor.condition, shape).cpu().double().numpy()
        self.columns: Array = np.asarray(columns[first])

    def tails(self, column: int, lower: float, upper: float, unit: float) -> tuple[Tail, Tail]:
        """The tails below and above an output; unit: its standardising scale. typical is 0 where it is not known."""
        values, count = self.outputs[:, column], len(self.names)
        scores = [self._score(values == end) for end in (lower, upper)]
        below, above = (s.numpy(self.columns)[:, 0].clip(-LARGEST_SCORE, LARGEST_SCORE) for s in scores)
        first = below if np.isfinite(lower) else np.full(count, -np.inf)
        last = np.maximum(-above, first + NARROWEST) if np.isfinite(upper) else np.full(count, np.inf)
        middle = _middle(first, last)
        between = (values > lower) & (values < upper)
        number, values = self.number[between], values[between]
        rows = np.bincount(number, minlength=count).astype(np.float64)
        made = []
        for score, end, distance in zip(scores, (lower, upper), (middle - first, last - middle), strict=True):
            tail = Tail(self.columns.shape[1]).double()
            tail.score = score
            tail.typical.zero_()
            if np.isfinite(end) and len(values) >= FEWEST_ROWS and len(values) < len(self.outputs):
                # The mean distance of rows between the ends from this one is σ |E[Z | a < Z < b] − a|.
                expected = rows * distance
                excess = np.bincount(number, np.abs(values - end) / unit, minlength=count)
                tail.typical.fill_(float(excess.sum() / expected.sum()))
                some = rows > 0
                ratio = (excess[some] / expected[some])[:, None]
                tail.scale = fit_condition_function(
                    self.columns[some], ratio, rows[some], self.names[some], caution=0.0
                )[0]
            made.append(tail)
        return made[0], made[1]

    def _score(self, at: NDArray[np.bool_]) -> ConditionFunction:
        """The probit of the share of rows at an end, by condition: Fisher scoring with penalised regressions."""
        count = len(self.names)
        trials = np.bincount(self.number, minlength=count).astype(np.float64)
        hits = np.bincount(self.number[at], minlength=count).astype(np.float64)
        function = ConditionFunction(self.columns.shape[1], 1).double()
        pooled = float(ndtri((hits.sum() + 0.5) / (trials.sum() + 1)))
        _constant(function, pooled)
        if not 0 < hits.sum() < trials.sum() or count < 3 or not self.columns.shape[1]:
            return function
        folds = make_folds(self.names)
        for step in range(AFFINE_STEPS + STEPS):
            eta = function.numpy(self.columns)[:, 0].clip(-LARGEST_SCORE, LARGEST_SCORE)
            share, density = ndtr(eta), np.exp(-0.5 * eta**2) / np.sqrt(2 * np.pi)
            response = eta + ((hits / trials - share) / density).clip(-LARGEST_STEP, LARGEST_STEP)
            weight = trials * density**2 / (share * (1 - share))
            if step < AFFINE_STEPS:
                solution = solve(self.columns, response[:, None], weight, folds)
                function.set(solution.intercept, solution.weights)
            else:
                function = fit_condition_function(self.columns, response[:, None], weight, self.names, caution=0.0)[0]
        return function

    def quantiles(self, lower: Array, upper: Array, generator: np.random.Generator) -> Array:
        """Quantiles (N, D) of latent outputs in their tails: one in each of equal parts, condition by condition."""
        result = generator.random(self.outputs.shape)
        for d in np.flatnonzero(np.isfinite(lower) | np.isfinite(upper)):
            for end in (lower[d], upper[d]):
                rows = generator.permutation(np.flatnonzero(self.outputs[:, d] == end))
                rows = rows[np.argsort(self.number[rows], kind="stable")]
                counts = np.bincount(self.number[rows], minlength=len(self.names))
                rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
                result[rows, d] = (rank + result[rows, d]) / counts[self.number[rows]]
        return np.asarray(result.clip(1e-12, 1 - 1e-12))


def _middle(first: Array, last: Array) -> Array:
    """E[Z | a < Z < b] of a standard normal Z."""
    densities = [np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) for z in (first, last)]
    return np.asarray((densities[0] - densities[1]) / (ndtr(last) - ndtr(first)).clip(1e-12))


def _constant(function: ConditionFunction, value: float) -> None:
    """Make a function the same for all conditions."""
    function.intercept.fill_(value)
    function.linear.zero_()
