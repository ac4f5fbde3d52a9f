"""The one table: every method's mean and worst error, and which differences from the surrogate are real."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pipeline.data.mesh import Value
from pipeline.evaluation.findings import Cost
from pipeline.evaluation.resampling import Interval, difference_interval, mean_interval
from pipeline.evaluation.scores import SURROGATE, Evaluation

Verdict = Literal["better", "worse", "not distinguishable", "too few draws", ""]
"""Of a method beside the surrogate: by its errors' difference, whose interval does not contain 0, or does."""


@dataclass(frozen=True)
class Standing:
    """A method's place.

    mean: its error over the held-out λ, and interval: of that mean by conditions, or redraws. worst, worst_at: its
    largest error at one λ. difference: the interval of its mean error minus the surrogate's, paired. verdict: what that
    says; "" of the surrogate itself. cost: where it was timed. Intervals are None where data are too few.
    """

    method: str
    mean: float
    interval: Interval | None
    worst: float
    worst_at: Value
    difference: Interval | None = None
    verdict: Verdict = ""
    cost: Cost | None = None

    @classmethod
    def of(cls, evaluation: Evaluation, method: str, cost: Cost | None = None) -> Self:
        """From the scores at the held-out λ, of which there has to be one."""
        errors = {s.hyperparameter: s.error for s in evaluation.held_out if s.method == method}
        worst_at = max(errors, key=lambda value: errors[value])
        own = method == SURROGATE
        difference = None if own else difference_interval(evaluation, method, SURROGATE)
        return cls(
            method,
            evaluation.mean_error(method),
            mean_interval(evaluation, method),
            errors[worst_at],
            worst_at,
            difference,
            "" if own else _verdict(difference),
            cost,
        )


def standings(evaluation: Evaluation, costs: Sequence[Cost] = ()) -> tuple[Standing, ...]:
    """Every method's, in the order of the tables; none where nothing is held out."""
    known = {cost.method: cost for cost in costs}
    return tuple(Standing.of(evaluation, method, known.get(method)) for method in evaluation.methods)


def _verdict(difference: Interval | None) -> Verdict:
    if difference is None:
        return "too few draws"
    low, high = difference
    return "better" if high < 0 else "worse" if low > 0 else "not distinguishable"
