"""Forecasters whose hyperparameter is the penalty of a ridge regression on random features: trained in milliseconds.

Outputs move far between small penalties and hardly between large ones, which no equal spacing of the penalty knows.
Another seed draws other features and other hours to learn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import save_file

from benchmarks.truth import Sweep
from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.families.protocol import Split

Array = NDArray[np.float64]

HISTORY, HORIZON = 12, 3
FEATURES, ROWS = 200, 400
CONDITIONS: dict[Split, int] = {"fit": 120, "score": 200}
FREQUENCY = 0.3
"""Standard deviation of the features' frequencies: standardised histories differ by about √12 · √2."""


@dataclass(frozen=True, eq=False)
class RidgeForecaster:
    """x (N, C) → √2 cos(x W + b) θ: weights W (C, F), phases b (F,), coefficients θ (F, D)."""

    weights: Array
    phases: Array
    coefficients: Array
    family: str = "benchmarks.ridge:RidgeForecaster"

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """(N, draws, D); draws are equal."""
        answers = features(conditions, self.weights, self.phases) @ self.coefficients
        return np.repeat(answers[:, None], draws, axis=1).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the arrays."""
        arrays = {name: getattr(self, name) for name in ("weights", "phases", "coefficients")}
        save_file(arrays, folder / "ridge.safetensors")


def features(conditions: NDArray[np.floating], weights: Array, phases: Array) -> Array:
    """√2 cos(x W + b), (N, F), of mean square 1."""
    return np.asarray(np.sqrt(2) * np.cos(conditions @ weights + phases))


@cache
def windows() -> tuple[Array, Array]:
    """Histories (n, HISTORY) and what followed (n, HORIZON) in the bundled series, standardised, in order of time."""
    sweep = Sweep.of_preset("quantiles")
    series = np.asarray(sweep.data.arrays["values"], np.float64)
    every = sliding_window_view((series - series.mean()) / series.std(), HISTORY + HORIZON)
    return every[:, :HISTORY], every[:, HISTORY:]


@dataclass(frozen=True)
class RidgeSweep:
    """The networks of every penalty, by the seed of their features; conditions of the second half are held back."""

    network_seed: int = 0

    @cached_property
    def _learnt(self) -> tuple[Array, Array, Array, Array]:
        """W, b, features (ROWS, F) and targets (ROWS, D) of hours from the first half."""
        rng = np.random.default_rng(self.network_seed)
        weights = FREQUENCY * rng.standard_normal((HISTORY, FEATURES))
        phases = rng.uniform(0, 2 * np.pi, FEATURES)
        x, y = windows()
        rows = rng.choice(len(x) // 2, ROWS, replace=False)
        return weights, phases, features(x[rows], weights, phases), y[rows]

    def trained(self, penalty: float) -> RidgeForecaster:
        """The forecaster of one penalty, in units of the number of rows."""
        weights, phases, known, targets = self._learnt
        gram = known.T @ known + penalty * ROWS * np.eye(FEATURES)
        return RidgeForecaster(weights, phases, np.asarray(np.linalg.solve(gram, known.T @ targets), np.float64))

    def harvest(self, split: Split, values: Sequence[float], seed: int) -> Harvest:
        """Outputs of the forecasters of some penalties, with them, at hours of one half; all seeds give the same."""
        x = windows()[0]
        half = x[: len(x) // 2] if split == "fit" else x[len(x) // 2 :]
        conditions = half[np.linspace(0, len(half) - 1, CONDITIONS[split]).astype(int)]
        networks = [self.trained(value) for value in values]
        outputs = [network.outputs(conditions, 1, seed)[:, 0] for network in networks]
        schema = Schema(
            hyperparameter=Column(name="penalty", lower=0.0),
            outputs=tuple(Column(name=f"t+{i + 1}") for i in range(HORIZON)),
            conditions=tuple(Column(name=f"t-{HISTORY - 1 - i}") for i in range(HISTORY)),
            deterministic=True,
        )
        return Harvest.from_arrays(values, outputs, [conditions] * len(values), networks=networks, schema=schema)
