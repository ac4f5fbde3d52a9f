"""The β-VAE's network: a class-conditional encoder and decoder, and the loss that β weighs.

Auto-encoding variational Bayes: Kingma and Welling, ICLR 2014, arXiv 1312.6114; β: Higgins et al., ICLR 2017; class
conditions: Sohn, Lee and Yan, NeurIPS 2015. Loss of an image y of class x, with q(z | y, x) = N(μ, diag σ²):

    E_q [cross-entropy(y, ŷ(z, x))] + β KL(q(z | y, x) ‖ N(0, I)),  KL = ½ Σ (μ² + σ² − 1 − log σ²),

cross-entropy summed over the pixels that are learnt, which are grey values in [0, 1]. A sample is ŷ(z, x) of
z ~ N(0, I): the mean image, as usual, without pixel noise.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.families.digits import CLASSES, PIXELS
from pipeline.families.digits_vae.settings import VAESettings
from pipeline.families.layers import initialise, linear_layers
from pipeline.families.threads import single_thread
from pipeline.families.torch_family import final_losses
from pipeline.storage.checkpoint import resumable


class Perceptron(nn.Module):
    """Two hidden layers of ReLUs over an input and a class: (N, inputs) and one-hot (N, 10) → (N, outputs)."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second, self.last = linear_layers([inputs + CLASSES, width, width, outputs])

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

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights of the encoder, then those of the decoder."""
        for part in (self.encoder, self.decoder):
            initialise((part.first, part.second, part.last), generator)

    def encode(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (N, latent) of q(z | y, x) for images (N, 64) and one-hot classes (N, 10)."""
        mean, log_variance = self.encoder(images, classes).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, codes: Tensor, classes: Tensor) -> Tensor:
        """Images (N, 64) in [0, 1] of codes (N, latent) and one-hot classes (N, 10)."""
        return torch.where(self.learnt, torch.sigmoid(self.decoder(codes, classes)), self.mean)

    def draw(self, digit: Tensor, codes: Tensor) -> Tensor:
        """Images (N, draws, 64) of classes (N,) int64 and codes (N, draws, latent)."""
        classes = one_hot(digit)[:, None].expand(-1, codes.shape[1], -1)
        return self.decode(codes.flatten(0, 1), classes.flatten(0, 1)).reshape(*codes.shape[:2], PIXELS)

    def loss(self, images: Tensor, classes: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy and divergence from the prior, means over images in nats; noise (N, latent) is N(0, I)."""
        mean, log_variance = self.encode(images, classes)
        logits = self.decoder(mean + (0.5 * log_variance).exp() * noise, classes)
        entropy = functional.binary_cross_entropy_with_logits(logits, images, reduction="none")
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return (entropy * self.learnt).sum(dim=1).mean(), divergence.mean()


def one_hot(digit: Tensor) -> Tensor:
    """Classes (N,) → (N, 10) float32."""
    return functional.one_hot(digit, CLASSES).float()


def train(
    images: NDArray[np.float32], digit: NDArray[np.int64], beta: float, settings: VAESettings, seed: int
) -> tuple[VAE, dict[str, float]]:
    """Train on images (N, 64) in [0, 1] of classes (N,), with Adam.

    Returns the module, and cross-entropy and divergence in nats an image, means over the last tenth of training.
    Raises FitError where these are not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    module = VAE(settings)
    module.initialise(generator)
    data, classes = torch.tensor(images), one_hot(torch.tensor(digit))
    module.mean, module.learnt = data.mean(dim=0), learnt_pixels(data, settings.faint)
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.iterations)
    curve = np.zeros((settings.iterations, 2))
    with single_thread():
        for iteration in resumable(
            settings.iterations, generator=generator, module=module, optimiser=optimiser, schedule=schedule, curve=curve
        ):
            rows = torch.randint(len(data), (settings.batch_size,), generator=generator)
            noise = torch.randn(settings.batch_size, settings.latent, generator=generator)
            optimiser.zero_grad()
            entropy, divergence = module.loss(data[rows], classes[rows], noise)
            torch.autograd.backward(entropy + beta * divergence)
            optimiser.step()
            schedule.step()
            curve[iteration] = float(entropy.detach()), float(divergence.detach())
    entropy_end, divergence_end = final_losses(curve, f"beta {beta}")
    return module, {"cross_entropy": entropy_end, "divergence": divergence_end}


def learnt_pixels(images: Tensor, faint: float) -> Tensor:
    """Whether the pixels of images (N, 64) vary by `faint` times the most varying one or more, (64,) booleans."""
    deviation = images.std(dim=0, correction=0)
    return deviation >= faint * deviation.max()
