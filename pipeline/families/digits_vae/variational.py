"""The β-VAE's network: an encoder and a decoder that both know the digit's class, and the loss that β weighs.

Auto-encoding variational Bayes: Kingma and Welling, ICLR 2014, arXiv 1312.6114; β: Higgins et al., ICLR 2017; class
conditions: Sohn, Lee and Yan, NeurIPS 2015. Loss of an image y of class x, with q(z | y, x) = N(μ, diag σ²):

    E_q [cross-entropy(y, ŷ(z, x))] + β KL(q(z | y, x) ‖ N(0, I)),  KL = ½ Σ (μ² + σ² − 1 − log σ²),

cross-entropy summed over the pixels that are learnt, which are grey values in [0, 1]. A sample is ŷ(z, x) of
z ~ N(0, I): the mean image, as is usual, without noise of its own.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import BundleError, DataError, FitError
from pipeline.families.digits import CLASSES, PIXELS, check_images
from pipeline.families.digits_vae.settings import FAMILY, VAESettings
from pipeline.families.protocol import check_noise
from pipeline.families.threads import single_thread
from pipeline.settings import explain
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_arrays, read_json

NETWORK_FILE, WEIGHTS_FILE = "network.json", "weights.safetensors"


class Perceptron(nn.Module):
    """Two hidden layers of ReLUs over an input and a class: (N, inputs) and one-hot (N, 10) → (N, outputs)."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        # By way of "meta": weights come from a generator of our own, and torch's global one is left alone.
        self.first, self.second, self.last = (
            nn.Linear(i, o, device="meta").to_empty(device="cpu")
            for i, o in ((inputs + CLASSES, width), (width, width), (width, outputs))
        )

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases uniformly in ±1/sqrt(fan in), torch's own default for linear layers."""
        for layer in (self.first, self.second, self.last):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def forward(self, inputs: Tensor, classes: Tensor) -> Tensor:
        """The last layer's values (N, outputs), without an activation."""
        hidden = torch.relu(self.first(torch.cat([inputs, classes], dim=1)))
        outputs: Tensor = self.last(torch.relu(self.second(hidden)))
        return outputs


class VAE(nn.Module):
    """Encoder and decoder. mean (64,): of the training images; learnt (64,): the pixels that the decoder draws."""

    mean: Tensor
    learnt: Tensor

    def __init__(self, settings: VAESettings) -> None:
        super().__init__()
        self.encoder = Perceptron(PIXELS, settings.width, 2 * settings.latent)
        self.decoder = Perceptron(settings.latent, settings.width, PIXELS)
        self.register_buffer("mean", torch.zeros(PIXELS))
        self.register_buffer("learnt", torch.ones(PIXELS, dtype=torch.bool))

    def encode(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (N, latent) of q(z | y, x) for images (N, 64) and one-hot classes (N, 10)."""
        mean, log_variance = self.encoder(images, classes).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, codes: Tensor, classes: Tensor) -> Tensor:
        """Images (N, 64) in [0, 1] of codes (N, latent) and one-hot classes (N, 10)."""
        return torch.where(self.learnt, torch.sigmoid(self.decoder(codes, classes)), self.mean)

    def loss(self, images: Tensor, classes: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy and divergence from the prior, means over images in nats; noise (N, latent) is N(0, I)."""
        mean, log_variance = self.encode(images, classes)
        logits = self.decoder(mean + (0.5 * log_variance).exp() * noise, classes)
        entropy = functional.binary_cross_entropy_with_logits(logits, images, reduction="none")
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return (entropy * self.learnt).sum(dim=1).mean(), divergence.mean()


class VAENetwork:
    """A trained β-VAE."""

    family: ClassVar[str] = FAMILY
    coupled_by_noise: ClassVar[bool] = False

    def __init__(self, module: VAE, settings: VAESettings, beta: float) -> None:
        self.module = module.requires_grad_(False)
        self.settings = settings
        self.beta = beta

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Images (N, draws, 64) in [0, 1] of classes (N, 1); DataError where there is no such class."""
        shape = (len(conditions), draws, self.noise_dimension)
        return self._decode(conditions, torch.randn(shape, generator=torch.Generator().manual_seed(seed)))

    @property
    def noise_dimension(self) -> int:
        """A number a dimension of the code z."""
        return self.settings.latent

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images (N, draws, 64) of classes (N, 1) from the codes z (N, draws, latent)."""
        codes = check_noise(noise, len(conditions), self.noise_dimension)
        return self._decode(conditions, torch.from_numpy(np.array(codes)))

    def _decode(self, conditions: NDArray[np.floating], z: Tensor) -> NDArray[np.float32]:
        classes = one_hot(torch.from_numpy(_codes(conditions))).repeat_interleave(z.shape[1], dim=0)
        with single_thread():
            images = self.module.decode(z.flatten(0, 1), classes)
        return np.asarray(images.reshape(*z.shape[:2], PIXELS).numpy())

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors; β and settings as JSON."""
        save_file(self.module.state_dict(), folder / WEIGHTS_FILE)
        write_json(folder / NETWORK_FILE, {"beta": self.beta, "settings": self.settings.model_dump()})


def load(folder: Path) -> VAENetwork:
    """Read what `VAENetwork.save` wrote; BundleError where files are missing or corrupted."""
    document = read_json(folder / NETWORK_FILE, "autoencoder")
    arrays, _ = read_arrays(folder / WEIGHTS_FILE, "autoencoder")
    try:
        settings = VAESettings.model_validate(document["settings"])
        module = VAE(settings)
        module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        if not 0 <= (beta := float(document["beta"])) < float("inf"):
            raise ValueError(f"beta = {beta} is no weight")
        return VAENetwork(module, settings, beta)
    except ValidationError as error:
        raise BundleError(explain(error, str(folder / NETWORK_FILE), "settings.")) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{folder} holds no autoencoder: {error}") from error


def one_hot(digit: Tensor) -> Tensor:
    """Classes (N,) → (N, 10) float32."""
    return functional.one_hot(digit, CLASSES).float()


def train(
    images: NDArray[np.float32], digit: NDArray[np.int64], beta: float, settings: VAESettings, seed: int
) -> tuple[VAENetwork, dict[str, float]]:
    """Train on images (N, 64) in [0, 1] of classes (N,), with Adam.

    Returns the network, and cross-entropy and divergence in nats an image, means over the last tenth of training.
    Raises FitError where these are not finite.
    """
    check_images(images)
    generator = torch.Generator().manual_seed(seed)
    module = VAE(settings)
    for part in (module.encoder, module.decoder):
        part.initialise(generator)
    data, classes = torch.tensor(images), one_hot(torch.tensor(digit))
    module.mean, module.learnt = data.mean(dim=0), learnt_pixels(data, settings.faint)
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.iterations)
    curve: list[tuple[float, float]] = []
    with single_thread():
        for _ in range(settings.iterations):
            rows = torch.randint(len(data), (settings.batch_size,), generator=generator)
            noise = torch.randn(settings.batch_size, settings.latent, generator=generator)
            optimiser.zero_grad()
            entropy, divergence = module.loss(data[rows], classes[rows], noise)
            torch.autograd.backward(entropy + beta * divergence)
            optimiser.step()
            schedule.step()
            curve.append((float(entropy.detach()), float(divergence.detach())))
    entropy_end, divergence_end = np.mean(curve[-max(1, settings.iterations // 10) :], axis=0).tolist()
    if not np.isfinite(entropy_end + divergence_end):
        raise FitError(f"beta {beta}: the loss is not finite; lower train.learning_rate")
    return VAENetwork(module, settings, beta), {"cross_entropy": entropy_end, "divergence": divergence_end}


def learnt_pixels(images: Tensor, faint: float) -> Tensor:
    """Whether the pixels of images (N, 64) vary by `faint` times the most varying one or more, (64,) booleans."""
    deviation = images.std(dim=0, correction=0)
    return deviation >= faint * deviation.max()


def _codes(conditions: NDArray[np.floating]) -> NDArray[np.int64]:
    codes = np.asarray(conditions)
    if codes.ndim != 2 or codes.shape[1] != 1:
        raise DataError(f"conditions have shape {codes.shape}; (N, 1), the digit's class, is needed")
    bad = codes[~np.isin(codes, np.arange(CLASSES))]
    if bad.size:
        raise DataError(f"class {bad[0]} does not exist; the classes are 0 to {CLASSES - 1}")
    return np.asarray(codes[:, 0], np.int64)
