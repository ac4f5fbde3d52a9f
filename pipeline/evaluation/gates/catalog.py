"""All metrics, found in their folder, and the decision that a list of gates makes together."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from pipeline.data.mesh import Value
from pipeline.data.values import in_words, numbers
from pipeline.errors import ConfigurationError
from pipeline.evaluation.decision import Decision, Verdict
from pipeline.evaluation.gates import metrics
from pipeline.evaluation.gates.config import GateSection, metric_names
from pipeline.evaluation.gates.metric import Figure, Metric
from pipeline.evaluation.gates.metrics.error_ratio import METRIC as BESIDE
from pipeline.evaluation.modules import registered

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


def all_metrics() -> dict[str, Metric]:
    """Every metric by its name, which is that of its module."""
    found = tuple(registered(metrics, "METRIC", Metric))
    if (names := tuple(metric.name for metric in found)) != metric_names():
        raise ConfigurationError(f"metrics {names} are not named as their modules {metric_names()}; rename them")
    return {metric.name: metric for metric in found}


def decide(gates: Sequence[GateSection], judgement: "Judgement") -> Decision:
    """Promote where every gate that applies passes; the reason says what those say that do not.

    Of a promoted surrogate, it says how it stands beside the best quick method, where a gate asks for that.
    """
    known = all_metrics()
    checked = [_verdict(gate, known[gate.metric], judgement) for gate in gates]
    verdicts = tuple(verdict for verdict in checked if verdict is not None)
    failed = [verdict.sentence for verdict in verdicts if not verdict.passed]
    if failed:
        return Decision(False, f"Not promoted: {'; '.join(failed)}.", verdicts)
    if not verdicts:
        return Decision(False, "Not promoted: no gate applies to this sweep; list some in params.yaml.", verdicts)
    beside = [f"; {verdict.sentence}" for verdict in verdicts if verdict.gate == BESIDE.name]
    every = "the one gate that applies is passed" if len(verdicts) == 1 else f"all {len(verdicts)} gates are passed"
    return Decision(True, f"Promoted: {every}{''.join(beside[:1])}.", verdicts)


def _verdict(gate: GateSection, metric: Metric, judgement: "Judgement") -> Verdict | None:
    """What a gate says; None where its metric does not apply. A region without a tested λ is a fault of the gate."""
    figures = _figures(gate, metric, judgement)
    if metric.values is not None and not figures and metric.values(judgement):
        return Verdict(metric.name, False, f"{metric.label} has no tested value {gate.where}: change the region")
    found = _worst(gate, figures)
    if found is None:
        return None
    value, figure = found
    passed = gate.passes(figure.value, figure.interval)
    interval = "" if figure.interval is None else f" [{figure.interval[0]:.3g}, {figure.interval[1]:.3g}]"
    at = "" if value is None else f" at {in_words(value, judgement.evaluation.names)}"
    where = "" if metric.values is None else f" {gate.where}"
    beside = f" ({figure.beside})" if figure.beside else ""
    sentence = f"{metric.label}{where} is {figure.value:.3g}{interval}{at}{beside}"
    sentence += f", {_limit(gate, figure, passed=passed)}"
    return Verdict(metric.name, passed, sentence, figure.value if isfinite(figure.value) else None)


def _limit(gate: GateSection, figure: Figure, *, passed: bool) -> str:
    """Whether the limit is kept; and where the interval decides against the figure itself, that it does."""
    kept = gate.passes(figure.value)
    if passed:
        return gate.limits if kept else f"within the noise of the limit, {gate.limits}"
    return f"not surely {gate.limits}" if kept else f"not {gate.limits}"


def _figures(gate: GateSection, metric: Metric, judgement: "Judgement") -> list[tuple[Value | None, Figure | None]]:
    if metric.values is None:
        return [(None, metric.figure(judgement, ()))]
    values = metric.values(judgement)
    if gate.scope == "mean":
        return [(None, metric.figure(judgement, values))]
    low, high = (-float("inf"), float("inf")) if gate.scope == "worst" else gate.scope
    inside = [v for v in values if all(low <= number <= high for number in numbers(v))]
    return [(value, metric.figure(judgement, (value,))) for value in inside]


def _worst(
    gate: GateSection, found: Sequence[tuple[Value | None, Figure | None]]
) -> tuple[Value | None, Figure] | None:
    """The figure nearest to failing: one that fails, if any does, and the most extreme of those."""
    figures = [(value, figure) for value, figure in found if figure is not None]

    def badness(entry: tuple[Value | None, Figure]) -> tuple[bool, float]:
        figure = entry[1]
        return not gate.passes(figure.value, figure.interval), figure.value if gate.upper else -figure.value

    return max(figures, key=badness, default=None)
