"""Task scores: what a family's own measure (a mean reward, an accuracy) says of the surrogate, beside its errors.

A family that has `score` is asked at every held-out λ about five policies, all with one seed: the network that was
trained there; the surrogate; and the plain ones, the left and the nearest anchor's network, and the straight line
between the outputs of the two anchors around λ, drawn with equal seeds.
"""

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.network import Network, Policy
from pipeline.errors import ConfigurationError
from pipeline.evaluation.evaluate import BASELINES, LABELS, SURROGATE
from pipeline.families.protocol import Data, ScoredFamily

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TRAINED = "trained"
METHODS = (TRAINED, SURROGATE, *BASELINES)
TASK_LABELS = LABELS | {TRAINED: "network trained there"}


@dataclass(frozen=True)
class TaskTable:
    """One named score: for every held-out λ, ascending, the score of each of METHODS, in the family's own units."""

    name: str
    rows: tuple[tuple[float, dict[str, float]], ...]

    def mean(self, method: str) -> float:
        """The mean of a method's score over the held-out λ."""
        return float(np.mean([scores[method] for _, scores in self.rows]))


def task_tables(
    family: ScoredFamily, data: Data, surrogate: "Surrogate", score: Harvest, seed: int
) -> tuple[TaskTable, ...]:
    """Every score that the family gives; none where nothing is held out, or the networks did not travel along.

    Raises ConfigurationError where `score` returns anything but finite numbers by their names, the same for all.
    """
    found = {
        value: {
            m: _checked(family.score(policy, data, value, seed), type(family).__name__) for m, policy in asked.items()
        }
        for value, asked in policies(surrogate, score).items()
    }
    names = [name for methods in list(found.values())[:1] for name in methods[TRAINED]]
    if any(list(scores) != names for methods in found.values() for scores in methods.values()):
        raise ConfigurationError(f"score() of {type(family).__name__} names other scores at other λ; keep the names")
    return tuple(
        TaskTable(
            name, tuple((value, {m: scores[name] for m, scores in asked.items()}) for value, asked in found.items())
        )
        for name in names
    )


def policies(surrogate: "Surrogate", score: Harvest) -> dict[float, dict[str, Policy]]:
    """What answers at every held-out λ, ascending, by METHODS; nothing where the networks did not travel along."""
    if score.networks is None:
        return {}
    networks = dict(zip(score.hyperparameter.tolist(), score.networks, strict=True))
    return {value: _policies(surrogate, networks, value) for value in networks if value not in surrogate.anchors}


def _policies(surrogate: "Surrogate", networks: dict[float, Network], value: float) -> dict[str, Policy]:
    anchors = surrogate.anchors
    of = Anchors(anchors)
    k, s = of.interval(value), of.position(value)
    left, right = networks[anchors[k]], networks[anchors[k + 1]]

    def moved(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        return surrogate.sample(conditions, value, draws=draws, seed=seed)

    def line(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        return (1 - s) * left.outputs(conditions, draws, seed) + s * right.outputs(conditions, draws, seed)

    return {
        TRAINED: networks[value].outputs,
        SURROGATE: moved,
        "straight_line": line,
        "nearest_anchor": networks[anchors[of.nearest(value)]].outputs,
        "left_anchor": left.outputs,
    }


def _checked(scores: object, family: str) -> dict[str, float]:
    if (
        isinstance(scores, dict)
        and scores
        and all(isinstance(name, str) for name in scores)
        and all(isinstance(value, Real) and math.isfinite(value) for value in scores.values())
    ):
        return {name: float(value) for name, value in scores.items()}
    raise ConfigurationError(
        f"score() of {family} returned {scores!r}; finite numbers by their names are needed, as {{'mean reward': 1.5}}"
    )
