"""Clusters of conditions, in each of which a surrogate is judged apart: a mean over all hides where it fails.

k-means (MacQueen 1967) of the distinct conditions, standardised column by column; of categorical columns, and of
columns that do not vary, nothing. The clusters know no outputs and no errors, so that none was chosen to look bad.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from pipeline.data.harvest import Harvest
from pipeline.evaluation.distances import Kind
from pipeline.surrogate.regions import Cluster

MOST, FEWEST_CONDITIONS = 3, 10
"""How many clusters there are, fewer where one of them would hold fewer conditions."""
STARTS = 10
"""k-means runs, of which the best is kept."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Clustered:
    """Clusters, and which of the distinct conditions, sorted, each holds: (G,) booleans. None where there are none."""

    clusters: tuple[Cluster, ...] = ()
    members: tuple[NDArray[np.bool_], ...] = ()

    @classmethod
    def of(cls, score: Harvest, kind: Kind) -> Self:
        """Of a harvest's conditions; none where samples are compared jointly, in which no condition stands alone."""
        if kind == "joint":
            return cls()
        x = np.unique(np.asarray(score.conditions[0], np.float64), axis=0)
        clusters = clusters_of(x, [column.name for column in score.schema.conditions], score.categorical)
        return cls(clusters, tuple(cluster.holds(x) for cluster in clusters))


def clusters_of(conditions: Array, names: Sequence[str], categorical: Sequence[bool]) -> tuple[Cluster, ...]:
    """The clusters of distinct conditions (N, C), in the order of their names; () where there would be but one."""
    deviation = conditions.std(axis=0)
    counts = (deviation > 0) & ~np.array(categorical, bool)
    weight = np.divide(1.0, deviation, out=np.zeros(len(deviation)), where=counts)
    for count in range(min(MOST, len(conditions) // FEWEST_CONDITIONS), 1, -1) if counts.any() else ():
        centres, sizes = _k_means(conditions * weight, count)
        if sizes.min() >= FEWEST_CONDITIONS:
            found = np.divide(centres, weight, out=np.tile(conditions.mean(axis=0), (count, 1)), where=weight > 0)
            return tuple(sorted(_named(found, weight, conditions.mean(axis=0), names), key=lambda c: c.name))
    return ()


def _k_means(points: Array, count: int) -> tuple[Array, NDArray[np.intp]]:
    """Centres (K, C) and how many points (N, C) are nearest to each, of the start with the least squared distance."""
    found = []
    for seed in range(STARTS):
        centres, labels = kmeans2(points, count, minit="++", seed=seed)
        found.append((float(np.square(points - centres[labels]).sum()), centres, labels))
    _, centres, labels = min(found, key=lambda each: each[0])
    return centres, np.bincount(labels, minlength=count)


def _named(centres: Array, weight: Array, mean: Array, names: Sequence[str]) -> list[Cluster]:
    """Clusters, each named by the column in which its centre is farthest from the mean."""
    columns = [int(np.abs((centre - mean) * weight).argmax()) for centre in centres]
    return [
        Cluster(
            f"conditions with {names[j]} around {centres[k, j]:.3g}",
            tuple(centres[k].tolist()),
            tuple(tuple(row) for row in np.delete(centres, k, axis=0).tolist()),
            tuple(weight.tolist()),
        )
        for k, j in enumerate(columns)
    ]
