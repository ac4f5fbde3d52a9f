"""The surrogate's error over that of another method, with a paired interval."""

from collections.abc import Sequence

from pipeline.evaluation.gates.metric import Figure
from pipeline.evaluation.methods.method import Method
from pipeline.evaluation.resampling import ratio_interval
from pipeline.evaluation.scores import SURROGATE, Evaluation


def over_best(evaluation: Evaluation, methods: Sequence[Method], floor: str = "") -> Figure | None:
    """Of mean errors over all λ of an evaluation: over the least of the methods'; None where none was scored.

    floor: a method below which nothing can be told apart; where its error is larger, it is what is divided by.
    """
    labels = {m.name: m.label_for(len(evaluation.names)) for m in methods if m.name in evaluation.methods}
    if not labels:
        return None
    name = min(labels, key=evaluation.mean_error)
    if floor in evaluation.methods and evaluation.mean_error(floor) > evaluation.mean_error(name):
        name, labels = floor, {floor: "a second sample of the truth"}
    own, other = evaluation.mean_error(SURROGATE), evaluation.mean_error(name)
    beside = f"{evaluation.measure} {own:.4g}; {labels[name]}: {other:.4g}"
    if other == 0:
        return Figure(1.0 if own == 0 else float("inf"), beside=beside)
    return Figure(own / other, ratio_interval(evaluation, SURROGATE, name), beside)
