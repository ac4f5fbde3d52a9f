"""The diffusion model's network: an MLP that predicts noise, with dropout, and the chain that samples with it.

Denoising diffusion probabilistic models: Ho, Jain and Abbeel, NeurIPS 2020, arXiv 2006.11239. Algorithm 1 trains,
algorithm 2 samples. β_t is the variance of the noise that step t adds, α_t = 1 - β_t, and ᾱ_t = α_1 ⋯ α_t.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.families.layers import initialise, linear_layers
from pipeline.families.threads import single_thread
from pipeline.families.torch_family import final_losses
from pipeline.families.two_moons_diffusion.randomness import DIMENSION, Randomness, Seeded
from pipeline.families.two_moons_diffusion.settings import CATEGORIES, DiffusionSettings
from pipeline.storage.checkpoint import resumable

LONGEST_PERIOD = 10_000.0


class Denoiser(nn.Module):
    """MLP from points (N, 2) at steps (N,), counted from 0, in categories (N,) to the noise in them, (N, 2).

    rate: of the dropout of both hidden layers, in training and in sampling. It is no part of the state_dict.
    """

    times: Tensor

    def __init__(self, settings: DiffusionSettings, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("times", sinusoids(settings.steps, settings.embedding), persistent=False)
        widths = [DIMENSION + 2 * settings.embedding, settings.width, settings.width, DIMENSION]
        self.first, self.second, self.last = linear_layers(widths)
        self.categories = nn.Parameter(torch.zeros(CATEGORIES, settings.embedding))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw layers uniformly in ±1/sqrt(fan in), and the categories' embeddings normally, as torch does."""
        initialise((self.first, self.second, self.last), generator)
        nn.init.normal_(self.categories, generator=generator)

    def forward(self, points: Tensor, step: Tensor, category: Tensor, randomness: Randomness) -> Tensor:
        """Noise (N, 2) predicted under dropout, whose masks come from `randomness`."""
        inputs = torch.cat([points, self.times[step], self.categories[category]], dim=1)
        hidden = dropout(torch.relu(self.first(inputs)), self.rate, randomness)
        hidden = dropout(torch.relu(self.second(hidden)), self.rate, randomness)
        noise: Tensor = self.last(hidden)
        return noise


def dropout(hidden: Tensor, rate: float, randomness: Randomness) -> Tensor:
    """Set each unit to zero with probability `rate`, and scale the others by 1 / (1 - rate).

    The same randomness has the same numbers at every rate: units that a small rate drops, a larger one drops too.
    """
    kept = randomness.uniform(tuple(hidden.shape)) >= rate
    return hidden * kept / (1 - rate)


def sinusoids(steps: int, width: int) -> Tensor:
    """Embeddings (steps, width) of the steps 0 … steps - 1: sines and cosines of periods up to LONGEST_PERIOD."""
    frequencies = LONGEST_PERIOD ** -torch.linspace(0, 1, width // 2)
    phases = torch.arange(steps)[:, None] * frequencies
    return torch.cat([phases.sin(), phases.cos()], dim=1)


def variances(settings: DiffusionSettings) -> Tensor:
    """The schedule β (steps,)."""
    return torch.linspace(settings.first_variance, settings.last_variance, settings.steps)


@torch.no_grad()
def sample(module: nn.Module, category: Tensor, settings: DiffusionSettings, randomness: Randomness) -> Tensor:
    """Run the reverse chain from normal noise, all rows at once: points (N, 2) of categories (N,).

    Algorithm 2 with σ_t² = β_t. Dropout stays on, as in training.
    """
    beta = variances(settings)
    remaining = torch.cumprod(1 - beta, 0)
    points = randomness.normal(len(category))
    for t in reversed(range(settings.steps)):
        noise = module(points, torch.full((len(category),), t), category, randomness)
        points = (points - beta[t] / (1 - remaining[t]).sqrt() * noise) / (1 - beta[t]).sqrt()
        if t:
            points = points + beta[t].sqrt() * randomness.normal(len(category))
    return points


def train(
    points: NDArray[np.float32], category: NDArray[np.int64], rate: float, settings: DiffusionSettings, seed: int
) -> tuple[Denoiser, dict[str, float]]:
    """Train on points (N, 2) of categories (N,) by algorithm 1, with Adam.

    Returns the module and its mean loss over the last tenth of training. Raises FitError where that is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    randomness, module = Seeded(generator), Denoiser(settings, rate)
    module.initialise(generator)
    remaining = torch.cumprod(1 - variances(settings), 0)
    data, labels = torch.tensor(points), torch.tensor(category)
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    losses = np.zeros((settings.iterations, 1))
    with single_thread():
        for iteration in resumable(
            settings.iterations, module=module, optimiser=optimiser, generator=generator, losses=losses
        ):
            rows = torch.randint(len(data), (settings.batch_size,), generator=generator)
            step = torch.randint(settings.steps, (settings.batch_size,), generator=generator)
            noise = torch.randn(settings.batch_size, DIMENSION, generator=generator)
            kept = remaining[step][:, None]
            noisy = kept.sqrt() * data[rows] + (1 - kept).sqrt() * noise
            optimiser.zero_grad()
            loss = (module(noisy, step, labels[rows], randomness) - noise).square().mean()
            torch.autograd.backward(loss)
            optimiser.step()
            losses[iteration] = float(loss.detach())
    (final,) = final_losses(losses, f"dropout rate {rate}")
    return module, {"train_loss": final}
