"""The forecaster's network: an MLP that standardises inside, trained by pinball loss with early stopping."""

import copy
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
from pipeline.families.quantile_forecaster.settings import FAMILY, ForecasterSettings
from pipeline.families.threads import single_thread
from pipeline.settings import explain
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_arrays, read_json

NETWORK_FILE, WEIGHTS_FILE = "network.json", "weights.safetensors"


class ForecastModule(nn.Module):
    """MLP from (N, history) to (N, horizon), both in the data's units; standardised by the train split's statistics."""

    mean: Tensor
    scale: Tensor

    def __init__(self, settings: ForecasterSettings) -> None:
        super().__init__()
        widths = [settings.history, *settings.hidden, settings.horizon]
        # By way of "meta": weights come from a generator of our own, and torch's global one is left alone.
        layers = [nn.Linear(i, o, device="meta").to_empty(device="cpu") for i, o in pairwise(widths)]
        self.layers = nn.ModuleList(layers)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases uniformly in ±1/sqrt(fan in), torch's own default for linear layers."""
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def forward(self, context: Tensor) -> Tensor:
        """Forecasts (N, horizon) for contexts (N, history)."""
        hidden = (context - self.mean) / self.scale
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        forecast: Tensor = self.mean + self.scale * self.layers[-1](hidden)
        return forecast


class ForecastNetwork:
    """A trained forecaster of one quantile."""

    family: ClassVar[str] = FAMILY

    def __init__(self, module: ForecastModule, settings: ForecasterSettings, quantile: float) -> None:
        self.module = module.eval().requires_grad_(False)
        self.settings = settings
        self.quantile = quantile

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Forecasts (N, draws, horizon) at contexts (N, history); the seed has no part in it, and draws are equal."""
        contexts = np.asarray(conditions, np.float32)
        if contexts.ndim != 2 or contexts.shape[1] != self.settings.history:
            raise DataError(f"conditions have shape {contexts.shape}; (N, history = {self.settings.history}) is needed")
        with single_thread():
            forecast = self.module(torch.from_numpy(np.ascontiguousarray(contexts))).numpy()
        return np.repeat(forecast[:, None, :], draws, axis=1)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors; quantile and settings as JSON."""
        save_file(self.module.state_dict(), folder / WEIGHTS_FILE)
        write_json(folder / NETWORK_FILE, {"quantile": self.quantile, "settings": self.settings.model_dump()})


def load(folder: Path) -> ForecastNetwork:
    """Read what `ForecastNetwork.save` wrote; BundleError where files are missing or corrupted."""
    document = read_json(folder / NETWORK_FILE, "forecaster")
    arrays, _ = read_arrays(folder / WEIGHTS_FILE, "forecaster")
    try:
        settings = ForecasterSettings.model_validate(document["settings"])
        module = ForecastModule(settings)
        module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return ForecastNetwork(module, settings, float(document["quantile"]))
    except ValidationError as error:
        raise BundleError(explain(error, str(folder / NETWORK_FILE), "settings.")) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{folder} holds no forecaster: {error}") from error


def pinball_loss(forecast: Tensor, truth: Tensor, quantile: float) -> Tensor:
    """Mean of max(q e, (q - 1) e) over all entries, e = truth - forecast: least where the forecast is the quantile."""
    error = truth - forecast
    return torch.maximum(quantile * error, (quantile - 1) * error).mean()


def train(
    train_windows: NDArray[np.float32],
    validation_windows: NDArray[np.float32],
    quantile: float,
    settings: ForecasterSettings,
    seed: int,
) -> tuple[ForecastNetwork, dict[str, float]]:
    """Train on windows (N, history + horizon), each context then its truth; stop early on the validation windows.

    Returns the network of the best epoch and its metrics. Raises FitError where the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    module = ForecastModule(settings)
    module.initialise(generator)
    contexts, truth = _split(train_windows, settings)
    module.mean, module.scale = contexts.mean(), contexts.std()
    validation = _split(validation_windows, settings)
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    best_loss, best_epoch, best_state = float("inf"), 0, copy.deepcopy(module.state_dict())
    epoch = 0
    with single_thread():
        while epoch < settings.max_epochs and epoch - best_epoch < settings.patience:
            epoch += 1
            order = torch.randperm(len(contexts), generator=generator)
            for start in range(0, len(order), settings.batch_size):
                rows = order[start : start + settings.batch_size]
                optimiser.zero_grad()
                torch.autograd.backward(pinball_loss(module(contexts[rows]), truth[rows], quantile))
                optimiser.step()
            with torch.no_grad():
                loss = float(pinball_loss(module(validation[0]), validation[1], quantile))
            if loss < best_loss:
                best_loss, best_epoch, best_state = loss, epoch, copy.deepcopy(module.state_dict())
        if best_epoch == 0:
            raise FitError(f"quantile {quantile}: the validation loss is not finite; lower train.learning_rate")
        module.load_state_dict(best_state)
        with torch.no_grad():
            train_loss = float(pinball_loss(module(contexts), truth, quantile))
    metrics = {"train_loss": train_loss, "validation_loss": best_loss, "best_epoch": best_epoch, "epochs": epoch}
    return ForecastNetwork(module, settings, quantile), metrics


def _split(windows: NDArray[np.float32], settings: ForecasterSettings) -> tuple[Tensor, Tensor]:
    tensor = torch.tensor(windows)
    return tensor[:, : settings.history].contiguous(), tensor[:, settings.history :].contiguous()
