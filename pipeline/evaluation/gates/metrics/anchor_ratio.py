"""The surrogate's error over that of the best unmoved anchor: a surrogate that is not below 1, surely, does nothing."""

from typing import TYPE_CHECKING

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric, tested
from pipeline.evaluation.gates.ratios import over_best
from pipeline.evaluation.methods.catalog import baselines

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


def _figure(judgement: "Judgement", values: tuple[Value, ...]) -> Figure | None:
    return over_best(tested(judgement).at_values(values), [m for m in baselines() if m.unmoved])


METRIC = Metric("anchor_ratio", "the error over that of the best unmoved anchor", _figure)
