"""Counter-based random numbers per condition: draws at x depend on (seed, x) alone, not on the rest of the batch.

Rows of a call with equal conditions are further draws of it: the j-th of them gets the j-th block of its draws.
Noise comes from a counter-based generator (SplitMix64: Steele, Lea and Flood, OOPSLA 2014), so any draw of any
condition is computed independently.
"""

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.data.network import Network, Reparameterised
from pipeline.errors import DataError

Keys = NDArray[np.uint64]
Grouped = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
"""What `Rows` says: distinct, number, occurrence."""

QUANTILES = 1
"""The seed of the quantiles of latent outputs: other numbers than those of draws at seed 0."""

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Rows:
    """The N rows of a call by their conditions, grouped when somebody asks: that sorts them, and not all ends need it.

    distinct: (U,), the first row of each distinct condition. number: (N,), the index of each row's condition among
    them. occurrence: (N,), the number of earlier rows with the same condition.
    """

    def __init__(self, count: int, grouped: Callable[[], Grouped]) -> None:
        self._count, self._group = count, grouped

    @cached_property
    def _grouped(self) -> Grouped:
        return self._group()

    @property
    def distinct(self) -> NDArray[np.intp]:
        """The first row of each distinct condition, (U,)."""
        return self._grouped[0]

    @property
    def number(self) -> NDArray[np.intp]:
        """The index of each row's condition among the distinct ones, (N,)."""
        return self._grouped[1]

    @property
    def occurrence(self) -> NDArray[np.intp]:
        """The number of earlier rows with the same condition, (N,)."""
        return self._grouped[2]

    @classmethod
    def of(cls, conditions: NDArray[np.float64]) -> "Rows":
        """Group the rows of conditions (N, C); without columns all rows have the same condition."""
        return cls(len(conditions), partial(_grouped, conditions))

    def renumbered(self, occurrence: NDArray[np.integer] | None) -> "Rows":
        """With occurrences (N,) that a caller gives, if any; DataError unless they are whole numbers from 0 on."""
        if occurrence is None:
            return self
        given = np.asarray(occurrence)
        if given.shape != (self._count,) or given.dtype.kind not in "iu" or (given < 0).any():
            raise DataError(
                f"occurrence has shape {given.shape} and dtype {given.dtype}; ({self._count},) whole numbers from 0 on "
                "are needed, one a row"
            )
        return Rows(self._count, lambda: (self.distinct, self.number, given.astype(np.intp)))

    def select(self, chosen: NDArray[np.intp]) -> "Rows":
        """The same numbering for a subset of the rows, (n,); occurrences remain those among all rows."""

        def grouped() -> Grouped:
            _, distinct, number = np.unique(self.number[chosen], return_index=True, return_inverse=True)
            return distinct, number.reshape(-1), self.occurrence[chosen]

        return Rows(len(chosen), grouped)


def _grouped(conditions: NDArray[np.float64]) -> Grouped:
    count = len(conditions)
    if not conditions.shape[1]:
        return np.zeros(min(count, 1), np.intp), np.zeros(count, np.intp), np.arange(count)
    _, distinct, number = np.unique(conditions, axis=0, return_index=True, return_inverse=True)
    number = number.reshape(-1)
    order = np.argsort(number, kind="stable")
    sizes = np.bincount(number, minlength=len(distinct))
    occurrence = np.empty(count, np.intp)
    occurrence[order] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return distinct, number, occurrence


def condition_keys(conditions: NDArray[np.float64], seed: int) -> Keys:
    """A key for each of N conditions (N, C), from its values and the seed alone: (N,)."""
    keys = np.full(len(conditions), _mix(np.array([seed % 2**64], np.uint64) + _STEP)[0])
    for column in (conditions + 0.0).T:  # −0 is 0
        keys = _mix((keys ^ np.ascontiguousarray(column).view(np.uint64)) * _STEP + _STEP)
    return keys


def numbered_keys(keys: Keys, numbers: NDArray[np.intp]) -> Keys:
    """Keys of numbered blocks: keys and numbers (T,) → (T,)."""
    return _mix(keys + (numbers.astype(np.uint64) + np.uint64(1)) * _STEP)


def uniform(keys: Keys, count: int) -> NDArray[np.float64]:
    """Uniform numbers inside (0, 1), `count` for each key: (T,) → (T, count)."""
    counters = np.arange(1, count + 1, dtype=np.uint64) * _STEP
    bits = _mix(keys[:, None] + counters) >> np.uint64(11)
    return (bits.astype(np.float64) + 0.5) * 2.0**-53


def row_quantiles(outputs: NDArray[np.float64], conditions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles (N, D) in (0, 1) for outputs (N, D) at conditions (N, C), by a row's values alone.

    Equal rows, up to the rounding to float32, continue one Kronecker sequence, which covers (0, 1) evenly: the n-th of
    them has the fractional part of u + n √p, with u hashed from the row and p the prime of the column. So one row has
    one answer, alone or in any batch, and equal rows are spread.
    """
    table = np.hstack([conditions, outputs]).astype(np.float32).astype(np.float64)
    start = uniform(condition_keys(table, QUANTILES), outputs.shape[1])
    steps = np.sqrt(_primes(outputs.shape[1])) * Rows.of(table).occurrence[:, None]
    return np.asarray(((start + steps) % 1.0).clip(1e-12, 1 - 1e-12))


def _primes(count: int) -> NDArray[np.float64]:
    """The first `count` primes."""
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % p for p in found if p * p <= number):
            found.append(number)
        number += 1
    return np.array(found, np.float64)


def normal(keys: Keys, dimension: int) -> NDArray[np.float32]:
    """Standard normal noise, (T,) keys → (T, dimension)."""
    return np.asarray(ndtri(uniform(keys, dimension)), np.float32)


def draw_block(network: Network, conditions: NDArray[np.float32], keys: Keys, count: int) -> NDArray[np.float32]:
    """`count` draws of a network at each of T conditions (T, C), by keys (T,): (T, count, D).

    A reparameterised network is called once, any other once per condition, each with its own seed.
    """
    if isinstance(network, Reparameterised):
        blocks = numbered_keys(np.repeat(keys, count), np.tile(np.arange(count), len(keys)))
        noise = normal(blocks, network.noise_dimension).reshape(len(keys), count, -1)
        return network.from_noise(conditions, noise)
    seeds = (keys >> np.uint64(32)).tolist()
    return np.concatenate([network.outputs(x[None], count, seed) for x, seed in zip(conditions, seeds, strict=True)])


def _mix(values: Keys) -> Keys:
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * _FIRST
        values = (values ^ (values >> np.uint64(27))) * _SECOND
        return np.asarray(values ^ (values >> np.uint64(31)))
