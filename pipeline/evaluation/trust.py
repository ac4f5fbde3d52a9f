"""Whether the surrogate's uncertainty keeps its word: its coverage at the held-out λ, and how it ranks errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.values import numbers
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.left_out import prediction_errors
from pipeline.evaluation.uncertainty import Array, Movement, Uncertainty
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


class Checked(NamedTuple):
    """Conditions (N, C), and whether outputs there (N, D), or draws (N, 1), lie within the bound."""

    conditions: NDArray[np.floating]
    covered: NDArray[np.bool_]


@dataclass(frozen=True)
class Trust:
    """An uncertainty, and what became of it where the truth is known.

    coverage: the share of outputs (of draws: of conditions) within the bound at every held-out λ. predicted: the root
    of the mean u² there. rank_correlation: Spearman's, of u² with squared errors over all conditions and held-out λ;
    None where there are fewer than three, or all are equal. checked: at which conditions, and which outputs there were
    within the bound.
    """

    uncertainty: Uncertainty
    coverage: tuple[tuple[Value, float], ...] = ()
    predicted: tuple[tuple[Value, float], ...] = ()
    rank_correlation: float | None = None
    checked: Mapping[Value, Checked] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, uncertainty: Uncertainty, surrogate: "Surrogate", score: Harvest) -> Self:
        """Ask the surrogate at the held-out λ of a score harvest; of one hyperparameter."""
        checked: dict[Value, Checked] = {}
        predicted, pairs = [], []
        for value in score.hyperparameter.tolist():
            found = None if value in surrogate.anchors else prediction_errors(surrogate, score, value)
            if found is None:
                continue
            conditions, movement, errors = found
            squared = uncertainty.squared(movement)
            checked[value] = Checked(conditions, uncertainty.covers(movement, errors))
            predicted.append((value, float(np.sqrt(squared.mean()))))
            pairs.append((squared.mean(1), errors.mean(1)))
        coverage = tuple((value, float(rows.covered.mean())) for value, rows in checked.items())
        return cls(uncertainty, coverage, tuple(predicted), _rank_correlation(pairs), checked)

    def band(self, surrogate: "Surrogate") -> Callable[[Sample, Value], FloatArray] | None:
        """The half width (n, D) around a served sample at λ: 0 at anchors; None of draws, whose bound is a distance."""
        if not self.uncertainty.deterministic:
            return None

        def width(sample: Sample, value: Value) -> FloatArray:
            (at,) = numbers(value)
            if at in surrogate.anchors:
                return np.zeros_like(sample.outputs)
            return self.uncertainty.bound(Movement.of(surrogate, sample.conditions, at))

        return width

    @property
    def mean_coverage(self) -> float | None:
        """Over the held-out λ; None where nothing is held out."""
        return float(np.mean([share for _, share in self.coverage])) if self.coverage else None


def _rank_correlation(pairs: list[tuple[Array, Array]]) -> float | None:
    predicted, errors = (
        (np.concatenate([np.zeros(0), *side]) for side in zip(*pairs, strict=True)) if pairs else ((), ())
    )
    if len(errors) < 3 or np.ptp(errors) == 0 or np.ptp(predicted) == 0:
        return None
    return float(spearmanr(predicted, errors).statistic)
