"""What an evaluation found: the scores of every method at every held-out λ, and at the anchors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Value
from pipeline.data.values import in_words, numbers
from pipeline.evaluation.crossings import Crossings
from pipeline.evaluation.distances import Kind

SURROGATE = "surrogate"
"""The name of the method that everything else is compared with."""


@dataclass(frozen=True)
class Score:
    """Figures of one method at one λ.

    hyperparameter: λ, a number, or P of them in the order of `Evaluation.names`. error: the comparison's error (MSE or
    W₂²). spread: of the method's sample; truth_spread: of the truth that it was compared with, in units of the outputs.
    distances: the other distances by their names. by_condition: the error at each condition, in an order that all
    methods share. by_redraw: the error of each redraw.
    """

    hyperparameter: Value
    method: str
    error: float
    spread: float
    truth_spread: float
    distances: Mapping[str, float] = field(default_factory=dict)
    by_condition: tuple[float, ...] = field(default=(), repr=False)
    by_redraw: tuple[float, ...] = field(default=(), repr=False)

    @property
    def spread_ratio(self) -> float | None:
        """The method's spread over the truth's: below 1 where it is too narrow; None where the truth has none."""
        return self.spread / self.truth_spread if self.truth_spread else None

    def at_conditions(self, chosen: NDArray[np.bool_]) -> "Score":
        """The same with the error at some of the conditions (G,) alone; spreads and distances stay those of all."""
        some = tuple(np.array(self.by_condition)[chosen].tolist())
        return replace(self, error=float(np.mean(some)), by_condition=some, by_redraw=())

    @classmethod
    def mean(cls, scores: Sequence["Score"]) -> "Score":
        """The mean over redraws of one method at one λ."""

        def mean(name: str) -> float:
            return float(np.mean([getattr(score, name) for score in scores]))

        first = scores[0]
        distances = {name: float(np.mean([s.distances[name] for s in scores])) for name in first.distances}
        return cls(
            first.hyperparameter,
            first.method,
            mean("error"),
            mean("spread"),
            mean("truth_spread"),
            distances,
            tuple(np.mean([s.by_condition for s in scores], axis=0).tolist()),
            tuple(score.error for score in scores),
        )


@dataclass(frozen=True)
class Evaluation:
    """All scores of a surrogate: at the held-out λ, and at the anchors.

    comparison: how samples are compared; measure: the label of the error. redraws: how many draws of starts and truth
    the figures are means of. served: whether the surrogate was queried by `sample` or by `transport`. names: of the
    hyperparameters. broken: the held-out λ inside intervals whose mixtures are ruinous, where the surrogate is an
    anchor's own network (`pipeline.surrogate.barriers`). left_out: the scores at interior anchors of what was fitted
    without them (`pipeline.evaluation.left_out`).
    """

    comparison: Kind
    measure: str
    redraws: int
    held_out: tuple[Score, ...]
    anchors: tuple[Score, ...]
    served: str = "sample"
    crossings: Crossings | None = None
    names: tuple[str, ...] = ()
    broken: tuple[Value, ...] = ()
    left_out: tuple[Score, ...] = ()

    def outside_broken(self) -> "Evaluation":
        """The same without the held-out λ inside broken intervals."""
        return replace(self, held_out=tuple(s for s in self.held_out if s.hyperparameter not in self.broken), broken=())

    def at_values(self, values: Sequence[Value]) -> "Evaluation":
        """The same with some of the held-out λ alone."""
        return replace(self, held_out=tuple(s for s in self.held_out if s.hyperparameter in values))

    def at_conditions(self, chosen: NDArray[np.bool_]) -> "Evaluation":
        """The same at some of the conditions (G,) that errors are listed by; redraws are not told apart there."""
        return replace(self, held_out=tuple(s.at_conditions(chosen) for s in self.held_out))

    @property
    def at_left_out(self) -> "Evaluation":
        """The same with the left-out anchors in the place of the held-out λ."""
        return replace(self, held_out=self.left_out, left_out=())

    def joined(self, scores: Sequence[Score], order: Sequence[str]) -> "Evaluation":
        """The same with scores of further methods at held-out λ, methods in the order of their names in `order`."""
        every = (*self.held_out, *scores)
        return replace(
            self, held_out=tuple(sorted(every, key=lambda s: (numbers(s.hyperparameter), order.index(s.method))))
        )

    def words(self, value: Value) -> str:
        """A λ in words: `0.5`, or `quantile=0.1,noise=0.5`."""
        return in_words(value, self.names)

    @property
    def hyperparameters(self) -> tuple[Value, ...]:
        """The held-out λ, ascending."""
        return tuple(sorted({score.hyperparameter for score in self.held_out}, key=numbers))

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods that were scored at the held-out λ, in the order of the tables."""
        return tuple(dict.fromkeys(score.method for score in self.held_out))

    @property
    def distances(self) -> tuple[str, ...]:
        """The names of the distances beside the error."""
        return tuple(dict.fromkeys(name for score in (*self.held_out, *self.anchors) for name in score.distances))

    @property
    def surrogate(self) -> dict[Value, float]:
        """The surrogate's error at every held-out λ."""
        return {value: self.at(SURROGATE, value).error for value in self.hyperparameters}

    def at(self, method: str, hyperparameter: Value) -> Score:
        """The score of one method at one held-out λ."""
        return next(s for s in self.held_out if s.method == method and s.hyperparameter == hyperparameter)

    def mean_error(self, method: str) -> float:
        """The mean of a method's error over the held-out λ."""
        return float(np.mean([s.error for s in self.held_out if s.method == method]))

    def by_condition(self, method: str) -> tuple[float, ...]:
        """The mean of a method's error over the held-out λ, condition by condition; () where they differ between λ."""
        return _mean_rows([s.by_condition for s in self.held_out if s.method == method])

    def by_redraw(self, method: str) -> tuple[float, ...]:
        """The mean of a method's error over the held-out λ, redraw by redraw."""
        return _mean_rows([s.by_redraw for s in self.held_out if s.method == method])


def _mean_rows(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The mean of rows of equal lengths; () where they differ."""
    return tuple(np.mean(rows, axis=0).tolist()) if len({len(row) for row in rows}) == 1 else ()
