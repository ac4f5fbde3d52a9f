"""An analytic law of two hyperparameters: a cloud in the plane that is turned, and pushed out.

    y = r (cos a, sin a),   a = ± π turn + von Mises(κ = 5),   r ~ (1 + radius) lognormal(0, 0.05),

+ for category 0, − for category 1; turn and radius in [0, 1]. The truth is known at every λ, and nothing is trained.
Straight lines between draws cut the circles short; along the radius they are the truth.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError, DataError, HyperparameterError
from pipeline.families.protocol import Data, IngestSection, Split, category_codes, check_noise
from pipeline.families.torch_family import NoSettings
from pipeline.families.von_mises import deviation_of_angle
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json

NAMES = ("turn", "radius")
CATEGORIES = 2
CONCENTRATION = 5.0
SPREAD = 0.05
NETWORK_FILE = "network.json"
SCORED = 1000
"""Draws of a category that scores are means over."""

NLL, DISTANCE = "negative log-likelihood", "distance to the circle"


def draw(
    turn: float, radius: float, codes: NDArray[np.int64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Samples (N, draws, 2) of the law at categories (N,)."""
    deviation = rng.vonmises(0.0, CONCENTRATION, (len(codes), draws))
    return _points((turn, radius), codes, deviation, rng.lognormal(0.0, SPREAD, deviation.shape))


def log_density(y: NDArray[np.floating], codes: NDArray[np.int64], turn: float, radius: float) -> NDArray[np.float64]:
    """Log density (N,) in the plane of points y (N, 2) at categories (N,): angle and radius over the Jacobian r."""
    points = np.asarray(y, np.float64)
    size = np.hypot(points[:, 0], points[:, 1])
    angle = np.arctan2(points[:, 1], points[:, 0]) - math.pi * turn * (1 - 2 * codes)
    factor = np.log(size / (1 + radius))
    von_mises = CONCENTRATION * np.cos(angle) - math.log(2 * math.pi * np.i0(CONCENTRATION))
    lognormal = -0.5 * (factor / SPREAD) ** 2 - np.log(size) - math.log(SPREAD * math.sqrt(2 * math.pi))
    return np.asarray(von_mises + lognormal - np.log(size))


def _points(
    value: tuple[float, float], codes: NDArray[np.int64], deviation: NDArray[np.float64], factor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points (N, draws, 2) from deviations of the angle and factors of the radius (N, draws)."""
    turn, radius = value
    angle = math.pi * turn * (1 - 2 * codes[:, None]) + deviation
    size = (1 + radius) * factor
    return np.asarray(size[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1))


@dataclass(frozen=True)
class TurningCloudNetwork:
    """The exact distribution at one λ, as a network.

    Equal noise would couple the draws of two λ as the truth does, so that nothing were left to find; coupled_by_noise
    is False.
    """

    turn: float
    radius: float
    family: ClassVar[str] = "turning_cloud"
    noise_dimension: ClassVar[int] = 2
    coupled_by_noise: ClassVar[bool] = False

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Points (N, draws, 2) of categories (N, 1); draws at different λ are independent, whatever their seeds."""
        bits = np.array([self.turn, self.radius], np.float64).view(np.uint64)
        rng = np.random.default_rng([seed, *map(int, bits)])
        codes = category_codes(conditions, CATEGORIES, "category")
        return np.asarray(draw(self.turn, self.radius, codes, draws, rng), np.float32)

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (N, draws, 2) of categories (N, 1): angle and radius by the inverses of their distributions."""
        codes = category_codes(conditions, CATEGORIES, "category")
        normal = check_noise(noise, len(codes), self.noise_dimension).astype(np.float64)
        deviation, factor = deviation_of_angle(normal[..., 0], CONCENTRATION), np.exp(SPREAD * normal[..., 1])
        return np.asarray(_points((self.turn, self.radius), codes, deviation, factor), np.float32)

    def save(self, folder: Path) -> None:
        """Write λ as JSON."""
        write_json(folder / NETWORK_FILE, {"turn": self.turn, "radius": self.radius})


class TurningCloud:
    """The family; ingest.source is this module itself, and is not read."""

    Settings = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self.settings = settings

    def check_hyperparameter(self, value: Mapping[str, float]) -> None:
        """Raise HyperparameterError where turn or radius lies outside [0, 1]."""
        for name in NAMES:
            if not 0 <= value[name] <= 1:
                raise HyperparameterError(f"{name} = {value[name]}: the cloud is defined for {name} from 0 to 1")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Nothing is read: the truth is code. Raises DataError where the source is missing."""
        if not source.exists():
            raise DataError(f"ingest.source = {source} does not exist; set pipeline/families/turning_cloud/family.py")
        return Data()

    def schema(self, data: Data) -> Schema:
        """Two outputs, one categorical condition, two hyperparameters."""
        turn, radius = (Column(name=name, lower=0.0, upper=1.0) for name in NAMES)
        return Schema(
            hyperparameter=turn,
            further_hyperparameters=(radius,),
            outputs=(Column(name="y0"), Column(name="y1")),
            conditions=(Column(name="category", kind="categorical", lower=0, upper=CATEGORIES - 1),),
            deterministic=False,
            picture="scatter",
        )

    def train(
        self, data: Data, hyperparameter: Mapping[str, float], seed: int
    ) -> tuple[TurningCloudNetwork, dict[str, float]]:
        """The truth at λ: no training, no metrics."""
        self.check_hyperparameter(hyperparameter)
        return TurningCloudNetwork(hyperparameter["turn"], hyperparameter["radius"]), {}

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """The categories (min(count, 2), 1), in both splits: contexts are shared, their draws are not."""
        return np.arange(min(count, CATEGORIES), dtype=np.float32)[:, None]

    def score(self, policy: Policy, data: Data, hyperparameter: Mapping[str, float], seed: int) -> dict[str, float]:
        """The mean of −log p over SCORED draws of every category, and of | |y| − (1 + radius) |.

        The truth's own draws have −0.902 + 2 log(1 + radius) and 0.040 (1 + radius). The first alone rewards a collapse
        onto the mode: see the W₂² beside it.
        """
        turn, radius = (hyperparameter[name] for name in NAMES)
        categories = self.conditions(data, "score", CATEGORIES, seed)
        points = policy(categories, SCORED, seed).reshape(-1, 2)
        codes = np.repeat(category_codes(categories, CATEGORIES, "category"), SCORED)
        off = np.abs(np.linalg.norm(points, axis=1) - (1 + radius))
        return {NLL: -float(np.mean(log_density(points, codes, turn, radius))), DISTANCE: float(np.mean(off))}

    @classmethod
    def load(cls, folder: Path) -> TurningCloudNetwork:
        """Read a network back; BundleError where the file is missing or corrupted."""
        document = read_json(folder / NETWORK_FILE, "network")
        try:
            return TurningCloudNetwork(*(float(document[name]) for name in NAMES))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{folder / NETWORK_FILE} is corrupted: it holds no turn and radius") from error
