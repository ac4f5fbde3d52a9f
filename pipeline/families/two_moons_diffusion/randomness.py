"""Sources of the chain's noise and dropout masks: a generator, or numbers of each row's own.

Masks take 2 · width numbers a step, 51,200 a draw by default. A row's masks are therefore hashed from a key of its own
(lowbias32 by Ellis, "Hash function prospector", 2018), so that a draw takes no more noise than its chain and its key.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DIMENSION = 2
"""Of a point."""
KEY = 2
"""Normal numbers that a row's masks are hashed from."""


class Randomness(Protocol):
    """What a chain draws, call by call."""

    def normal(self, rows: int) -> Tensor:
        """Standard normal noise (rows, 2)."""
        ...

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Numbers in [0, 1) of a shape (rows, units)."""
        ...


class Seeded:
    """Numbers from a generator: a row's depend on how many rows there are."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def normal(self, rows: int) -> Tensor:
        """The generator's next ones."""
        return torch.randn(rows, DIMENSION, generator=self.generator)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """The generator's next ones."""
        return torch.rand(shape, generator=self.generator)


class FromNoise:
    """Numbers from noise (N, E): first each row's key, then the chain's noise from its start on."""

    def __init__(self, noise: NDArray[np.float32]) -> None:
        bits = np.ascontiguousarray(noise[:, :KEY]).view(np.uint32)
        self._keys = _mixed(bits[:, 0]) ^ _mixed(bits[:, 1] + np.uint32(1))
        self._noise = torch.from_numpy(np.array(noise[:, KEY:]))
        self._steps = self._masks = 0

    def normal(self, rows: int) -> Tensor:
        """The next two columns."""
        self._steps += DIMENSION
        return self._noise[:, self._steps - DIMENSION : self._steps]

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Hashes of every row's key, the number of the call, and the number of the unit; multiples of 2^-24."""
        self._masks += 1
        keys = _mixed(self._keys + np.uint32(self._masks))
        bits = _mixed(keys[:, None] ^ _mixed(np.arange(shape[1], dtype=np.uint32)))
        return torch.from_numpy((bits >> np.uint32(8)).astype(np.float32) * np.float32(2**-24))


def _mixed(bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A permutation of the 32-bit integers, element by element; products wrap around."""
    mixed = bits ^ (bits >> np.uint32(16))
    mixed = mixed * np.uint32(0x7FEB352D)
    mixed = mixed ^ (mixed >> np.uint32(15))
    mixed = mixed * np.uint32(0x846CA68B)
    return np.asarray(mixed ^ (mixed >> np.uint32(16)), np.uint32)
