"""What a harvest knows of a trained network: that it answers at conditions, and saves itself."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Network(Protocol):
    """A trained network of one hyperparameter.

    family: what `pipeline.families.catalog.family_class` finds its family by: a built-in name or an import path. A
    network that needs more code than its family's package says so by an attribute `code`, import paths; a registered
    model then carries that too.
    """

    @property
    def family(self) -> str:
        """Name or import path of the family."""
        ...

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C); the same seed gives the same draws on one machine."""
        ...

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into an existing folder, never a pickle."""
        ...


@runtime_checkable
class Reparameterised(Network, Protocol):
    """A network whose draws are a function of their noise: one call draws at many conditions, each with its own.

    noise_dimension: E, how many numbers a draw consumes. coupled_by_noise: whether equal noise couples the networks of
    different λ, as it does Gaussian policies.
    """

    noise_dimension: int
    coupled_by_noise: bool

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C) from standard normal noise (N, draws, E), row by row."""
        ...


class Policy(Protocol):
    """A callable that samples outputs: outputs (N, draws, D) at conditions (N, C)."""

    def __call__(self, conditions: NDArray[np.floating], draws: int, seed: int, /) -> NDArray[np.floating]:
        """Outputs (N, draws, D); the same seed gives the same draws."""
        ...
