"""The surrogate's error over the larger of two: the best quick method's error, and the floor.

A surrogate at the floor cannot be told from the truth by these samples, and is no worse than any line: a line between
two samples averages their noise away, and may lie below the floor. Dear methods, which run where they are asked for,
bar nothing.
"""

from typing import TYPE_CHECKING

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric, tested
from pipeline.evaluation.gates.ratios import over_best
from pipeline.evaluation.methods.catalog import baselines
from pipeline.evaluation.methods.floor import METHOD as FLOOR
from pipeline.evaluation.scores import Evaluation

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


def error_ratio(evaluation: Evaluation) -> Figure | None:
    """In the mean over all λ of an evaluation; None where no quick method was scored."""
    return over_best(evaluation, [m for m in baselines() if m.cost == "quick"], floor=FLOOR.name)


def _figure(judgement: "Judgement", values: tuple[Value, ...]) -> Figure | None:
    return error_ratio(tested(judgement).at_values(values))


METRIC = Metric("error_ratio", "the error over that of the best quick method", _figure)
