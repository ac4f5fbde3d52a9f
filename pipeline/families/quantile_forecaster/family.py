"""Quantile forecasters: an MLP from the last hours of a series to the next ones, by pinball loss; λ = quantile."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Network, Policy
from pipeline.data.schema import Column, Schema
from pipeline.errors import HyperparameterError
from pipeline.families.forecasters.scores import level_error, pinball_loss
from pipeline.families.forecasters.series import SeriesFamily
from pipeline.families.protocol import Data

if TYPE_CHECKING:
    from pipeline.families.forecasters.pinball import ForecastModule

PINBALL, LEVEL = "pinball loss", "|share below − quantile|"


class QuantileForecaster(SeriesFamily):
    """The family; ingest.source is any CSV with a value column, one row a time step, in the order of time."""

    saved_name: ClassVar[str] = "quantile_forecaster"
    saved_key: ClassVar[str] = "quantile"

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where the quantile is not inside (0, 1)."""
        if not 0 < value < 1:
            raise HyperparameterError(f"quantile {value}: a quantile lies between 0 and 1, both excluded")

    def schema(self, data: Data) -> Schema:
        """The columns of the series; no output falls as the quantile rises."""
        conditions, outputs = self.columns(data)
        return Schema(
            hyperparameter=Column(name="quantile", lower=0.0, upper=1.0),
            outputs=outputs,
            conditions=conditions,
            deterministic=True,
            picture="forecast",
            monotone="increasing",
        )

    def build(self, hyperparameter: float) -> "ForecastModule":
        """An untrained forecaster; the quantile is part of its loss alone."""
        from pipeline.families.forecasters.pinball import ForecastModule

        return ForecastModule(self.settings)

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[Network, dict[str, float]]:
        """Train the forecaster of one quantile; metrics are losses in the data's units, and epochs.

        Every quantile starts from the same weights and sees the same batches: only λ differs within a sweep.
        """
        from pipeline.families.forecasters.pinball import train

        self.check_hyperparameter(hyperparameter)
        known, watched = self.windows(data, "train"), self.windows(data, "validation")
        module, metrics = train(known, watched, hyperparameter, self.settings, seed)
        return self.network(module, hyperparameter), metrics

    def outcomes(self, data: Data, count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Contexts (n, history) of the validation split, drawn at random, and the values that followed (n, horizon).

        The validation split chooses the epoch, and trains nothing.
        """
        windows = self.windows(data, "validation")
        keep = np.random.default_rng(seed).choice(len(windows), size=min(count, len(windows)), replace=False)
        known = np.asarray(windows[np.sort(keep)], np.float32)
        return known[:, : self.settings.history], known[:, self.settings.history :]

    def score(self, policy: Policy, data: Data, hyperparameter: float, seed: int) -> dict[str, float]:
        """The pinball loss over the test split, in the data's units, and how far the share of values below is from q.

        The lower, the better.
        """
        contexts, truth = self.test_outcomes(data)
        forecast = policy(contexts, 1, seed)[:, 0]
        return {
            PINBALL: pinball_loss(forecast, truth, hyperparameter),
            LEVEL: level_error(forecast, truth, hyperparameter),
        }
