"""Errors of all methods, on the same samples.

At every held-out λ each method gives a sample at the conditions of the score samples at one anchor, and that is
compared with the score samples at λ. The anchor is the left one of λ's interval; with several hyperparameters the
nearest one. Where networks are stochastic and travel with the score harvest, starts and truth are drawn afresh
`redraws − 1` times beyond the harvest's own draws, and all figures are averaged. The anchors are scored too, each
reached from the one before it, or from its parent in the mesh's tree from the first anchor, which is not scored; the
surrogate is asked just beside an anchor there, inside a cell of both (below it, with one hyperparameter), so that a
discontinuity of its curve at the anchor counts as an error.

Methods that are fitted are judged by `pipeline.evaluation.rivals`, on the same samples.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Tree, Value
from pipeline.data.values import numbers, value_of
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.coupled import Coupled
from pipeline.evaluation.crossings import count_crossings
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Paired, Situation
from pipeline.evaluation.places import Place
from pipeline.evaluation.rounds import Draws, Route, check_anchors_in, draws_of, routes, score_of
from pipeline.evaluation.scores import Evaluation, Score
from pipeline.evaluation.served import SAMPLE, served_by
from pipeline.storage.progress import counting
from pipeline.transport.coupling import Coupling

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


def evaluate(surrogate: "Surrogate", score: Harvest, redraws: int = 1, seed: int = 0) -> Evaluation:
    """Score a surrogate and all methods that are not fitted, on a harvest of its anchors and the held-out λ.

    redraws counts where the networks are stochastic and travel with the harvest; else it is 1. Raises DataError where
    the harvest lacks an anchor, HyperparameterError where it holds a λ outside the anchors' hull, FitError where the
    surrogate's outputs are not finite.
    """
    check_anchors_in(score, surrogate.mesh)
    comparison = Comparison.of(score, deterministic=surrogate.deterministic)
    found, fresh = routes(surrogate.mesh, score.values), draws_of(score, comparison, redraws, seed)
    with counting("values of λ", len(fresh) * len(found)) as done:
        rounds = [_one_round(surrogate, draws, found, done) for draws in fresh]
    scores = [Score.mean(cell) for cell in zip(*rounds, strict=True)]
    anchors = [value_of(vertex) for vertex in surrogate.mesh.vertices]
    return Evaluation(
        comparison.kind,
        comparison.measure,
        len(rounds),
        tuple(s for s in scores if s.hyperparameter not in anchors),
        tuple(s for s in scores if s.hyperparameter in anchors),
        served_by(surrogate, score),
        count_crossings(surrogate, score, comparison),
        tuple(column.name for column in score.schema.hyperparameters),
        tuple(value for value in score.values if in_broken(surrogate, value)),
    )


def in_broken(surrogate: "Surrogate", value: Value) -> bool:
    """Whether λ lies inside a broken interval; these are of one hyperparameter."""
    at = numbers(value)[0]
    return any(b.broken and b.anchors[0] < at < b.anchors[1] for b in surrogate.barriers or ())


def _one_round(
    surrogate: "Surrogate", draws: Draws, found: dict[Value, Route], done: Callable[[], None]
) -> list[Score]:
    comparison, values, mesh = draws.comparison, draws.score.values, surrogate.mesh
    ends = tuple(draws.truth(values.index(value_of(vertex))) for vertex in mesh.vertices)
    coupling = cache(lambda one, other: comparison.coupling(ends[one], ends[other]))
    coupled = cache(lambda tree: Paired(Coupled.along(tree, coupling), dict(enumerate(ends))))
    served = served_by(surrogate, draws.score)
    known_pairs = served == SAMPLE and surrogate.networks is not None and not comparison.deterministic
    scores = []
    for value, route in found.items():
        index = values.index(value)
        matched = cache(partial(matched_pairs, surrogate, ends[route.start], draws.own_seed(index)))
        pairs = matched if known_pairs else coupled
        situation = Situation(
            surrogate=surrogate,
            comparison=comparison,
            value=value,
            own=route.own,
            linear=route.linear,
            start=route.start,
            ends=ends,
            paired=partial(_paired, pairs),
            fresh=draws.second(index),
            served=served,
            seed=draws.own_seed(index),
        )
        truth = ends[mesh.vertices.index(numbers(value))] if situation.at_anchor else draws.truth(index)
        scores += _scores(situation, truth)
        done()
    return scores


def _paired(pairs: Callable[[Tree], Paired], place: Place) -> Paired:
    return pairs(tuple(place.tree))


def matched_pairs(surrogate: "Surrogate", start: Sample, seed: int, tree: Tree) -> Paired:
    """Draws of the networks of a tree's anchors, at the conditions of `start`, that the surrogate pairs row by row."""
    anchors = sorted({anchor for edge in tree for anchor in edge})
    outputs = surrogate.matched(start.conditions, anchors, seed=seed)
    count = len(start.conditions)
    weight = np.full(count, 1 / count) if start.weight is None else start.weight / start.weight.sum()
    pairs = Coupling(np.arange(count), np.arange(count), weight)
    samples = {k: Sample(y[:, 0], start.conditions, start.weight) for k, y in zip(anchors, outputs, strict=True)}
    return Paired(Coupled.along(tree, lambda *_: pairs), samples)


def _scores(situation: Situation, truth: Sample) -> list[Score]:
    """The scores of all methods that answer in a situation."""
    answers = ((m.name, m.sample(situation)) for m in all_methods() if m.sample is not None)
    comparison, value = situation.comparison, situation.value
    return [score_of(comparison, value, name, answer, truth) for name, answer in answers if answer is not None]
