"""The observed support: where outputs of the networks lie, at any λ of a harvest.

A transported sample may leave it: the middle of a straight line that cuts across a curve is nobody's output. A row is
outside where it is farther from every observed row than observed rows are from each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from pipeline.shapes import FloatArray

LARGEST = 500
"""Observed rows beyond which some of them, drawn at random, stand for all: in many dimensions a search compares all."""

QUANTILE = 0.995
"""Of the distances of observed rows to their nearest neighbours: about 0.5 % of fresh rows of the truth lie outside."""


@dataclass(frozen=True, eq=False)
class Support:
    """Observed rows (m, D), searchable, and how far from the nearest of them a row still belongs to them."""

    tree: KDTree
    radius: float

    @classmethod
    def of(cls, rows: FloatArray) -> "Support":
        """The support of rows (m, D) of any order: its radius is a quantile of the distances to the nearest other row.

        Repeated rows count once, since a deterministic network may repeat an output, and an atom is no distance. A
        single row has the radius 0.
        """
        distinct = np.unique(np.asarray(rows, np.float64), axis=0)
        if len(distinct) > LARGEST:
            distinct = distinct[np.random.default_rng(0).permutation(len(distinct))[:LARGEST]]
        tree = KDTree(distinct)
        if len(distinct) < 2:
            return cls(tree, 0.0)
        nearest = tree.query(distinct, k=2)[0][:, 1]
        return cls(tree, float(np.quantile(nearest, QUANTILE)))

    def excludes(self, rows: FloatArray) -> NDArray[np.bool_]:
        """Which rows (n, D) are outside, (n,)."""
        nearest = self.tree.query(np.asarray(rows, np.float64), k=1)[0]
        return np.asarray(nearest > self.radius)


def outside_support(
    a: FloatArray, support: Support, a_weight: NDArray[np.float64] | None = None, _: None = None
) -> float:
    """The share of the rows of a (n, D), or of their weights (n,), outside a support of D columns."""
    return float(np.average(support.excludes(a), weights=a_weight))
