"""The gates of params.yaml: which metric may be how large, and where along λ. Imports no mathematics."""

import pkgutil
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline.evaluation.gates import metrics
from pipeline.settings import Section
from pipeline.storage.yaml_text import sections

Scope = Literal["mean", "worst"]


def metric_names() -> tuple[str, ...]:
    """The names of all metrics, which are those of their modules."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(metrics.__path__)))


def _known(name: str) -> str:
    if name not in metric_names():
        raise ValueError(f"there is no metric {name!r}; choose one of {', '.join(metric_names())}")
    return name


class GateSection(Section):
    """A gate: `metric` `comparison` `limit`.

    scope: the mean over the tested λ; the worst of them; or [low, high], the worst of those from low to high. Metrics
    that do not depend on λ have the same figure in every scope.

    A figure with an interval passes `<=` and `>=` unless the whole interval is beyond the limit, and `<` and `>` only
    where the whole interval is on the right side: noise alone neither bars a surrogate nor makes it a winner.
    """

    metric: Annotated[str, AfterValidator(_known)]
    comparison: Literal["<", "<=", ">", ">="]
    limit: float = Field(allow_inf_nan=False)
    scope: Scope | tuple[float, float] = "mean"

    @model_validator(mode="after")
    def _region_ascends(self) -> Self:
        if isinstance(self.scope, tuple) and not self.scope[0] < self.scope[1]:
            raise ValueError(f"scope = {list(self.scope)} of metric {self.metric!r}: write [low, high], ascending")
        return self

    @property
    def upper(self) -> bool:
        """Whether the limit is one that figures may not exceed."""
        return self.comparison in ("<", "<=")

    @property
    def where(self) -> str:
        """The scope in words."""
        if isinstance(self.scope, str):
            return {"mean": "in the mean", "worst": "at worst"}[self.scope]
        return f"at worst from {self.scope[0]:g} to {self.scope[1]:g}"

    @property
    def limits(self) -> str:
        """The comparison and the limit in words."""
        words = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}
        return f"{words[self.comparison]} {self.limit:g}"

    def passes(self, value: float, interval: tuple[float, float] | None = None) -> bool:
        """Whether a figure passes, with its 95 % interval where there is one."""
        low, high = interval or (value, value)
        match self.comparison:
            case "<=":
                return min(value, low) <= self.limit
            case "<":
                return max(value, high) < self.limit
            case ">=":
                return max(value, high) >= self.limit
            case ">":
                return min(value, low) > self.limit


MOST_WORSE, FEWEST_COVERED, MOST_BEHIND = 1.5, 0.75, 2.0
"""At one λ: error over that of the best quick method, share of truths covered, standard errors of a task's score."""

DEFAULTS: tuple[tuple[GateSection, str], ...] = (
    (GateSection(metric="tested_values", comparison=">=", limit=1), "held-out λ, or left-out anchors"),
    (GateSection(metric="anchor_ratio", comparison="<", limit=1), "error over an unmoved anchor's: surely less"),
    (
        GateSection(metric="error_ratio", comparison="<=", limit=1.03),
        "over the best quick method's: as good, but for noise",
    ),
    (GateSection(metric="error_ratio", comparison="<=", limit=MOST_WORSE, scope="worst"), "and at no λ much worse"),
    (GateSection(metric="outside_bounds", comparison="<=", limit=0, scope="worst"), "share beyond columns' bounds"),
    (
        GateSection(metric="coverage", comparison=">=", limit=FEWEST_COVERED),
        'of truths, by the "90 %" band',
    ),
    (
        GateSection(metric="task_shortfall", comparison="<=", limit=MOST_BEHIND, scope="worst"),
        "of its score below both anchors', in standard errors",
    ),
    (GateSection(metric="answer_seconds", comparison="<=", limit=10), "for 1,000 conditions"),
    (GateSection(metric="bundle_mib", comparison="<=", limit=500), "of the surrogate on disk"),
)
"""The gates where params.yaml names none, each with what it asks."""

DEFAULT_GATES = tuple(gate for gate, _ in DEFAULTS)

HEADING = "# Written by `make sweep` where it was missing: what a surrogate has to pass to become champion.\n"


def with_gates(text: str) -> str:
    """params.yaml's text with the default gates, where it is a sweep and has no section `gates`."""
    loaded = sections(text)
    if not loaded or "gates" in loaded:
        return text
    lines = [(_line(gate), told) for gate, told in DEFAULTS]
    width = max(len(line) for line, _ in lines)
    section = "".join(f"  - {line:<{width}}  # {told}\n" for line, told in lines)
    return f"{text.rstrip()}\n{HEADING}gates:\n{section}"


def _line(gate: GateSection) -> str:
    scope = "" if gate.scope == "mean" else f", scope: {gate.scope}"
    return f'{{metric: {gate.metric}, comparison: "{gate.comparison}", limit: {gate.limit:g}{scope}}}'
