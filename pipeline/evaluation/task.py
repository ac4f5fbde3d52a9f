"""Task scores: a family's own measure (a mean reward, an accuracy) of the surrogate, beside its errors.

A family that has `score` scores the policies of all methods that have one, at every held-out λ, with one seed: the
surrogate, the baselines (straight lines join outputs of both anchors' networks that were drawn with equal seeds), and
the network that was trained there.
"""

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.network import Policy
from pipeline.errors import ConfigurationError
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import PolicySituation
from pipeline.evaluation.methods.trained import TRAINED
from pipeline.families.protocol import Data, ScoredFamily

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


@dataclass(frozen=True)
class TaskTable:
    """One named score: for every held-out λ, ascending, the score of every method, in the family's own units."""

    name: str
    rows: tuple[tuple[float, dict[str, float]], ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods, in the order of the tables."""
        return tuple(self.rows[0][1])

    def means(self) -> dict[str, float]:
        """The mean of every method."""
        return {method: self.mean(method) for method in self.methods}

    def mean(self, method: str) -> float:
        """The mean of a method's score over the held-out λ."""
        return float(np.mean([scores[method] for _, scores in self.rows]))


def task_tables(
    family: ScoredFamily, data: Data, surrogate: "Surrogate", score: Harvest, seed: int
) -> tuple[TaskTable, ...]:
    """Every score that the family gives; none where nothing is held out, or the harvest has no networks.

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
        raise ConfigurationError(
            f"score() of {type(family).__name__} returns different scores at different λ; return the same names"
        )
    return tuple(
        TaskTable(
            name, tuple((value, {m: scores[name] for m, scores in asked.items()}) for value, asked in found.items())
        )
        for name in names
    )


def policies(surrogate: "Surrogate", score: Harvest) -> dict[float, dict[str, Policy]]:
    """The policy of every method at every held-out λ, ascending; none where the harvest has no networks."""
    if score.networks is None:
        return {}
    networks = dict(zip(score.hyperparameter.tolist(), score.networks, strict=True))
    situations = (PolicySituation(surrogate, networks, value) for value in networks if value not in surrogate.anchors)
    return {at.value: {m.name: m.policy(at) for m in all_methods() if m.policy is not None} for at in situations}


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
