"""Errors of the surrogate and of the plain methods, all on the same samples.

For every held-out λ, the score samples at the left anchor of its interval are moved to λ by each method and compared
with the score samples at λ. Where networks are stochastic and travel with the score harvest, starts and truth are drawn
afresh `redraws − 1` times beyond the harvest's own draws, all figures are averaged, and a second fresh sample of the
truth, of the same size, is scored like a method: the floor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.errors import DataError, FitError
from pipeline.evaluation.baselines import straight_line
from pipeline.evaluation.comparison import Comparison, Sample, thin
from pipeline.evaluation.comparison import Kind as ComparisonKind

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

SURROGATE, FLOOR = "surrogate", "floor"
BASELINES = ("straight_line", "nearest_anchor", "left_anchor")
LABELS = {
    SURROGATE: "surrogate",
    "straight_line": "straight line, linear clock",
    "nearest_anchor": "nearest anchor",
    "left_anchor": "left anchor, unmoved",
    FLOOR: "floor (fresh truth)",
}


@dataclass(frozen=True)
class Score:
    """Figures of one method at one λ.

    error: MSE or W₂², in squared units of the outputs. energy_distance: in their units. spread: of the method's sample;
    truth_spread: of the truth it was compared with, in units of the outputs.
    """

    hyperparameter: float
    method: str
    error: float
    energy_distance: float
    spread: float
    truth_spread: float


@dataclass(frozen=True)
class Evaluation:
    """All scores of a surrogate: at the held-out λ, and of its maps from each anchor to the next.

    measure: the name of the error. redraws: how many draws of starts and truth the figures are means of.
    """

    comparison: ComparisonKind
    measure: str
    redraws: int
    held_out: tuple[Score, ...]
    anchors: tuple[Score, ...]

    @property
    def hyperparameters(self) -> tuple[float, ...]:
        """The held-out λ, ascending."""
        return tuple(sorted({score.hyperparameter for score in self.held_out}))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that were scored at the held-out λ, in the order of LABELS."""
        present = {score.method for score in self.held_out}
        return tuple(method for method in LABELS if method in present)

    def at(self, method: str, hyperparameter: float) -> Score:
        """The score of one method at one held-out λ."""
        return next(s for s in self.held_out if s.method == method and s.hyperparameter == hyperparameter)

    def mean_error(self, method: str) -> float:
        """The mean of a method's error over the held-out λ."""
        return float(np.mean([s.error for s in self.held_out if s.method == method]))


def evaluate(surrogate: "Surrogate", score: Harvest, redraws: int = 1, seed: int = 0) -> Evaluation:
    """Score a surrogate on a harvest of its anchors and the held-out λ.

    redraws counts where the networks are stochastic and travel with the harvest; else it is 1. Raises DataError where
    the harvest lacks an anchor, HyperparameterError where it holds a λ outside the anchors' range, FitError where the
    surrogate's outputs are not finite.
    """
    if missing := [a for a in surrogate.anchors if a not in score.hyperparameter]:
        raise DataError(
            f"the score harvest lacks the anchors {missing} (it holds {score.hyperparameter.tolist()}); "
            "harvest every anchor of the surrogate"
        )
    comparison = Comparison.of(score, surrogate.deterministic)
    fresh = score.networks is not None and not surrogate.deterministic
    rounds = [
        _one_round(surrogate, score, comparison, _sampler(score, comparison, seed, round_), fresh)
        for round_ in range(redraws if fresh else 1)
    ]
    scores = [_average(cell) for cell in zip(*rounds, strict=True)]
    inner = [s for s in scores if s.hyperparameter not in surrogate.anchors]
    ends = [s for s in scores if s.hyperparameter in surrogate.anchors]
    return Evaluation(comparison.kind, comparison.measure, len(rounds), tuple(inner), tuple(ends))


def move(surrogate: "Surrogate", sample: Sample, source: float, target: float) -> Sample:
    """A sample of the anchor λ = source, transported to λ = target; FitError where that is not finite."""
    outputs = surrogate.transport(sample.outputs, sample.conditions, source, target)
    if not np.isfinite(outputs).all():
        raise FitError(
            f"the surrogate's outputs at hyperparameter {target}, from {source}, are not finite; "
            "refit it with other settings"
        )
    return Sample(outputs, sample.conditions, sample.weight)


_Draw = Callable[[int, int], Sample]
"""(index of λ in the score harvest, which independent draw) → sample."""


def _sampler(score: Harvest, comparison: Comparison, seed: int, round_: int) -> _Draw:
    """Round 0, draw 0 is the harvest's own samples; all others come from its networks, at the same conditions."""

    def draw(index: int, which: int) -> Sample:
        x = score.conditions[index]
        if round_ == 0 and which == 0:
            return thin(Sample(score.outputs[index], x), comparison)
        assert score.networks is not None
        entropy = int(np.random.SeedSequence([seed, round_, index, which]).generate_state(1)[0])
        return thin(Sample(score.networks[index].outputs(x, 1, entropy)[:, 0], x), comparison)

    return draw


def _one_round(surrogate: "Surrogate", score: Harvest, comparison: Comparison, draw: _Draw, fresh: bool) -> list[Score]:
    anchors = surrogate.anchors
    of = Anchors(anchors)
    values = score.hyperparameter.tolist()
    ends = [draw(values.index(anchor), 0) for anchor in anchors]
    couplings = [comparison.coupling(left, right) for left, right in pairwise(ends)]
    scores = []
    for index, value in enumerate(values):
        if value == anchors[0]:
            continue
        # An anchor is reached from the one before it: that is the quality of the map.
        k = anchors.index(value) - 1 if value in anchors else of.interval(value)
        samples = {SURROGATE: move(surrogate, ends[k], anchors[k], value), "left_anchor": ends[k]}
        if value not in anchors:
            line = straight_line(ends[k], ends[k + 1], couplings[k], of.position(value))
            samples |= {"straight_line": line, "nearest_anchor": ends[of.nearest(value)]}
        if fresh:
            samples[FLOOR] = draw(index, 1)
        truth = ends[anchors.index(value)] if value in anchors else draw(index, 0)
        scores += [_score(comparison, value, m, samples[m], truth) for m in LABELS if m in samples]
    return scores


def _score(comparison: Comparison, value: float, method: str, sample: Sample, truth: Sample) -> Score:
    return Score(
        hyperparameter=value,
        method=method,
        error=comparison.error(sample, truth),
        energy_distance=comparison.energy_distance(sample, truth),
        spread=comparison.spread(sample),
        truth_spread=comparison.spread(truth),
    )


def _average(scores: Sequence[Score]) -> Score:
    def mean(field: str) -> float:
        return float(np.mean([getattr(score, field) for score in scores]))

    figures = {field: mean(field) for field in ("error", "energy_distance", "spread", "truth_spread")}
    return Score(scores[0].hyperparameter, scores[0].method, **figures)
