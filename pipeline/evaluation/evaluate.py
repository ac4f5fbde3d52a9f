"""Errors of all methods, on the same samples.

At every held-out λ each method gives a sample at the conditions of the score samples at one anchor, and that is
compared with the score samples at λ. The anchor is the left one of λ's interval; with several hyperparameters the
nearest one. Where networks are stochastic and travel with the score harvest, starts and truth are drawn afresh
`redraws − 1` times beyond the harvest's own draws, and all figures are averaged. The anchors are scored too, each
reached from the one before it, or from its parent in the mesh's tree from the first anchor, which is not scored; the
surrogate is asked just beside an anchor there, inside a cell of both (below it, with one hyperparameter), so that a
discontinuity of its curve at the anchor counts as an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Mesh, Value
from pipeline.data.values import numbers, value_of
from pipeline.errors import DataError
from pipeline.evaluation.comparison import Comparison, Sample, thin
from pipeline.evaluation.coupled import Coupled
from pipeline.evaluation.crossings import count_crossings
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Situation
from pipeline.evaluation.places import Place, linear_mesh, nearest, place_between, place_of
from pipeline.evaluation.scores import Evaluation, Score
from pipeline.evaluation.served import served_by

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


def evaluate(surrogate: "Surrogate", score: Harvest, redraws: int = 1, seed: int = 0) -> Evaluation:
    """Score a surrogate and all other methods on a harvest of its anchors and the held-out λ.

    redraws counts where the networks are stochastic and travel with the harvest; else it is 1. Raises DataError where
    the harvest lacks an anchor, HyperparameterError where it holds a λ outside the anchors' hull, FitError where the
    surrogate's outputs are not finite.
    """
    anchors = [value_of(vertex) for vertex in surrogate.mesh.vertices]
    if missing := [a for a in anchors if a not in score.values]:
        raise DataError(
            f"the score harvest lacks the anchors {missing} (it holds {list(score.values)}); "
            "harvest every anchor of the surrogate"
        )
    comparison = Comparison.of(score, deterministic=surrogate.deterministic)
    fresh = score.networks is not None and not surrogate.deterministic
    routes = _routes(surrogate.mesh, score.values)
    rounds = [
        _one_round(surrogate, _Draws(score, comparison, seed, number, fresh), routes)
        for number in range(redraws if fresh else 1)
    ]
    scores = [Score.mean(cell) for cell in zip(*rounds, strict=True)]
    return Evaluation(
        comparison.kind,
        comparison.measure,
        len(rounds),
        tuple(s for s in scores if s.hyperparameter not in anchors),
        tuple(s for s in scores if s.hyperparameter in anchors),
        served_by(surrogate, score),
        count_crossings(surrogate, score, comparison),
        tuple(column.name for column in score.schema.hyperparameters),
        tuple(value for value in score.values if _in_broken(surrogate, value)),
    )


def _in_broken(surrogate: "Surrogate", value: Value) -> bool:
    """Whether λ lies inside a broken interval; these are of one hyperparameter."""
    at = numbers(value)[0]
    return any(b.broken and b.anchors[0] < at < b.anchors[1] for b in surrogate.barriers or ())


@dataclass(frozen=True, eq=False)
class _Route:
    """How a λ is reached. own, linear, start: as of `Situation`."""

    own: Place
    linear: Place
    start: int


def _routes(mesh: Mesh, values: tuple[Value, ...]) -> dict[Value, _Route]:
    """The routes to all λ but the first anchor, in their order."""
    straight, parents = linear_mesh(mesh), {child: parent for parent, child in mesh.tree(0)}
    routes = {}
    for value in values:
        place = numbers(value)
        if place not in mesh.vertices:
            own = place_of(mesh, place)
            start = own.corners[0] if len(place) == 1 else nearest(mesh, place)
            routes[value] = _Route(own, place_of(straight, place), start)
        elif (vertex := mesh.vertices.index(place)) in parents:
            own = place_between(mesh, parents[vertex], vertex)
            routes[value] = _Route(own, own, parents[vertex])
    return routes


@dataclass(frozen=True, eq=False)
class _Draws:
    """The samples of one round: in the first the truth is the harvest itself; all else comes from its networks."""

    score: Harvest
    comparison: Comparison
    seed: int
    number: int
    fresh: bool

    def truth(self, index: int) -> Sample:
        """The sample that methods are compared with at the λ of that index, or start from."""
        if self.number:
            return self._drawn(index, 0)
        return thin(Sample(self.score.outputs[index], self.score.conditions[index]), self.comparison)

    def second(self, index: int) -> Callable[[], Sample] | None:
        """A function that draws another sample of the same network; None without networks, or without draws."""
        return partial(self._drawn, index, 1) if self.fresh else None

    def own_seed(self, index: int) -> int:
        """A seed for a method's own draws."""
        return int(np.random.SeedSequence([self.seed, self.number, index, 2]).generate_state(1)[0])

    def _drawn(self, index: int, which: int) -> Sample:
        assert self.score.networks is not None
        x = self.score.conditions[index]
        entropy = int(np.random.SeedSequence([self.seed, self.number, index, which]).generate_state(1)[0])
        return thin(Sample(self.score.networks[index].outputs(x, 1, entropy)[:, 0], x), self.comparison)


def _one_round(surrogate: "Surrogate", draws: _Draws, routes: dict[Value, _Route]) -> list[Score]:
    comparison, values, mesh = draws.comparison, draws.score.values, surrogate.mesh
    ends = tuple(draws.truth(values.index(value_of(vertex))) for vertex in mesh.vertices)
    coupling = cache(lambda one, other: comparison.coupling(ends[one], ends[other]))
    coupled = cache(lambda tree: Coupled.along(tree, coupling))
    served = served_by(surrogate, draws.score)
    scores = []
    for value, route in routes.items():
        index = values.index(value)
        situation = Situation(
            surrogate=surrogate,
            comparison=comparison,
            value=value,
            own=route.own,
            linear=route.linear,
            start=route.start,
            ends=ends,
            coupled=lambda place: coupled(tuple(place.tree)),
            fresh=draws.second(index),
            served=served,
            seed=draws.own_seed(index),
        )
        truth = ends[mesh.vertices.index(numbers(value))] if situation.at_anchor else draws.truth(index)
        scores += _scores(situation, truth)
    return scores


def _scores(situation: Situation, truth: Sample) -> list[Score]:
    """The scores of all methods that answer in a situation."""
    answers = ((m.name, m.sample(situation)) for m in all_methods() if m.sample is not None)
    comparison, value = situation.comparison, situation.value
    return [_score(comparison, value, name, answer, truth) for name, answer in answers if answer is not None]


def _score(comparison: Comparison, value: Value, method: str, sample: Sample, truth: Sample) -> Score:
    errors = comparison.errors(sample, truth)
    return Score(
        hyperparameter=value,
        method=method,
        error=float(np.mean(errors)),
        spread=comparison.spread(sample),
        truth_spread=comparison.spread(truth),
        distances={d.name: comparison.distance(d, sample, truth) for d in comparison.distances[1:]},
        by_condition=tuple(errors.tolist()),
    )
