"""The forecaster's network: an MLP that standardises inside, trained by pinball loss with early stopping."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import FitError
from pipeline.families.embedding import joined
from pipeline.families.forecasters.settings import ForecasterSettings
from pipeline.families.layers import initialise, linear_layers
from pipeline.families.threads import single_thread
from pipeline.storage.checkpoint import resumable

NOISE_SEED = 1_000_003
"""Added to a seed: the noise of histories is none of the numbers that weights and batches are drawn by."""


class ForecastModule(nn.Module):
    """MLP from (N, history) to (N, horizon), both in the data's units; standardised by the train split's statistics.

    features: of λ that the first layer takes, too.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, settings: ForecasterSettings, features: int = 0) -> None:
        super().__init__()
        self.layers = linear_layers([settings.history + features, *settings.hidden, settings.horizon])
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, context: Tensor, features: Tensor | None = None) -> Tensor:
        """Forecasts (N, horizon) for contexts (N, history), and features (N, F) of λ where it takes them."""
        hidden = joined((context - self.mean) / self.scale, features)
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        forecast: Tensor = self.mean + self.scale * self.layers[-1](hidden)
        return forecast


def pinball_loss(forecast: Tensor, truth: Tensor, quantile: float | Tensor) -> Tensor:
    """Mean of max(q e, (q - 1) e) over all entries, e = truth - forecast: least where the forecast is the quantile.

    quantile: a number, or one a row, (N, 1).
    """
    error = truth - forecast
    return torch.maximum(quantile * error, (quantile - 1) * error).mean()


class HistoryNoise:
    """Gaussian noise on contexts, of `size` in units of their deviation `scale`; 0 draws no number.

    The numbers come from a generator of its own, so that every size meets the same batches, and multiplies the same
    numbers.
    """

    def __init__(self, size: float, scale: Tensor, seed: int) -> None:
        self._size, self.generator = size * float(scale), torch.Generator().manual_seed(NOISE_SEED + seed)

    def __call__(self, contexts: Tensor) -> Tensor:
        """Contexts (N, history) with noise on every value."""
        if not self._size:
            return contexts
        return contexts + self._size * torch.randn(contexts.shape, generator=self.generator)


def train(
    train_windows: NDArray[np.float32],
    validation_windows: NDArray[np.float32],
    quantile: float,
    settings: ForecasterSettings,
    seed: int,
    noise: float = 0.0,
) -> tuple[ForecastModule, dict[str, float]]:
    """Train on windows (N, history + horizon), each context then its truth; stop early on the validation windows.

    noise: of the contexts, in deviations of the train split's; that of training is drawn anew for every batch, that of
    validation once. Returns the module of the best epoch and its metrics, whose losses are those under noise. Raises
    FitError where the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    module = ForecastModule(settings)
    contexts, truth = prepare(module, train_windows, settings, generator)
    noised = HistoryNoise(noise, module.scale, seed)
    watched, outcome = split(validation_windows, settings)
    watched = noised(watched)

    def loss(rows: Tensor) -> Tensor:
        return pinball_loss(module(noised(contexts[rows])), truth[rows], quantile)

    def validation() -> Tensor:
        return pinball_loss(module(watched), outcome, quantile)

    with single_thread():
        losses = Losses(f"quantile {quantile}", len(contexts), loss, validation, noised.generator)
        metrics = descend(module, losses, settings, generator)
        with torch.no_grad():
            train_loss = float(pinball_loss(module(noised(contexts)), truth, quantile))
    return module, {"train_loss": train_loss} | metrics


def prepare(
    module: ForecastModule, windows: NDArray[np.float32], settings: ForecasterSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw the module's weights and set its statistics; contexts (N, history) and truth (N, horizon) to train on."""
    initialise(module.layers, generator)
    contexts, truth = split(windows, settings)
    module.mean, module.scale = contexts.mean(), contexts.std()
    return contexts, truth


@dataclass(frozen=True)
class Losses:
    """What is descended, named in errors: the loss of rows of `count` training windows, and that which is watched.

    noise: what the loss draws from beside the generator of weights and batches.
    """

    name: str
    count: int
    training: Callable[[Tensor], Tensor]
    validation: Callable[[], Tensor]
    noise: torch.Generator


def descend(
    module: nn.Module, losses: Losses, settings: ForecasterSettings, generator: torch.Generator
) -> dict[str, float]:
    """Train in epochs with Adam until the watched loss stops falling, and keep the best epoch's weights.

    Returns that loss and the epochs; FitError where it is never finite.
    """
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    best: dict[str, Any] = {"loss": float("inf"), "epoch": 0, "state": copy.deepcopy(module.state_dict())}
    done = [0]
    for epoch in resumable(
        settings.max_epochs,
        generator=generator,
        module=module,
        optimiser=optimiser,
        best=best,
        done=done,
        noise=losses.noise,
    ):
        if epoch - best["epoch"] >= settings.patience:
            break
        order = torch.randperm(losses.count, generator=generator)
        for start in range(0, len(order), settings.batch_size):
            optimiser.zero_grad()
            torch.autograd.backward(losses.training(order[start : start + settings.batch_size]))
            optimiser.step()
        with torch.no_grad():
            loss = float(losses.validation())
        done[0] = epoch + 1
        if loss < best["loss"]:
            best.update(loss=loss, epoch=epoch + 1, state=copy.deepcopy(module.state_dict()))
    if best["epoch"] == 0:
        raise FitError(f"{losses.name}: the validation loss is not finite; lower train.learning_rate")
    module.load_state_dict(best["state"])
    return {"validation_loss": best["loss"], "best_epoch": best["epoch"], "epochs": done[0]}


def split(windows: NDArray[np.float32], settings: ForecasterSettings) -> tuple[Tensor, Tensor]:
    """Contexts (N, history) and what followed (N, horizon)."""
    tensor = torch.tensor(windows)
    return tensor[:, : settings.history].contiguous(), tensor[:, settings.history :].contiguous()
