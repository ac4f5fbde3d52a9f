"""Anchors' networks as ONNX graphs."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.export.sessions import Graph
from pipeline.families.protocol import check_noise

CONDITIONS, NOISE, OUTPUTS = "conditions", "noise", "outputs"


class GraphNetwork:
    """A deterministic network: one output a condition, whatever the seed."""

    family: ClassVar[str] = "pipeline.export.networks:GraphNetwork"

    def __init__(self, path: Path) -> None:
        self._path, self._graph = path, Graph(path)

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C), equal along the draws."""
        found = self._graph({CONDITIONS: conditions.astype(np.float32)})
        return np.repeat(found.reshape(len(conditions), 1, -1), draws, axis=1)

    def save(self, folder: Path) -> None:
        """Copy the graph into an existing folder."""
        (folder / self._path.name).write_bytes(self._path.read_bytes())


class NoiseNetwork(GraphNetwork):
    """A network whose draws are a function of standard normal noise."""

    def __init__(self, path: Path, noise_dimension: int, coupled_by_noise: bool) -> None:
        super().__init__(path)
        self.noise_dimension, self.coupled_by_noise = noise_dimension, coupled_by_noise

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C), from NumPy's normal numbers."""
        noise = np.random.default_rng(seed).standard_normal((len(conditions), draws, self.noise_dimension), np.float32)
        return self.from_noise(conditions, noise)

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C) from noise (N, draws, E)."""
        given = check_noise(noise, len(conditions), self.noise_dimension)
        return np.asarray(self._graph({CONDITIONS: conditions.astype(np.float32), NOISE: given}), np.float32)
