"""Diffusion models of scikit-learn's two moons, trained and sampled under dropout; λ = dropout rate.

Conditional on the category, which moon, as in the experiment on two moons of Amad and van der Schaar (ICLR 2026, arXiv
2603.01771). Dropout is active in training and in sampling. Up to a rate of 0.9 samples hardly move. At 0.99 a network
learns next to nothing: it predicts hardly any noise, the chain removes hardly any, and ends at a deviation of 2.1.
"""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.data.network import Network
from pipeline.data.schema import Column, Schema
from pipeline.errors import HyperparameterError
from pipeline.families.protocol import Data, IngestSection, Split, category_codes
from pipeline.families.torch_family import ReparameterisedFamily
from pipeline.families.two_moons_diffusion.settings import CATEGORIES, DiffusionSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.families.two_moons_diffusion.denoiser import Denoiser
    from pipeline.families.two_moons_diffusion.randomness import Randomness

DATA_SEED = 0
"""Seed of the moons: train.seed changes the networks, never their data."""


class TwoMoonsDiffusion(ReparameterisedFamily):
    """The family; ingest.source is this module itself, and is not read."""

    Settings = DiffusionSettings
    settings: DiffusionSettings
    saved_name: ClassVar[str] = "two_moons_diffusion"
    saved_key: ClassVar[str] = "dropout_rate"

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where the dropout rate is not in [0, 1)."""
        if not 0 <= value < 1:
            raise HyperparameterError(f"dropout rate {value}: a rate is at least 0 and less than 1")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Draw the moons: points (N, 2) float32, each coordinate standardised, and category (N,) int64, 0 or 1.

        Raises DataError where the source is missing.
        """
        super().ingest(source, settings)
        from sklearn.datasets import make_moons

        points, category = make_moons(self.settings.points, noise=self.settings.noise, random_state=DATA_SEED)
        points = (points - points.mean(axis=0)) / points.std(axis=0)
        return Data({"points": points.astype(np.float32), "category": category.astype(np.int64)})

    def schema(self, data: Data) -> Schema:
        """Two standardised outputs, and one categorical condition."""
        return Schema(
            hyperparameter=Column(name="dropout_rate", lower=0.0, upper=1.0),
            outputs=(Column(name="y0"), Column(name="y1")),
            conditions=(Column(name="category", kind="categorical", lower=0, upper=CATEGORIES - 1),),
            deterministic=False,
            picture="scatter",
        )

    def build(self, hyperparameter: float) -> "Denoiser":
        """An untrained denoiser with this dropout rate."""
        from pipeline.families.two_moons_diffusion.denoiser import Denoiser

        return Denoiser(self.settings, hyperparameter)

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[Network, dict[str, float]]:
        """Train the diffusion model of one dropout rate; the metric is its loss, noise in units of its deviation.

        Every rate starts from the same weights and sees the same batches: only λ differs within a sweep.
        """
        from pipeline.families.two_moons_diffusion.denoiser import train

        self.check_hyperparameter(hyperparameter)
        module, metrics = train(data.arrays["points"], data.arrays["category"], hyperparameter, self.settings, seed)
        return self.network(module, hyperparameter), metrics

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """The categories (min(count, 2), 1), in both splits, which share their conditions but not their draws."""
        return np.arange(min(count, CATEGORIES), dtype=np.float32)[:, None]

    def outputs(self, module: "nn.Module", conditions: NDArray[np.float32], draws: int, seed: int) -> ArrayLike:
        """Points (N, draws, 2) of categories (N, 1); DataError for a category that does not exist."""
        import torch

        from pipeline.families.two_moons_diffusion.randomness import Seeded

        return self._sample(module, conditions, draws, Seeded(torch.default_generator)).numpy()

    @property
    def noise_dimension(self) -> int:
        """The key of the dropout masks, and a point for each step of the chain."""
        from pipeline.families.two_moons_diffusion.randomness import DIMENSION, KEY

        return KEY + DIMENSION * self.settings.steps

    def from_noise(self, module: "nn.Module", conditions: NDArray[np.float32], noise: "Tensor") -> "Tensor":
        """Points (N, draws, 2) of categories (N, 1) from the key of their masks and the noise of their chains."""
        from pipeline.families.two_moons_diffusion.randomness import FromNoise

        return self._sample(module, conditions, noise.shape[1], FromNoise(noise.flatten(0, 1).numpy()))

    def _sample(
        self, module: "nn.Module", conditions: NDArray[np.float32], draws: int, randomness: "Randomness"
    ) -> "Tensor":
        import torch

        from pipeline.families.two_moons_diffusion.denoiser import sample

        category = torch.from_numpy(category_codes(conditions, CATEGORIES, "category"))
        points = sample(module, category.repeat_interleave(draws), self.settings, randomness)
        return points.reshape(len(category), draws, points.shape[1])
