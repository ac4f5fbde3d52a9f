"""A network family of one's own, asked without DVC: train at the anchors, harvest, fit, sample in between.

Run it by ``python -m examples.own_family``. In a sweep, `network: examples.own_family:Thermostat` names the class, and
`ingest.source: examples` makes DVC watch it.
"""

import sys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline import Column, Family, Harvest, Schema, Surrogate, SurrogateConfig
from pipeline.data.network import Network
from pipeline.families.protocol import Data, NetworkFamily, Split


class Thermostat(Family):
    """Heats towards 20 °C; λ is the price of power: the network minimises (t + p − 20)² + λ p²."""

    def schema(self, data: Data) -> Schema:
        """One condition, one output, one output a condition."""
        return Schema(
            hyperparameter=Column(name="price"),
            outputs=(Column(name="power", units="kW"),),
            conditions=(Column(name="temperature", units="°C"),),
            deterministic=True,
        )

    def build(self, hyperparameter: float) -> nn.Module:
        """A linear law is enough: the best power is (20 − t) / (1 + λ)."""
        return nn.Linear(1, 1)

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[Network, dict[str, float]]:
        """Gradient descent on the cost itself, at random temperatures."""
        torch.manual_seed(seed)
        module = self.build(hyperparameter)
        optimiser = torch.optim.Adam(module.parameters(), lr=1.0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 800)
        for _ in range(800):
            cold = torch.empty(64, 1).uniform_(-1, 1)  # (t − 20) / 10
            power = module(20 + 10 * cold)
            loss = ((10 * cold + power) ** 2 + hyperparameter * power**2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        return self.network(module, hyperparameter), {"loss": loss.item()}

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """Temperatures between 10 and 30 °C, others to fit on than to score on."""
        rng = np.random.default_rng([seed, split == "fit"])
        return rng.uniform(10, 30, (count, 1)).astype(np.float32)


def fitted() -> Surrogate:
    """A surrogate of networks that were trained at three prices."""
    family: NetworkFamily = Thermostat(Thermostat.Settings())
    anchors, data = (0.0, 1.0, 3.0), Data()
    networks = [family.train(data, price, seed=0)[0] for price in anchors]
    temperatures = family.conditions(data, "fit", 100, seed=0)
    outputs = [network.outputs(temperatures, draws=1, seed=0)[:, 0] for network in networks]
    harvest = Harvest.from_arrays(
        anchors, outputs, [temperatures] * len(anchors), networks=networks, schema=family.schema(data)
    )
    return Surrogate.fit(harvest, SurrogateConfig(variant="K_I", map_steps=200))


def main() -> None:
    """Ask for the power at prices in between."""
    surrogate = fitted()
    asked = np.array([[12.0], [26.0]], np.float32)
    for price in (0.5, 2.0):
        power = surrogate.sample(asked, price)[:, 0, 0]
        sys.stdout.write(
            f"price {price}: {np.round(power, 2)} kW (exact {np.round((20 - asked[:, 0]) / (1 + price), 2)})\n"
        )


if __name__ == "__main__":
    main()
