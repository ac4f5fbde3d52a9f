"""Task scores: a family's own measure (a mean reward, an accuracy) of the surrogate, beside its errors.

A family that has `score` scores the policies of all methods that have one, at every held-out λ, with one seed: the
surrogate, the baselines (straight lines join outputs of both anchors' networks that were drawn with equal seeds), and
the network that was trained there. A family that gives its episodes one by one has standard errors, too, and the best
single anchor: the one whose own network scores best under the score of λ, chosen in episodes that its score is not of,
because the best of several noisy scores is too good. A family gets λ as a number, or as a mapping of names where there
are several hyperparameters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Policy
from pipeline.data.values import named, numbers
from pipeline.errors import ConfigurationError
from pipeline.evaluation.methods.best_anchor import BEST_ANCHOR
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import PolicySituation
from pipeline.evaluation.methods.trained import TRAINED
from pipeline.evaluation.task_table import Episodes, TaskTable
from pipeline.families.protocol import Data, EpisodicFamily, ScoredFamily, check_episodes

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

_CHOOSING = 3
"""Seeds of the episodes in which the best anchor is chosen: not those of scores."""


def task_tables(
    family: ScoredFamily, data: Data, surrogate: "Surrogate", score: Harvest, seed: int
) -> tuple[TaskTable, ...]:
    """Every score that the family gives; none where nothing is held out, or the harvest has no networks.

    Raises ConfigurationError where `score` returns anything but finite numbers by their names, the same for all, or
    `episode_scores` anything but arrays of such numbers.
    """
    return tables_of(family, data, policies(surrogate, score), score, seed)


def tables_of(
    family: ScoredFamily, data: Data, asked: Mapping[Value, Mapping[str, Policy]], score: Harvest, seed: int
) -> tuple[TaskTable, ...]:
    """The same of any policies, by their λ and methods; with the best single anchor where `asked` has who was trained.

    Errors as `task_tables`.
    """
    name = type(family).__name__
    names = tuple(column.name for column in score.schema.hyperparameters)
    if isinstance(family, EpisodicFamily):
        return _episodic_tables(_Play(family, data, seed, names), asked, score)
    found = {
        value: {m: _checked(family.score(policy, data, named(value, names), seed), name) for m, policy in own.items()}
        for value, own in asked.items()
    }
    rows = {
        title: tuple((value, {m: scores[title] for m, scores in own.items()}) for value, own in found.items())
        for title in _names(found, name)
    }
    return tuple(TaskTable(title, table, names=names) for title, table in rows.items())


@dataclass(frozen=True, eq=False)
class _Play:
    """Plays episodes of a family. names: of the hyperparameters."""

    family: EpisodicFamily
    data: Data
    seed: int
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The family's."""
        return type(self.family).__name__

    def scores(self, policy: Policy, value: Value) -> dict[str, Episodes]:
        """The scores of single episodes of a policy under the score of λ = value, by their names."""
        return check_episodes(
            self.family.episode_scores(policy, self.data, named(value, self.names), self.seed), self.name
        )

    def best(self, anchors: dict[Value, Policy], value: Value, count: int) -> Value:
        """The anchor whose policy has the best mean of the first score under λ = value, over `count` other episodes."""
        seed = int(np.random.SeedSequence([self.seed, _CHOOSING]).generate_state(1)[0] % 2**31)

        def mean(anchor: Value) -> float:
            given = named(value, self.names)
            found = self.family.episode_scores(anchors[anchor], self.data, given, seed, range(count))
            return float(next(iter(check_episodes(found, self.name).values())).mean())

        return max(anchors, key=mean)


def _episodic_tables(play: _Play, asked: Mapping[Value, Mapping[str, Policy]], score: Harvest) -> tuple[TaskTable, ...]:
    """Tables with their episodes, and the best single anchor before the network that was trained there."""
    pairs = zip(score.values, score.networks or (), strict=False)
    anchors: dict[Value, Policy] = {value: n.outputs for value, n in pairs if value not in asked}
    found, best = {}, {}
    for value, methods in asked.items():
        scores = {m: play.scores(policy, value) for m, policy in methods.items()}
        if TRAINED in scores:
            trained = scores.pop(TRAINED)
            best[value] = play.best(anchors, value, len(next(iter(trained.values()))))
            scores |= {BEST_ANCHOR: play.scores(anchors[best[value]], value), TRAINED: trained}
        found[value] = scores
    tables = []
    for name in _names(found, play.name):
        episodes = {value: {m: s[name] for m, s in methods.items()} for value, methods in found.items()}
        rows = tuple((value, {m: float(e.mean()) for m, e in methods.items()}) for value, methods in episodes.items())
        tables.append(TaskTable(name, rows, episodes, best, play.names))
    return tuple(tables)


def _names(found: Mapping[Value, Mapping[str, Mapping[str, object]]], family: str) -> list[str]:
    """The names of the scores; ConfigurationError where they differ between λ or methods."""
    names = [name for methods in list(found.values())[:1] for name in next(iter(methods.values()))]
    if any(list(scores) != names for methods in found.values() for scores in methods.values()):
        raise ConfigurationError(f"score() of {family} returns different scores at different λ; return the same names")
    return names


def policies(surrogate: "Surrogate", score: Harvest) -> dict[Value, dict[str, Policy]]:
    """The policy of every method that has one at every held-out λ, ascending; none without networks in the harvest."""
    if score.networks is None:
        return {}
    networks = dict(zip(score.values, score.networks, strict=True))
    held_out = sorted((v for v in networks if numbers(v) not in surrogate.mesh.vertices), key=numbers)
    situations = [PolicySituation(surrogate, networks, value) for value in held_out]
    answers = [(at.value, [(m.name, m.policy(at)) for m in all_methods() if m.policy is not None]) for at in situations]
    return {value: {name: policy for name, policy in found if policy is not None} for value, found in answers}


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
