"""The analytic conditional semicircles: points that travel along half circles, with their density known at every λ.

Four categories in the plane; λ = s in [0, 1]. Angles are von Mises around a mean that turns by ±π as s goes from 0 to
1, radii are lognormal around 1:

    category 0 / 1: centre (-1, 0), mean angle +πs / -πs
    category 2 / 3: centre (1, 0), mean angle π - πs / -π + πs

(Amad and van der Schaar, ICLR 2026, arXiv 2603.01771, section on synthetic data.) Nothing is trained.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.data.network import Policy
from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError, DataError, HyperparameterError
from pipeline.families.protocol import Data, IngestSection, Split, category_codes, check_codes, check_noise
from pipeline.families.torch_family import NoSettings
from pipeline.families.von_mises import deviation_of_angle
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json

FAMILY = "semicircles"
CENTRES = np.array([[-1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
"""Centre of each category's circle, (4, 2)."""

_START = np.array([0.0, 0.0, math.pi, -math.pi])
_TURN = np.array([math.pi, -math.pi, -math.pi, math.pi])
CONCENTRATION = 5.0
SPREAD = 0.05
NETWORK_FILE = "network.json"
SCORED = 1000
"""Draws of a category that scores are means over."""

NLL, DISTANCE = "negative log-likelihood", "distance to the circle"


def mean_angle(category: ArrayLike, s: ArrayLike) -> NDArray[np.float64]:
    """Mean angle in radians of categories (...) at s (broadcast against them)."""
    codes = check_codes(category, len(CENTRES), "category")
    return np.asarray(_START[codes] + _TURN[codes] * np.asarray(s, np.float64))


def log_density(y: ArrayLike, category: ArrayLike, s: ArrayLike) -> NDArray[np.float64]:
    """Log density of p_s(y | category), (N,), for points y (N, 2) and one category or (N,); s is one value or (N,).

    The density is the one in the plane: angle and radius have their own, over the Jacobian r of polar coordinates.
    """
    points = np.asarray(y, np.float64)
    codes = np.broadcast_to(check_codes(category, len(CENTRES), "category"), points.shape[:1])
    offset = points - CENTRES[codes]
    log_radius = np.log(np.hypot(offset[:, 0], offset[:, 1]))
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    von_mises = CONCENTRATION * np.cos(angle - mean_angle(codes, s)) - math.log(2 * math.pi * np.i0(CONCENTRATION))
    lognormal = -0.5 * (log_radius / SPREAD) ** 2 - log_radius - math.log(SPREAD * math.sqrt(2 * math.pi))
    return np.asarray(von_mises + lognormal - log_radius)


def likelihood_and_distance(y: ArrayLike, category: ArrayLike, s: float) -> dict[str, float]:
    """NLL, the mean of −log p_s(y | category), and the mean | |y − centre| − 1 |, of points y (N, 2) as `log_density`.

    The truth's own draws have −0.902 and 0.040. The NLL alone rewards a collapse onto the mode: see the W₂² beside it.
    """
    points = np.asarray(y, np.float64)
    radius = np.linalg.norm(points - CENTRES[check_codes(category, len(CENTRES), "category")], axis=-1)
    return {NLL: -float(np.mean(log_density(points, category, s))), DISTANCE: float(np.mean(np.abs(radius - 1)))}


def _points(codes: NDArray[np.int64], angle: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float32]:
    turned = radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return np.asarray(CENTRES[codes] + turned, np.float32)


@dataclass(frozen=True)
class SemicircleNetwork:
    """The exact distribution at one s, as a network."""

    s: float
    family: ClassVar[str] = FAMILY
    noise_dimension: ClassVar[int] = 2
    coupled_by_noise: ClassVar[bool] = False

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Points (N, draws, 2) of categories (N, 1); draws at different s are independent, whatever their seeds."""
        rng = np.random.default_rng([seed, int(np.float64(self.s).view(np.uint64))])
        codes = category_codes(conditions, len(CENTRES), "category")[:, None]
        shape = (len(codes), draws)
        angle = rng.vonmises(np.broadcast_to(mean_angle(codes, self.s), shape), CONCENTRATION)
        radius = rng.lognormal(0.0, SPREAD, shape)
        return _points(codes, angle, radius)

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (N, draws, 2) of categories (N, 1): angle and radius by the inverses of their distributions."""
        codes = category_codes(conditions, len(CENTRES), "category")[:, None]
        normal = check_noise(noise, len(codes), self.noise_dimension).astype(np.float64)
        angle = mean_angle(codes, self.s) + deviation_of_angle(normal[..., 0], CONCENTRATION)
        return _points(codes, angle, np.exp(SPREAD * normal[..., 1]))

    def save(self, folder: Path) -> None:
        """Write s as JSON."""
        write_json(folder / NETWORK_FILE, {"s": self.s})


class Semicircles:
    """The family; ingest.source is this module itself, and is not read."""

    Settings = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self.settings = settings

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where s lies outside [0, 1]."""
        if not 0 <= value <= 1:
            raise HyperparameterError(f"s = {value}: the semicircles are defined for s from 0 to 1")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Nothing is read: the truth is code. Raises DataError where the source is missing."""
        if not source.exists():
            raise DataError(f"ingest.source = {source} does not exist; set pipeline/families/semicircles/family.py")
        return Data()

    def schema(self, data: Data) -> Schema:
        """Two outputs, and one categorical condition."""
        return Schema(
            hyperparameter=Column(name="s", lower=0.0, upper=1.0),
            outputs=(Column(name="y0"), Column(name="y1")),
            conditions=(Column(name="category", kind="categorical", lower=0, upper=len(CENTRES) - 1),),
            deterministic=False,
            picture="scatter",
        )

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[SemicircleNetwork, dict[str, float]]:
        """The truth at s: no training, no metrics."""
        self.check_hyperparameter(hyperparameter)
        return SemicircleNetwork(hyperparameter), {}

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """The categories (min(count, 4), 1), in both splits: contexts are shared, their draws are not."""
        return np.arange(min(count, len(CENTRES)), dtype=np.float32)[:, None]

    def score(self, policy: Policy, data: Data, hyperparameter: float, seed: int) -> dict[str, float]:
        """Negative log-likelihood and distance to the circle, over SCORED draws of every category."""
        categories = self.conditions(data, "score", len(CENTRES), seed)
        points = policy(categories, SCORED, seed).reshape(-1, 2)
        return likelihood_and_distance(points, np.repeat(categories[:, 0], SCORED), hyperparameter)

    @classmethod
    def load(cls, folder: Path) -> SemicircleNetwork:
        """Read a network back; BundleError where the file is missing or corrupted."""
        document = read_json(folder / NETWORK_FILE, "network")
        try:
            return SemicircleNetwork(float(document["s"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{folder / NETWORK_FILE} is corrupted: it holds no number s") from error
