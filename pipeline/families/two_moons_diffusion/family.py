"""Diffusion models of scikit-learn's two moons, trained and sampled under dropout; λ = dropout rate.

Conditional on the category, which moon, as in the experiment on two moons of Amad and van der Schaar (ICLR 2026, arXiv
2603.01771). Dropout is active in training and in sampling. Up to a rate of 0.9 samples hardly move. At 0.99 a network
learns next to nothing: it predicts hardly any noise, the chain takes hardly any away, and ends at a deviation of 2.1.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column, Schema
from pipeline.errors import DataError, HyperparameterError
from pipeline.families.protocol import Data, IngestSection, Split
from pipeline.families.two_moons_diffusion.settings import CATEGORIES, DiffusionSettings

if TYPE_CHECKING:
    from pipeline.families.two_moons_diffusion.denoiser import DiffusionNetwork

DATA_SEED = 0
"""Seed of the moons: train.seed changes the networks, never their data."""


class TwoMoonsDiffusion:
    """The family; the source file, which ingest only names, is this module itself."""

    Settings = DiffusionSettings

    def __init__(self, settings: DiffusionSettings) -> None:
        self.settings = settings

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where the dropout rate is not in [0, 1)."""
        if not 0 <= value < 1:
            raise HyperparameterError(f"dropout rate {value}: a rate is at least 0 and less than 1")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Draw the moons: points (N, 2) float32, each coordinate standardised, and category (N,) int64, 0 or 1.

        Nothing is read. Raises DataError where the source is missing.
        """
        if not source.exists():
            raise DataError(
                f"ingest.source = {source} does not exist; set pipeline/families/two_moons_diffusion/family.py"
            )
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

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple["DiffusionNetwork", dict[str, float]]:
        """Train the diffusion model of one dropout rate; the metric is its loss, noise in units of its deviation.

        Every rate starts from the same weights and sees the same batches, so that the sweep changes λ alone.
        """
        from pipeline.families.two_moons_diffusion.denoiser import train

        self.check_hyperparameter(hyperparameter)
        return train(data.arrays["points"], data.arrays["category"], hyperparameter, self.settings, seed)

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """The categories (min(count, 2), 1), in both splits: contexts are shared, their draws are not."""
        return np.arange(min(count, CATEGORIES), dtype=np.float32)[:, None]

    @classmethod
    def load(cls, folder: Path) -> "DiffusionNetwork":
        """Read a diffusion model back; BundleError where files are missing or corrupted."""
        from pipeline.families.two_moons_diffusion.denoiser import load

        return load(folder)
