"""Drift: the errors of a registered surrogate on fresh samples, against those that it was registered with.

Both are computed alike (`pipeline.evaluation.evaluate`): at the same λ, with as many conditions and draws, by the same
distance. At λ the surrogate has drifted where its fresh error is more than `threshold` times the registered one, and
more than chance explains: both errors are means of n and n₀ parts that scatter by σ, so that by chance they differ by
t σ √(1/n + 1/n₀) at most, with t the 97.5 % quantile of Student's distribution of n − 1 degrees. Parts are the errors
at single conditions; where these are fewer than FEWEST, those of single redraws; with one part the threshold decides
alone. σ is that of the fresh parts, since of the registered ones only the mean was kept.
Errors below SLIGHT of the outputs' variance are rounding, and no drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.stats import t as student

from pipeline.data.mesh import Value
from pipeline.data.values import numbers
from pipeline.errors import DataError
from pipeline.evaluation.resampling import COVERAGE, FEWEST
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score

if TYPE_CHECKING:
    from pipeline.evaluation.record import Record
    from pipeline.evaluation.record_rows import ScoreRecord

SLIGHT = 1e-9
THRESHOLD = 1.5


@dataclass(frozen=True)
class Figure:
    """The surrogate's error at one λ, as registered and afresh.

    value: λ in words. margin: how far the two may differ by chance; None where there is one part alone. spread: of the
    fresh truth over that of the registered one; None where that was 0.
    """

    value: str
    registered: float
    fresh: float
    margin: float | None
    spread: float | None
    drifted: bool

    @property
    def ratio(self) -> float:
        """The fresh error over the registered one; infinite where only that was 0."""
        if self.registered:
            return self.fresh / self.registered
        return float("inf") if self.fresh else 1.0


@dataclass(frozen=True)
class Drift:
    """What became of a version's errors. measure: what they are. seed: of the fresh conditions.

    sampled: where the fresh samples come from, in words. version: of the registered model.
    """

    model: str
    version: int
    measure: str
    threshold: float
    seed: int
    sampled: str
    figures: tuple[Figure, ...]

    @property
    def drifted(self) -> bool:
        """Whether the surrogate has drifted at any λ."""
        return any(figure.drifted for figure in self.figures)

    @property
    def verdict(self) -> str:
        """In a sentence, with what it was decided by."""
        where = "; ".join(figure.value for figure in self.figures if figure.drifted)
        found = f"has drifted at {where}" if where else "has not drifted"
        worst = max(self.figures, key=lambda figure: figure.ratio)
        return (
            f"Version {self.version} of {self.model} {found}: its {self.measure} is at most {worst.ratio:.3g} times "
            f"what was registered, at {worst.value}; drift is more than {self.threshold:g} times, beyond chance."
        )

    @classmethod
    def of(cls, record: "Record", fresh: Evaluation, threshold: float = THRESHOLD) -> Self:
        """Compare a fresh evaluation with the record of the registration; model and version are for the caller to say.

        Judged are the held-out λ that both have; where nothing was held out, the anchors. Raises DataError where they
        share none, or errors are not of one kind.
        """
        if record.measure != fresh.measure:
            raise DataError(
                f"errors were registered as {record.measure}, the fresh ones are {fresh.measure}: the harvests are not "
                "alike (draws, shared conditions, sizes of groups); set harvest as it was and run the sweep again"
            )
        figures = [
            _figure(then, now, record.redraws, fresh.words(now.hyperparameter), threshold)
            for then, now in _pairs(record, fresh)
        ]
        if not figures:
            raise DataError("the registered errors and the fresh ones share no λ: run the sweep again, and register it")
        return cls("", 0, fresh.measure, threshold, 0, "", tuple(figures))


def _pairs(record: "Record", fresh: Evaluation) -> "list[tuple[ScoreRecord, Score]]":
    """The surrogate's scores of both, λ by λ: at the held-out λ, else at the anchors."""
    for role, now in (("held_out", fresh.held_out), ("anchor", fresh.anchors)):
        then: dict[Value, ScoreRecord] = {
            record.value(score.hyperparameter): score
            for score in record.scores
            if score.role == role and score.method == SURROGATE
        }
        pairs = [(then[s.hyperparameter], s) for s in _own(now) if s.hyperparameter in then]
        if pairs:
            return pairs
    return []


def _own(scores: Sequence[Score]) -> list[Score]:
    return sorted((s for s in scores if s.method == SURROGATE), key=lambda s: numbers(s.hyperparameter))


def _figure(then: "ScoreRecord", now: Score, redraws: int, words: str, threshold: float) -> Figure:
    """redraws: those of the registered error."""
    margin = _margin(now, redraws)
    chance = margin is not None and now.error - then.error <= margin
    slight = now.error <= SLIGHT * now.truth_spread**2
    return Figure(
        words,
        then.error,
        now.error,
        margin,
        now.truth_spread / then.truth_spread if then.truth_spread else None,
        now.error > threshold * then.error and not chance and not slight,
    )


def _margin(now: Score, redraws: int) -> float | None:
    """How far a fresh error and a registered one, of as many conditions or of some redraws, may differ by chance."""
    enough = len(now.by_condition) >= FEWEST
    parts = np.array(now.by_condition if enough else now.by_redraw)
    if len(parts) < 2:
        return None
    then = len(parts) if enough else redraws
    quantile = student.ppf((1 + COVERAGE) / 2, len(parts) - 1)
    return float(quantile * parts.std(ddof=1) * np.sqrt(1 / len(parts) + 1 / then))
