"""A network family with a known truth: orders for a demand that is normal; λ is the quantile that is ordered."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline import Column, Family, Schema
from pipeline.data.network import Network
from pipeline.families.protocol import Data, Split


class Newsvendor(Family):
    """Orders the λ-quantile of a demand that is normal at a known mean and spread; networks know samples alone."""

    def schema(self, data: Data) -> Schema:
        """One condition, one output, one output a condition."""
        return Schema(
            hyperparameter=Column(name="quantile", lower=0.0, upper=1.0),
            outputs=(Column(name="order", units="units"),),
            conditions=(Column(name="season"),),
            deterministic=True,
        )

    def build(self, hyperparameter: float) -> nn.Module:
        """A small network."""
        return nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[Network, dict[str, float]]:
        """The pinball loss on fresh demands."""
        torch.manual_seed(seed)
        rng = np.random.default_rng([seed, int(1e6 * hyperparameter)])
        module = self.build(hyperparameter)
        optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1500)
        for _ in range(1500):
            season = rng.uniform(-1, 1, (512, 1))
            mean, spread = demand_at(season)
            demand = rng.normal(mean, spread)
            short = torch.from_numpy(demand).float() - module(torch.from_numpy(season).float())
            loss = torch.maximum(hyperparameter * short, (hyperparameter - 1) * short).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        return self.network(module, hyperparameter), {"loss": loss.item()}

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """Seasons between −1 and 1."""
        rng = np.random.default_rng([seed, split == "fit"])
        return rng.uniform(-1, 1, (count, 1)).astype(np.float32)


def demand_at(season: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the demand."""
    x = np.asarray(season, np.float64)
    return 10 + 3 * np.sin(2 * x), 1 + 0.8 * np.abs(x)
