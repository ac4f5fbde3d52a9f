"""Principal components by scikit-learn. A served surrogate, which fits nothing, does not load this module."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA


@dataclass(frozen=True, eq=False)
class Principal:
    """axes: (r, D), orthonormal rows, the leading first. variances: (r,) along them. shares: (r,) of the variance."""

    axes: NDArray[np.floating]
    variances: NDArray[np.floating]
    shares: NDArray[np.floating]


def principal_components(rows: NDArray[np.floating], count: int) -> Principal:
    """The `count` leading principal components of rows (N, D), by a randomised SVD of a fixed seed.

    Halko, Martinsson and Tropp, SIAM Review 53 (2), 2011.
    """
    found = PCA(count, svd_solver="randomized", random_state=0).fit(rows)
    return Principal(found.components_, found.explained_variance_, found.explained_variance_ratio_)
