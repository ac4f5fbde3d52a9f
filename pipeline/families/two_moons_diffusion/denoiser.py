"""The diffusion model's network: an MLP that predicts noise, with dropout, and the chain that samples with it.

Denoising diffusion probabilistic models: Ho, Jain and Abbeel, NeurIPS 2020, arXiv 2006.11239. Algorithm 1 trains,
algorithm 2 samples. β_t is the variance of the noise that step t adds, α_t = 1 - β_t, and ᾱ_t = α_1 ⋯ α_t.
"""

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import BundleError, DataError, FitError
from pipeline.families.protocol import check_noise
from pipeline.families.threads import single_thread
from pipeline.families.two_moons_diffusion.randomness import DIMENSION, KEY, FromNoise, Randomness, Seeded
from pipeline.families.two_moons_diffusion.settings import CATEGORIES, FAMILY, DiffusionSettings
from pipeline.settings import explain
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_arrays, read_json

NETWORK_FILE, WEIGHTS_FILE = "network.json", "weights.safetensors"
LONGEST_PERIOD = 10_000.0


class Denoiser(nn.Module):
    """MLP from points (N, 2) at steps (N,), counted from 0, in categories (N,) to the noise in them, (N, 2)."""

    times: Tensor

    def __init__(self, settings: DiffusionSettings) -> None:
        super().__init__()
        self.register_buffer("times", sinusoids(settings.steps, settings.embedding), persistent=False)
        widths = [DIMENSION + 2 * settings.embedding, settings.width, settings.width, DIMENSION]
        # By way of "meta": weights come from a generator of our own, and torch's global one is left alone.
        self.first, self.second, self.last = (
            nn.Linear(i, o, device="meta").to_empty(device="cpu") for i, o in pairwise(widths)
        )
        self.categories = nn.Parameter(torch.zeros(CATEGORIES, settings.embedding))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw layers uniformly in ±1/sqrt(fan in), and the categories' embeddings normally, as torch does."""
        for layer in (self.first, self.second, self.last):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        nn.init.normal_(self.categories, generator=generator)

    def forward(self, points: Tensor, step: Tensor, category: Tensor, rate: float, randomness: Randomness) -> Tensor:
        """Noise (N, 2) predicted with dropout of both hidden layers at `rate`; masks come from `randomness`."""
        inputs = torch.cat([points, self.times[step], self.categories[category]], dim=1)
        hidden = dropout(torch.relu(self.first(inputs)), rate, randomness)
        hidden = dropout(torch.relu(self.second(hidden)), rate, randomness)
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


class DiffusionNetwork:
    """A trained diffusion model of one dropout rate."""

    family: ClassVar[str] = FAMILY
    coupled_by_noise: ClassVar[bool] = False

    def __init__(self, module: Denoiser, settings: DiffusionSettings, dropout_rate: float) -> None:
        self.module = module.requires_grad_(False)
        self.settings = settings
        self.dropout_rate = dropout_rate

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Points (N, draws, 2) of categories (N, 1); DataError where there is no such category."""
        return self._sample(conditions, draws, Seeded(torch.Generator().manual_seed(seed)))

    @property
    def noise_dimension(self) -> int:
        """A point a step of the chain, and the key of the dropout masks."""
        return KEY + DIMENSION * self.settings.steps

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (N, draws, 2) of categories (N, 1) from the key of their masks and the noise of their chains."""
        given = check_noise(noise, len(conditions), self.noise_dimension)
        return self._sample(conditions, given.shape[1], FromNoise(given.reshape(-1, self.noise_dimension)))

    def _sample(self, conditions: NDArray[np.floating], draws: int, randomness: Randomness) -> NDArray[np.float32]:
        codes = _codes(conditions)
        category = torch.from_numpy(codes).repeat_interleave(draws)
        with single_thread():
            points = sample(self.module, category, self.settings, self.dropout_rate, randomness)
        return np.asarray(points.reshape(len(codes), draws, DIMENSION).numpy())

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors; dropout rate and settings as JSON."""
        save_file(self.module.state_dict(), folder / WEIGHTS_FILE)
        write_json(folder / NETWORK_FILE, {"dropout_rate": self.dropout_rate, "settings": self.settings.model_dump()})


def load(folder: Path) -> DiffusionNetwork:
    """Read what `DiffusionNetwork.save` wrote; BundleError where files are missing or corrupted."""
    document = read_json(folder / NETWORK_FILE, "diffusion model")
    arrays, _ = read_arrays(folder / WEIGHTS_FILE, "diffusion model")
    try:
        settings = DiffusionSettings.model_validate(document["settings"])
        module = Denoiser(settings)
        module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        if not 0 <= (rate := float(document["dropout_rate"])) < 1:
            raise ValueError(f"dropout_rate = {rate} is no rate")
        return DiffusionNetwork(module, settings, rate)
    except ValidationError as error:
        raise BundleError(explain(error, str(folder / NETWORK_FILE), "settings.")) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{folder} holds no diffusion model: {error}") from error


@torch.no_grad()
def sample(
    module: Denoiser, category: Tensor, settings: DiffusionSettings, rate: float, randomness: Randomness
) -> Tensor:
    """Run the reverse chain from normal noise, all rows at once: points (N, 2) of categories (N,).

    Algorithm 2 with σ_t² = β_t. Dropout stays on, as in training.
    """
    beta = variances(settings)
    remaining = torch.cumprod(1 - beta, 0)
    points = randomness.normal(len(category))
    for t in reversed(range(settings.steps)):
        noise = module(points, torch.full((len(category),), t), category, rate, randomness)
        points = (points - beta[t] / (1 - remaining[t]).sqrt() * noise) / (1 - beta[t]).sqrt()
        if t:
            points = points + beta[t].sqrt() * randomness.normal(len(category))
    return points


def train(
    points: NDArray[np.float32], category: NDArray[np.int64], rate: float, settings: DiffusionSettings, seed: int
) -> tuple[DiffusionNetwork, dict[str, float]]:
    """Train on points (N, 2) of categories (N,) by algorithm 1, with Adam.

    Returns the network and its mean loss over the last tenth of training. Raises FitError where that is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    randomness, module = Seeded(generator), Denoiser(settings)
    module.initialise(generator)
    remaining = torch.cumprod(1 - variances(settings), 0)
    data, labels = torch.tensor(points), torch.tensor(category)
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    losses: list[float] = []
    with single_thread():
        for _ in range(settings.iterations):
            rows = torch.randint(len(data), (settings.batch_size,), generator=generator)
            step = torch.randint(settings.steps, (settings.batch_size,), generator=generator)
            noise = torch.randn(settings.batch_size, DIMENSION, generator=generator)
            kept = remaining[step][:, None]
            noisy = kept.sqrt() * data[rows] + (1 - kept).sqrt() * noise
            optimiser.zero_grad()
            loss = (module(noisy, step, labels[rows], rate, randomness) - noise).square().mean()
            torch.autograd.backward(loss)
            optimiser.step()
            losses.append(float(loss.detach()))
    final = float(np.mean(losses[-max(1, settings.iterations // 10) :]))
    if not np.isfinite(final):
        raise FitError(f"dropout rate {rate}: the loss is not finite; lower train.learning_rate")
    return DiffusionNetwork(module, settings, rate), {"train_loss": final}


def _codes(conditions: NDArray[np.floating]) -> NDArray[np.int64]:
    codes = np.asarray(conditions)
    if codes.ndim != 2 or codes.shape[1] != 1:
        raise DataError(f"conditions have shape {codes.shape}; (N, 1), the category, is needed")
    bad = codes[~np.isin(codes, np.arange(CATEGORIES))]
    if bad.size:
        raise DataError(f"category {bad[0]} does not exist; the categories are {list(range(CATEGORIES))}")
    return np.asarray(codes[:, 0], np.int64)
