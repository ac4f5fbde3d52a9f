"""A family of two hyperparameters with a closed form: y(λ) = (1 + tilt) x + lift (1 − 2 tilt), bilinear in λ."""

import numpy as np
from pydantic import BaseModel
from torch import nn

from pipeline.data.schema import Column, Schema
from pipeline.families.torch_family import Family


class Settings(BaseModel):
    """Nothing to set."""


class Planes(Family):
    Settings = Settings

    def schema(self, data):
        return Schema(
            hyperparameter=Column(name="tilt"),
            further_hyperparameters=(Column(name="lift"),),
            outputs=(Column(name="y", units="m"),),
            conditions=(Column(name="x"),),
            deterministic=True,
        )

    def build(self, hyperparameter):
        module = nn.Linear(1, 1)
        nn.init.constant_(module.weight, 1 + hyperparameter["tilt"])
        nn.init.constant_(module.bias, hyperparameter["lift"] * (1 - 2 * hyperparameter["tilt"]))
        return module

    def train(self, data, hyperparameter, seed):
        return self.network(self.build(hyperparameter), hyperparameter), {}

    def conditions(self, data, split, count, seed):
        return np.linspace(-1, 1, count)[:, None] + (0.01 if split == "score" else 0.0)

    def score(self, policy, data, hyperparameter, seed):
        x = np.linspace(-1, 1, 9)[:, None]
        truth = (1 + hyperparameter["tilt"]) * x + hyperparameter["lift"] * (1 - 2 * hyperparameter["tilt"])
        return {"distance": float(np.abs(policy(x, 1, seed)[:, 0] - truth).mean())}
