"""Quantile forecasters of a series that were trained on noised histories; λ = (quantile, noise).

noise is the deviation of the Gaussian noise on every value of a history, in deviations of the train split. A larger one
gives forecasts that follow the last values less, and that an error of measurement disturbs less.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.data.network import Network, Policy
from pipeline.data.schema import Column, Schema
from pipeline.errors import HyperparameterError
from pipeline.families.forecasters.scores import level_error, pinball_loss
from pipeline.families.forecasters.series import SeriesFamily
from pipeline.families.protocol import Data

if TYPE_CHECKING:
    from pipeline.families.forecasters.pinball import ForecastModule

CLEAN, NOISED = "pinball loss, clean histories", "pinball loss, noised histories"
LEVEL = "|share below − quantile|, clean histories"


class RobustQuantileForecaster(SeriesFamily):
    """The family; ingest.source is any CSV with a value column, one row a time step, in the order of time."""

    saved_name: ClassVar[str] = "robust_quantile_forecaster"

    def check_hyperparameter(self, value: Mapping[str, float]) -> None:
        """Raise HyperparameterError where the quantile is not inside (0, 1), or the noise negative or not finite."""
        if not 0 < value["quantile"] < 1:
            raise HyperparameterError(f"quantile {value['quantile']}: a quantile lies between 0 and 1, both excluded")
        if not 0 <= value["noise"] < np.inf:
            raise HyperparameterError(f"noise {value['noise']}: a deviation is 0 at least, and finite")

    def schema(self, data: Data) -> Schema:
        """The columns of the series; no output falls as the quantile rises."""
        conditions, outputs = self.columns(data)
        return Schema(
            hyperparameter=Column(name="quantile", lower=0.0, upper=1.0),
            further_hyperparameters=(Column(name="noise", lower=0.0),),
            outputs=outputs,
            conditions=conditions,
            deterministic=True,
            picture="forecast",
            monotone="increasing",
        )

    def build(self, hyperparameter: Mapping[str, float]) -> "ForecastModule":
        """An untrained forecaster; quantile and noise are part of its training alone."""
        from pipeline.families.forecasters.pinball import ForecastModule

        return ForecastModule(self.settings)

    def train(self, data: Data, hyperparameter: Mapping[str, float], seed: int) -> tuple[Network, dict[str, float]]:
        """Train the forecaster of one λ; metrics are losses under its noise, in the data's units, and epochs.

        Every λ starts from the same weights, sees the same batches, and multiplies the same noise.
        """
        from pipeline.families.forecasters.pinball import train

        self.check_hyperparameter(hyperparameter)
        known, watched = self.windows(data, "train"), self.windows(data, "validation")
        quantile, noise = hyperparameter["quantile"], hyperparameter["noise"]
        module, metrics = train(known, watched, quantile, self.settings, seed, noise)
        return self.network(module, hyperparameter), metrics

    def score(self, policy: Policy, data: Data, hyperparameter: Mapping[str, float], seed: int) -> dict[str, float]:
        """Pinball losses at λ's quantile over the test split, of histories as they are, and under λ's noise.

        In the data's units; and how far the share of values below the forecast is from the quantile. The lower, the
        better.
        """
        windows, history = self.windows(data, "test"), self.settings.history
        contexts, truth = windows[:, :history], windows[:, history:]
        scale = self.windows(data, "train")[:, :history].std()
        disturbance = np.random.default_rng(seed).standard_normal(contexts.shape) * scale * hyperparameter["noise"]
        quantile = hyperparameter["quantile"]
        clean, noised = (policy(np.asarray(x, np.float32), 1, seed)[:, 0] for x in (contexts, contexts + disturbance))
        return {
            CLEAN: pinball_loss(clean, truth, quantile),
            NOISED: pinball_loss(noised, truth, quantile),
            LEVEL: level_error(clean, truth, quantile),
        }
