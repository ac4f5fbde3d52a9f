"""β-VAEs of scikit-learn's digits, conditional on the digit's class; λ = β, the weight of the divergence.

Outputs are the 64 pixels of sampled images. A small β gives varied images of which some are no digits; a larger one
draws them towards the mean image of their class, until every sample of a class is that mean (posterior collapse).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column, Schema
from pipeline.errors import HyperparameterError
from pipeline.families.digits import CLASSES, discriminants, load_images, pixel_names
from pipeline.families.digits_vae.settings import VAESettings
from pipeline.families.protocol import Data, IngestSection, Split

if TYPE_CHECKING:
    from pipeline.families.digits_vae.variational import VAENetwork


class DigitsVAE:
    """The family; the source file, which ingest only names, is the module that reads the images."""

    Settings = VAESettings

    def __init__(self, settings: VAESettings) -> None:
        self.settings = settings

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where β is negative or no finite number."""
        if not 0 <= value < float("inf"):
            raise HyperparameterError(f"beta {value}: a weight is at least 0, and finite")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """All images and their classes; DataError where the source is missing."""
        return load_images(source)

    def schema(self, data: Data) -> Schema:
        """64 pixels in [0, 1], and one categorical condition."""
        return Schema(
            hyperparameter=Column(name="beta", lower=0.0),
            outputs=tuple(Column(name=name, lower=0.0, upper=1.0) for name in pixel_names()),
            conditions=(Column(name="digit", kind="categorical", lower=0, upper=CLASSES - 1),),
            deterministic=False,
            picture="image",
        )

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple["VAENetwork", dict[str, float]]:
        """Train the β-VAE of one β; the metrics are cross-entropy and divergence, in nats an image.

        Every β starts from the same weights, and sees the same batches and noise: the sweep changes λ alone.
        """
        from pipeline.families.digits_vae.variational import train

        self.check_hyperparameter(hyperparameter)
        return train(data.arrays["images"], data.arrays["digit"], hyperparameter, self.settings, seed)

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """The classes (min(count, 10), 1), in both splits: contexts are shared, their draws are not."""
        return np.arange(min(count, CLASSES), dtype=np.float32)[:, None]

    def features(
        self, outputs: NDArray[np.floating], conditions: NDArray[np.floating], data: Data
    ) -> NDArray[np.float64]:
        """What tells real digits apart, (n, 9), of sampled images (n, 64)."""
        return discriminants(outputs, data)

    @classmethod
    def load(cls, folder: Path) -> "VAENetwork":
        """Read a β-VAE back; BundleError where files are missing or corrupted."""
        from pipeline.families.digits_vae.variational import load

        return load(folder)
