"""Draws of a cell's corners that belong together, and their weighted means: lines, multilinear, barycentric.

Two corners are coupled as `Comparison.coupling` says. Several are coupled along the edges of the cell's tree, one after
the other, and the couplings glued at their common corner (the gluing lemma: Villani 2009, ch. 1): where an anchor's row
has several partners on both sides, in the order of their rows, so that there are never more tuples than rows in all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Tree
from pipeline.evaluation.comparison import Sample
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.coupling import Coupling

SMALLEST = 1e-6
"""A tuple of less than this part of an even weight is rounding."""


@dataclass(frozen=True, eq=False)
class Coupled:
    """Tuples of rows, one of every anchor of a tree. rows: by anchor, each (T,). weight: (T,), summing to 1."""

    tree: Tree
    rows: Mapping[int, NDArray[np.intp]]
    weight: NDArray[np.float64]

    @classmethod
    def along(cls, tree: Tree, coupling: Callable[[int, int], Coupling]) -> "Coupled":
        """Tuples from the couplings of a tree's edges, (parent, child) each."""
        (root, first), *rest = tree
        pairs = coupling(root, first)
        rows, weight = {root: pairs.left, first: pairs.right}, pairs.weight
        for parent, child in rest:
            pairs = coupling(parent, child)
            kept, partner, weight = _glued(rows[parent], weight, pairs)
            rows = {anchor: found[kept] for anchor, found in rows.items()} | {child: pairs.right[partner]}
        return cls(tree, rows, weight)

    def mean(
        self,
        samples: Mapping[int, Sample] | Sequence[Sample],
        weights: Mapping[int, float | NDArray[np.float64]],
        period: NDArray[np.float64] | None = None,
    ) -> Sample:
        """Σ_k w_k y_k of every tuple, at the condition of its row of the tree's root.

        samples: by anchor. weights: by anchor, numbers, or arrays with one a row of the root's sample. period: (D,), of
        circular outputs, which go the short way round; 0 for others.
        """
        points = self.points(samples, period)
        count, own = len(samples[self.root].outputs), self.rows[self.root]
        shares = {k: np.broadcast_to(weights[k], count)[own, None] for k in points}
        return self.sample(samples, np.sum([shares[k] * points[k] for k in points], axis=0))

    @property
    def root(self) -> int:
        """The anchor at whose rows' conditions tuples stand."""
        return self.tree[0][0]

    def points(
        self, samples: Mapping[int, Sample] | Sequence[Sample], period: NDArray[np.float64] | None = None
    ) -> dict[int, NDArray[np.float64]]:
        """The outputs (T, D) of every tuple by anchor, circular ones on the turn nearest to those of the parent."""
        points = {self.root: samples[self.root].outputs[self.rows[self.root]].astype(np.float64)}
        for parent, child in self.tree:
            outputs = samples[child].outputs[self.rows[child]].astype(np.float64)
            turns = period if period is not None and period.any() else None
            points[child] = outputs if turns is None else nearest_turn(outputs, points[parent], turns)
        return points

    def sample(self, samples: Mapping[int, Sample] | Sequence[Sample], outputs: NDArray[np.float64]) -> Sample:
        """Outputs (T, D), one a tuple, as a sample at the conditions of the root's rows, with the tuples' weights."""
        equal = np.ptp(self.weight) <= 1e-12 * self.weight.max()
        weight = None if equal else self.weight / self.weight.sum()
        return Sample(outputs, samples[self.root].conditions[self.rows[self.root]], weight)


def _glued(
    rows: NDArray[np.intp], weight: NDArray[np.float64], pairs: Coupling
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Tuples glued to pairs at the rows (T,) that they share with pairs.left: numbers of tuples, of pairs, weights.

    The weight of a row is that of its tuples; its pairs share it in proportion to theirs.
    """
    one, other = np.argsort(rows, kind="stable"), np.argsort(pairs.left, kind="stable")
    size = max(int(rows.max()), int(pairs.left.max())) + 1
    mass, given = np.bincount(rows, weight, size), np.bincount(pairs.left, pairs.weight, size)
    scale = np.divide(mass, given, out=np.zeros(size), where=given > 0)
    ends = np.cumsum(weight[one]), np.cumsum((pairs.weight * scale[pairs.left])[other])
    cuts = np.unique(np.concatenate([[0.0], *ends]))
    width = np.diff(cuts)
    kept = width > SMALLEST / max(len(rows), len(pairs.left))
    middle = (cuts[:-1] + width / 2)[kept]
    tuples, partners = (
        order[np.minimum(np.searchsorted(end, middle), len(end) - 1)]
        for order, end in zip((one, other), ends, strict=True)
    )
    return tuples, partners, width[kept] / width[kept].sum()
