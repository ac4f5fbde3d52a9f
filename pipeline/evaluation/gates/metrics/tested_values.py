"""How many λ the surrogate is judged at: held-out ones outside broken intervals, or else left-out anchors."""

from typing import TYPE_CHECKING

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric, held_out_values, tested_values

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


def _figure(judgement: "Judgement", _: tuple[Value, ...]) -> Figure:
    count = len(tested_values(judgement))
    if count:
        left_out = not held_out_values(judgement)
        return Figure(count, beside="left-out anchors, since nothing is held out" if left_out else "held out")
    if held_out_values(judgement):
        return Figure(0, beside="all held-out values lie in broken intervals; hold out one of another interval")
    return Figure(0, beside="nothing is held out, and no anchor could be left out; hold out a value")


METRIC = Metric("tested_values", "the number of tested values", _figure, values=None)
