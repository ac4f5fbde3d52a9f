"""A family of every kind of outputs and conditions, with closed forms: what a sweep of each kind has to bring through.

λ moves outputs on straight lines, y(λ) = start + λ · shift(x), so that the truth is known at every λ.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel
from torch import nn

from pipeline.data.schema import Column, Schema
from pipeline.families.checkpoints.contexts import divide
from pipeline.families.torch_family import Family
from pipeline.stages import compare, dataset, fit, harvest, ingest, leave_out, timing, train, validate
from tests.sweeps import sweep_config

Kind = Literal["vectors", "draws", "bounded", "categorical", "mixed"]
KINDS: tuple[Kind, ...] = ("vectors", "draws", "bounded", "categorical", "mixed")
NOISE = 0.1
FLOOR = -0.25
VALUES = [0.0, 0.5, 1.0]
SIGNS = np.array([1.0, -1.0, 2.0])


class Settings(BaseModel):
    kind: Kind


class Kinds(Family):
    Settings = Settings

    def schema(self, data):
        kind = self.settings.kind
        bounds = [{"lower": 0.0, "upper": 1.0}, {"lower": FLOOR}] if kind == "bounded" else [{}, {}]
        bounds += [{}] * (kind == "vectors")
        return Schema(
            hyperparameter=Column(name="level"),
            outputs=tuple(Column(name=f"y{i}", **bound) for i, bound in enumerate(bounds)),
            conditions=columns(kind),
            deterministic=kind == "vectors",
        )

    def build(self, hyperparameter):
        module = nn.Module()
        module.register_buffer("level", torch.tensor(hyperparameter))
        return module

    def train(self, data, hyperparameter, seed):
        return self.network(self.build(hyperparameter), hyperparameter), {}

    def conditions(self, data, split, count, seed):
        return divide(every_context(self.settings.kind), columns(self.settings.kind), split, count, seed)

    def outputs(self, module, conditions, draws, seed):
        mean = truth(self.settings.kind, conditions, float(module.level))
        if self.settings.kind == "vectors":
            return np.repeat(mean[:, None], draws, axis=1)
        values = mean[:, None] + NOISE * torch.randn(len(mean), draws, mean.shape[1]).numpy()
        return np.clip(values, [0, FLOOR], [1, np.inf]) if self.settings.kind == "bounded" else values


class Scored(Kinds):
    def score(self, policy, data, hyperparameter, seed):
        """Root mean squared distance from the closed form at this λ; 0 is perfect."""
        x = self.conditions(data, "score", 30, 0)
        given = policy(x, 1, seed)[:, 0]
        return {"distance": float(np.sqrt(np.mean((given - truth(self.settings.kind, x, hyperparameter)) ** 2)))}


class Wells(Kinds):
    """Outputs near those of λ = 0 or of λ = 1 are good, and what lies between them is not; from 0.3 on 1 is better."""

    def score(self, policy, data, hyperparameter, seed):
        return {"reward": float(self.episode_scores(policy, data, hyperparameter, seed)["reward"].mean())}

    def episode_scores(self, policy, data, hyperparameter, seed, episodes=None):
        contexts = self.conditions(data, "score", 30, seed)
        x = contexts if episodes is None else contexts[np.arange(episodes.start, episodes.stop) % len(contexts)]
        y = policy(x, 1, seed)[:, 0]
        left, right = (np.abs(y - truth(self.settings.kind, x, level)).mean(axis=1) for level in (0.0, 1.0))
        return {"reward": -np.minimum(left, right) + (hyperparameter - 0.3) * (right < left)}


class Featured(Kinds):
    def features(self, outputs, conditions, data):
        return np.stack([outputs[:, 0] - outputs[:, 1], outputs.sum(axis=1)], axis=1)


def columns(kind: Kind) -> tuple[Column, ...]:
    sort = Column(name="sort", kind="categorical", lower=0, upper=2)
    if kind == "categorical":
        return sort, Column(name="side", kind="categorical")
    return (Column(name="x", units="m"), sort) if kind == "mixed" else (Column(name="a"), Column(name="b"))


def every_context(kind: Kind) -> np.ndarray:
    if kind == "categorical":
        return np.array([[sort, side] for sort in range(3) for side in (-1, 7)], dtype=float)
    rng = np.random.default_rng(0)
    contexts = rng.uniform(-1, 1, (120, 2))
    if kind == "mixed":
        contexts[:, 1] = np.arange(120) % 3
    return contexts


def shift(kind: Kind, x: np.ndarray) -> np.ndarray:
    """Where λ = 1 moves the outputs of λ = 0, (N, D)."""
    x = np.asarray(x, float)
    if kind == "vectors":
        return np.stack([x[:, 0], x[:, 1], x.sum(axis=1)], axis=1)
    if kind == "categorical":
        return np.stack([SIGNS[x[:, 0].astype(int)], np.sign(x[:, 1])], axis=1)
    if kind == "mixed":
        return np.stack([SIGNS[x[:, 1].astype(int)], x[:, 0]], axis=1)
    return np.stack([1 + x[:, 0], x[:, 1] - 1], axis=1)


def truth(kind: Kind, x: np.ndarray, level: float) -> np.ndarray:
    """Means of the outputs before bounds cut them, (N, D)."""
    return level * shift(kind, x) + 0.25


def judge(config: Any, root: Path) -> Path:
    """Run a sweep from its source to its validation, whose folder it returns."""
    ingest.run(config, root)
    for value in map(str, config.sweep.in_words()):
        train.run(config, value, root)
        harvest.run(config, value, root)
    for stage in (dataset, fit, timing, leave_out, compare, validate):
        stage.run(config, root)
    return root / config.folder / "validation"


def kinds_config(kind: Kind, **sections: Any) -> Any:
    draws = 1 if kind == "vectors" else 6
    return sweep_config(
        **{
            "name": kind,
            "network": "tests.families.kinds:Kinds",
            "sweep": {"values": VALUES, "anchors": [0.0, 1.0]},
            "ingest": {"source": str(Path(__file__))},
            "train": {"seed": 0, "kind": kind},
            "harvest": {"fit_conditions": 90, "score_conditions": 30, "draws": draws, "seed": 0},
            "dataset": {"source": f"data/{kind}/harvest"},
            "fit": {"variant": "K_I", "clock": "linear", "map_steps": 150, "seed": 0, "device": "cpu"},
        }
        | sections
    )
