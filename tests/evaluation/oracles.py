"""Surrogates whose answers are known in closed form, and harvests to judge them on."""

import json
from dataclasses import dataclass, field

import numpy as np

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid
from pipeline.data.schema import Column, Schema
from pipeline.surrogate.config import SurrogateConfig

VALUES = (0.0, 0.25, 0.5, 0.75, 1.0)
ANCHORS = (0.0, 0.5, 1.0)
VELOCITY = np.array([3.0, 4.0])


@dataclass(frozen=True)
class ConstantVelocity:
    """A surrogate that moves every sample by velocity × (target − source): exact where the truth does so too."""

    velocity: np.ndarray = field(default_factory=lambda: VELOCITY)
    deterministic: bool = False
    anchors: tuple[float, ...] = ANCHORS
    schema: Schema = field(default_factory=lambda: make_schema())
    clock: str = "linear"
    config: SurrogateConfig = field(default_factory=lambda: SurrogateConfig(variant="K_theta-U", speed="uniform"))
    digest: str = "5" * 64
    history: dict[str, list[float]] = field(default_factory=lambda: {"map_loss": [2.0, 1.0, 0.5]})

    candidates: tuple = ()
    barriers: tuple | None = None
    clock_base: str = "linear"
    networks: tuple | None = None
    sampled_conditions: tuple = ()

    @property
    def mesh(self):
        return Grid.line(Anchors(self.anchors))

    @property
    def clocks(self):
        return {self.schema.hyperparameter.name: self.clock}

    def sample(self, conditions, hyperparameter, draws=1, seed=0):
        """Draws as of `stochastic_harvest`, or the outputs of `forecast_harvest`: exact where the velocity is."""
        velocity = np.resize(self.velocity, len(self.schema.outputs))
        if self.deterministic:
            noise = np.repeat(conditions.mean(axis=1)[:, None, None], draws, axis=1)
        else:
            noise = np.random.default_rng(seed).standard_normal((len(conditions), draws, len(velocity)))
        return noise + velocity * hyperparameter

    def matched(self, conditions, anchors, draws=1, seed=0):
        return [self.sample(conditions, self.anchors[k], draws, seed) for k in anchors]

    def positions(self, conditions, hyperparameter):
        k = Anchors(self.anchors).interval(hyperparameter)
        left, right = self.anchors[k], self.anchors[k + 1]
        return np.full(len(conditions), (hyperparameter - left) / (right - left))

    def transport(self, outputs, conditions, source, target):
        return outputs + np.resize(self.velocity, outputs.shape[1]) * (target - source)

    def path(self, outputs, conditions, source, targets):
        return np.stack([self.transport(outputs, conditions, source, t) for t in targets], axis=1)

    def log_density(self, outputs, conditions):
        return -0.5 * (outputs**2).sum(axis=1)


@dataclass(frozen=True)
class Shifting:
    """A stochastic network: Gaussians of the given scale around centre, independent draws at every call."""

    centre: np.ndarray
    scale: float = 1.0
    family: str = "tests.evaluation.oracles:Shifting"

    def outputs(self, conditions, draws, seed):
        rng = np.random.default_rng(seed)
        return self.centre + self.scale * rng.standard_normal((len(conditions), draws, len(self.centre)))

    def save(self, folder):
        (folder / "shifting.json").write_text(json.dumps({"centre": self.centre.tolist(), "scale": self.scale}))


def make_schema(columns=2, *, deterministic=False, kind="categorical", picture="scatter", conditions=1):
    return Schema(
        hyperparameter=Column(name="dropout", units="%"),
        outputs=tuple(Column(name=f"t+{i + 1}", units="m") for i in range(columns)),
        conditions=tuple(Column(name=f"t-{conditions - 1 - i}", kind=kind) for i in range(conditions)),
        deterministic=deterministic,
        picture=picture,
    )


def stochastic_harvest(draws=12, values=VALUES, velocity=VELOCITY, *, networks=False, columns=2):
    """Three categories; the same cloud at every λ, translated by velocity × λ."""
    velocity = np.asarray(velocity, float)[:columns]
    codes = np.repeat(np.arange(3.0), draws)[:, None]
    cloud = np.random.default_rng(0).standard_normal((len(codes), columns))
    outputs = [cloud + velocity * value for value in values]
    made = [Shifting(velocity * value) for value in values] if networks else None
    return Harvest.from_arrays(values, outputs, [codes] * len(values), schema=make_schema(columns), networks=made)


def forecast_harvest(rows=9, values=VALUES, columns=2):
    """A deterministic forecaster: y = mean of the history + velocity × λ, at continuous contexts of three steps."""
    contexts = np.random.default_rng(1).standard_normal((rows, 3))
    velocity = np.resize(VELOCITY, columns)
    outputs = [contexts.mean(axis=1, keepdims=True) + velocity * value for value in values]
    schema = make_schema(columns, deterministic=True, kind="continuous", picture="forecast", conditions=3)
    return Harvest.from_arrays(values, outputs, [contexts] * len(values), schema=schema)
