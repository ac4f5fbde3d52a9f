"""One forecaster of all quantiles, an implicit quantile network, and of all noises of histories where λ has both.

Dabney, Ostrovski, Silver and Munos, "Implicit Quantile Networks for Distributional Reinforcement Learning", ICML 2018,
arXiv 1806.06923, equation 3, with the pinball loss; the noise is λ's second coordinate, drawn alike (loss-conditional
training, Dosovitskiy and Djolonga, ICLR 2020).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.conditioned import Box
from pipeline.families.embedding import count_features, drawn, features, spread
from pipeline.families.forecasters.pinball import (
    NOISE_SEED,
    ForecastModule,
    Losses,
    descend,
    pinball_loss,
    prepare,
    split,
)
from pipeline.families.forecasters.settings import ForecasterSettings
from pipeline.families.threads import single_thread

WATCHED_SEED = 2_000_003
"""Added to a seed: λ and noise of the validation windows are the same in every epoch."""


def train(
    train_windows: NDArray[np.float32],
    validation_windows: NDArray[np.float32],
    box: Box,
    settings: ForecasterSettings,
    seed: int,
) -> tuple[ForecastModule, dict[str, float]]:
    """As `pinball.train`, for all λ in the box: (quantile,) or (quantile, noise), drawn anew for every row of a batch.

    The validation windows, by whose loss training stops, have λ spread over the box; their loss is among the metrics,
    in the mean over λ. Raises FitError where the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    module = ForecastModule(settings, count_features(box))
    contexts, truth = prepare(module, train_windows, settings, generator)
    by_value = _Loss(module, box)
    watched, outcome = split(validation_windows, settings)
    still = torch.Generator().manual_seed(WATCHED_SEED + seed)
    values = spread(len(watched), box, still)
    watched = by_value.noised(watched, values, still)
    noise = torch.Generator().manual_seed(NOISE_SEED + seed)

    def training(rows: Tensor) -> Tensor:
        own = drawn(len(rows), box, generator)
        return by_value(by_value.noised(contexts[rows], own, noise), truth[rows], own)

    def validation() -> Tensor:
        return by_value(watched, outcome, values)

    with single_thread():
        losses = Losses(f"λ = {box}", len(contexts), training, validation, noise)
        metrics = descend(module, losses, settings, generator)
    return module, metrics


class _Loss:
    """The pinball loss of forecasts at λ (N, P), a λ a row."""

    def __init__(self, module: ForecastModule, box: Box) -> None:
        self._module, self._box = module, box

    def __call__(self, contexts: Tensor, truth: Tensor, values: Tensor) -> Tensor:
        return pinball_loss(self._module(contexts, features(values, self._box)), truth, values[:, :1])

    def noised(self, contexts: Tensor, values: Tensor, generator: torch.Generator) -> Tensor:
        """Contexts (N, history) under the noise of λ's second coordinate; as given where λ has none."""
        if values.shape[1] == 1:
            return contexts
        return contexts + values[:, 1:] * self._module.scale * torch.randn(contexts.shape, generator=generator)
