"""What a harvest knows of a trained network: that it answers at conditions, and saves itself."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.storage.atomic import write_json

FAMILY_FILE = "family.json"
"""Beside a saved network: the name of its family, by which `pipeline.families.catalog.load_network` reads it."""


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
    """A stochastic network whose draws are a function of the condition and of standard normal noise.

    A row of outputs depends on its own condition and noise alone, so that draws at one condition are the same in every
    batch. Optional: a network without it answers by `outputs`.

    noise_dimension: numbers E that one draw takes. coupled_by_noise: whether equal noise couples the draws of two
    networks of the family, as for Gaussian policies, whose outputs move along with their means.
    """

    @property
    def noise_dimension(self) -> int:
        """Standard normal numbers E that one draw takes."""
        ...

    @property
    def coupled_by_noise(self) -> bool:
        """Whether draws of two networks from equal noise belong together."""
        ...

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C) from standard normal noise (N, draws, E)."""
        ...


class Policy(Protocol):
    """A callable that samples outputs: outputs (N, draws, D) at conditions (N, C)."""

    def __call__(self, conditions: NDArray[np.floating], draws: int, seed: int, /) -> NDArray[np.floating]:
        """Outputs (N, draws, D); the same seed gives the same draws."""
        ...


class Saved(Protocol):
    """What `save_network` saves: a `Network`, or one of all λ (`pipeline.data.conditioned`)."""

    @property
    def family(self) -> str:
        """Name or import path of the family."""
        ...

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into an existing folder, never a pickle."""
        ...


def save_network(network: Saved, folder: Path) -> None:
    """Write a network and the name of its family into `folder`, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FAMILY_FILE, {"family": network.family})
    network.save(folder)
