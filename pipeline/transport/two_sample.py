"""Whether mapped draws can be told from an anchor's own: energy distances within conditions, and a permutation test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

MOST_GROUPS = 48
MOST_ROWS = 96
"""So many conditions, and so many draws of each, are compared."""
PERMUTATIONS = 99
LEVEL = 0.05

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Draws (n, D) and other draws (m, D) of the same conditions, group by group."""

    first: tuple[Points, ...]
    second: tuple[Points, ...]

    @classmethod
    def of(cls, first: Points, number: NDArray[np.intp], second: Points, other: NDArray[np.intp]) -> "Groups":
        """Draws by the number of their condition; thinned, and conditions of one side alone left out."""
        shared = np.intersect1d(number, other)
        shared = shared[np.linspace(0, len(shared) - 1, min(len(shared), MOST_GROUPS)).round().astype(int)]
        return cls(tuple(_thin(first[number == g]) for g in shared), tuple(_thin(second[other == g]) for g in shared))

    def energy(self) -> NDArray[np.float64]:
        """The energy distance within each group, (G,): 2 E|a − b| − E|a − a'| − E|b − b'| (Székely and Rizzo, 2013)."""
        return np.asarray(
            [
                2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()
                for a, b in zip(self.first, self.second, strict=True)
            ]
        )


def distinguishable(groups: Groups, seed: int = 0) -> bool:
    """Whether the two samples differ: a permutation test of the summed energy distance at LEVEL.

    Draws are exchanged within their condition alone. True where there is nothing to exchange.
    """
    if not groups.first or max(len(a) + len(b) for a, b in zip(groups.first, groups.second, strict=True)) < 3:
        return True
    generator = np.random.default_rng(seed)
    total = np.zeros(PERMUTATIONS + 1)
    for a, b in zip(groups.first, groups.second, strict=True):
        total += _exchanged(cdist(np.concatenate([a, b]), np.concatenate([a, b])), len(a), generator)
    return bool((total[1:] >= total[0]).mean() < LEVEL)


def _exchanged(distances: NDArray[np.float64], count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Energy distances of the first `count` rows from the others, (PERMUTATIONS + 1,): as they are, then exchanged."""
    rows = len(distances)
    order = np.argsort(generator.random((PERMUTATIONS + 1, rows)), axis=1)
    order[0] = np.arange(rows)
    sign = np.where(order < count, 1 / count, -1 / (rows - count))
    return np.asarray(-((sign @ distances) * sign).sum(1))


def _thin(rows: Points) -> Points:
    return np.asarray(rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).round().astype(int)])
