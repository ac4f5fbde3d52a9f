"""β-VAEs of scikit-learn's digits, conditional on the digit's class; λ = β, the weight of the divergence.

Outputs are the 64 pixels of sampled images. A small β gives varied images of which some are not digits; a larger one
pulls them towards the mean image of their class, until every sample of a class is that mean (posterior collapse).
"""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Network
from pipeline.data.schema import Column, Schema
from pipeline.errors import HyperparameterError
from pipeline.families.digits import CLASSES, discriminants, load_images, pixel_names
from pipeline.families.digits_vae.settings import VAESettings
from pipeline.families.protocol import Data, IngestSection, Split, category_codes
from pipeline.families.torch_family import ReparameterisedFamily

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.families.digits_vae.variational import VAE


class DigitsVAE(ReparameterisedFamily):
    """The family; ingest.source is the module that reads the images, and is not read itself."""

    Settings = VAESettings
    settings: VAESettings
    saved_name: ClassVar[str] = "digits_vae"
    saved_key: ClassVar[str] = "beta"

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where β is negative or not finite."""
        if not 0 <= value < float("inf"):
            raise HyperparameterError(f"beta {value}: a weight is at least 0, and finite")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """All images and their classes; DataError where the source is missing."""
        super().ingest(source, settings)
        return load_images()

    def schema(self, data: Data) -> Schema:
        """64 pixels in [0, 1], and one categorical condition."""
        return Schema(
            hyperparameter=Column(name="beta", lower=0.0),
            outputs=tuple(Column(name=name, lower=0.0, upper=1.0) for name in pixel_names()),
            conditions=(Column(name="digit", kind="categorical", lower=0, upper=CLASSES - 1),),
            deterministic=False,
            picture="image",
        )

    def build(self, hyperparameter: float) -> "VAE":
        """An untrained autoencoder; β is part of its loss alone."""
        from pipeline.families.digits_vae.variational import VAE

        return VAE(self.settings)

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[Network, dict[str, float]]:
        """Train the β-VAE of one β; the metrics are cross-entropy and divergence, in nats an image.

        Every β starts from the same weights and sees the same batches and noise: only λ differs within a sweep.
        """
        from pipeline.families.digits_vae.variational import train

        self.check_hyperparameter(hyperparameter)
        module, metrics = train(data.arrays["images"], data.arrays["digit"], hyperparameter, self.settings, seed)
        return self.network(module, hyperparameter), metrics

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """The classes (min(count, 10), 1), in both splits, which share their conditions but not their draws."""
        return np.arange(min(count, CLASSES), dtype=np.float32)[:, None]

    @property
    def noise_dimension(self) -> int:
        """One number for each dimension of the code z."""
        return self.settings.latent

    def from_noise(self, module: "nn.Module", conditions: NDArray[np.float32], noise: "Tensor") -> "Tensor":
        """Images (N, draws, 64) in [0, 1] of classes (N, 1) from codes z (N, draws, latent)."""
        import torch

        from pipeline.families.digits_vae.variational import VAE

        assert isinstance(module, VAE)
        return module.draw(torch.from_numpy(category_codes(conditions, CLASSES, "digit")), noise)

    def graph(self, module: "nn.Module") -> "nn.Module | None":
        """As `from_noise`, of classes and codes."""
        from pipeline.families.digits_vae.variational import VAE
        from pipeline.families.layers import Drawing

        assert isinstance(module, VAE)
        return Drawing(module, lambda conditions, codes: module.draw(conditions[:, 0].long(), codes))

    def features(
        self, outputs: NDArray[np.floating], conditions: NDArray[np.floating], data: Data
    ) -> NDArray[np.float64]:
        """Linear discriminants of the real digits, (n, 9), at sampled images (n, 64)."""
        return discriminants(outputs, data)
