"""What a metric of the gates is. A new one is one module of `metrics/` with a `METRIC` of the module's name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.mesh import Value
from pipeline.evaluation.resampling import Interval
from pipeline.evaluation.scores import Evaluation

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


@dataclass(frozen=True)
class Figure:
    """A metric's value, its 95 % interval where there is one, and what belongs to it, in brackets of a sentence."""

    value: float
    interval: Interval | None = None
    beside: str = ""


def tested(judgement: "Judgement") -> Evaluation:
    """The scores that a surrogate is judged by: at the held-out λ, or at left-out anchors where nothing is held out.

    Held-out λ inside broken intervals are left out: there the surrogate is an anchor's own network, on purpose, because
    mixtures are ruinous however near they come to the truth's outputs.
    """
    evaluation = judgement.evaluation
    return evaluation.outside_broken() if evaluation.hyperparameters else evaluation.at_left_out


def tested_values(judgement: "Judgement") -> tuple[Value, ...]:
    """The λ of `tested`, ascending."""
    return tested(judgement).hyperparameters


def unbroken_values(judgement: "Judgement") -> tuple[Value, ...]:
    """The held-out λ outside broken intervals, ascending."""
    return judgement.evaluation.outside_broken().hyperparameters


def held_out_values(judgement: "Judgement") -> tuple[Value, ...]:
    """All held-out λ, those inside broken intervals too, ascending."""
    return judgement.evaluation.hyperparameters


@dataclass(frozen=True)
class Metric:
    """A metric.

    name: in params.yaml. label: what it is, in a sentence. figure: its value in the mean over some λ, or None where it
    does not apply to the sweep. values: the λ that it may be asked at; None where it does not depend on λ.
    """

    name: str
    label: str
    figure: Callable[["Judgement", tuple[Value, ...]], Figure | None]
    values: Callable[["Judgement"], tuple[Value, ...]] | None = tested_values
