"""Wall seconds in which the surrogate gives 1,000 answers, in one call, on this machine."""

from typing import TYPE_CHECKING

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric
from pipeline.evaluation.scores import SURROGATE

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


def _figure(judgement: "Judgement", _: tuple[Value, ...]) -> Figure | None:
    seconds = [cost.ask for cost in judgement.costs if cost.method == SURROGATE]
    return Figure(seconds[0]) if seconds else None


METRIC = Metric("answer_seconds", "the seconds for 1,000 answers", _figure, values=None)
