"""Errors of all methods, on the same samples.

At every held-out λ each method gives a sample at the conditions of the score samples at the left anchor of λ's
interval, and that is compared with the score samples at λ. Where networks are stochastic and travel with the score
harvest, starts and truth are drawn afresh `redraws − 1` times beyond the harvest's own draws, and all figures are
averaged. The anchors are scored too, each reached from the one before it; the surrogate is asked just below an anchor
there, so that a discontinuity of its curve at the anchor counts as an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.errors import DataError
from pipeline.evaluation.comparison import Comparison, Sample, thin
from pipeline.evaluation.crossings import count_crossings
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Situation
from pipeline.evaluation.scores import Evaluation, Score
from pipeline.evaluation.served import served_by

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


def evaluate(surrogate: "Surrogate", score: Harvest, redraws: int = 1, seed: int = 0) -> Evaluation:
    """Score a surrogate and all other methods on a harvest of its anchors and the held-out λ.

    redraws counts where the networks are stochastic and travel with the harvest; else it is 1. Raises DataError where
    the harvest lacks an anchor, HyperparameterError where it holds a λ outside the anchors' range, FitError where the
    surrogate's outputs are not finite.
    """
    if missing := [a for a in surrogate.anchors if a not in score.hyperparameter]:
        raise DataError(
            f"the score harvest lacks the anchors {missing} (it holds {score.hyperparameter.tolist()}); "
            "harvest every anchor of the surrogate"
        )
    comparison = Comparison.of(score, deterministic=surrogate.deterministic)
    fresh = score.networks is not None and not surrogate.deterministic
    rounds = [
        _one_round(surrogate, _Draws(score, comparison, seed, number, fresh))
        for number in range(redraws if fresh else 1)
    ]
    scores = [Score.mean(cell) for cell in zip(*rounds, strict=True)]
    return Evaluation(
        comparison.kind,
        comparison.measure,
        len(rounds),
        tuple(s for s in scores if s.hyperparameter not in surrogate.anchors),
        tuple(s for s in scores if s.hyperparameter in surrogate.anchors),
        served_by(surrogate, score),
        count_crossings(surrogate, score, comparison),
    )


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


def _one_round(surrogate: "Surrogate", draws: _Draws) -> list[Score]:
    comparison, anchors = draws.comparison, surrogate.anchors
    values = draws.score.hyperparameter.tolist()
    ends = tuple(draws.truth(values.index(anchor)) for anchor in anchors)
    couplings = tuple(comparison.coupling(left, right) for left, right in pairwise(ends))
    served = served_by(surrogate, draws.score)
    scores = []
    for index, value in enumerate(values):
        if value == anchors[0]:
            continue
        inner = value not in anchors
        situation = Situation(
            surrogate=surrogate,
            comparison=comparison,
            value=value,
            interval=Anchors(anchors).interval(value) if inner else anchors.index(value) - 1,
            ends=ends,
            couplings=couplings,
            fresh=draws.second(index),
            served=served,
            seed=draws.own_seed(index),
        )
        truth = draws.truth(index) if inner else ends[anchors.index(value)]
        scores += _scores(situation, truth)
    return scores


def _scores(situation: Situation, truth: Sample) -> list[Score]:
    """The scores of all methods that answer in a situation."""
    answers = ((m.name, m.sample(situation)) for m in all_methods() if m.sample is not None)
    comparison, value = situation.comparison, situation.value
    return [_score(comparison, value, name, answer, truth) for name, answer in answers if answer is not None]


def _score(comparison: Comparison, value: float, method: str, sample: Sample, truth: Sample) -> Score:
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
