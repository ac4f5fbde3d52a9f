"""What a validation leaves for machines: metrics.json for DVC and the registry, errors.csv for `dvc plots`."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.data.harvest import Harvest
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.evaluate import SURROGATE, Evaluation, Score
from pipeline.evaluation.task import METHODS, TaskTable

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

COLUMNS = ("role", "hyperparameter", "method", "error", "energy_distance", "spread", "truth_spread")


@dataclass(frozen=True)
class Facts:
    """What was validated. digests: SHA-256 by name (surrogate, fit, score); rows: of the two harvests by name."""

    name: str
    hyperparameter: str
    anchors: tuple[float, ...]
    clock: str
    variant: str
    solver: str
    deterministic: bool
    digests: dict[str, str]
    rows: dict[str, int]

    @classmethod
    def of(cls, name: str, surrogate: "Surrogate", fit: Harvest, score: Harvest) -> "Facts":
        """Collect them from the surrogate and the two harvests."""
        return cls(
            name=name,
            hyperparameter=surrogate.schema.hyperparameter.name,
            anchors=surrogate.anchors,
            clock=surrogate.clock,
            variant=surrogate.config.variant,
            solver=surrogate.config.solver,
            deterministic=surrogate.deterministic,
            digests={"surrogate": surrogate.digest, "fit": fit.digest, "score": score.digest},
            rows={"fit": sum(map(len, fit.outputs)), "score": sum(map(len, score.outputs))},
        )


def metrics(evaluation: Evaluation, decision: Decision, facts: Facts, task: Sequence[TaskTable] = ()) -> dict[str, Any]:
    """The content of metrics.json; task: the scores of a family that has its own.

    Numbers that `dvc metrics show` should list stand in mappings; what would swell its table (every score, the digests,
    the sentence that is the decision's reason) stands in lists, which DVC leaves out.
    """
    held_out = evaluation.hyperparameters
    own = {
        "task_mean": {table.name: {method: table.mean(method) for method in METHODS} for table in task},
        "task": [
            {"name": table.name, "hyperparameter": value, **scores} for table in task for value, scores in table.rows
        ],
    }
    return {
        "decision": {"promote": decision.promote, "reason": [decision.reason]},
        "measure": evaluation.measure,
        "clock": facts.clock,
        "redraws": evaluation.redraws,
        "mean": {method: evaluation.mean_error(method) for method in evaluation.methods},
        "surrogate": {f"{value:g}": evaluation.at(SURROGATE, value).error for value in held_out},
        "scores": [dict(zip(COLUMNS, row, strict=True)) for row in score_rows(evaluation)],
        "digests": [{"of": of, "sha256": digest} for of, digest in facts.digests.items()],
        "comparison": evaluation.comparison,
        "variant": facts.variant,
        "solver": facts.solver,
    } | (own if task else {})


def score_rows(evaluation: Evaluation) -> list[tuple[str | float, ...]]:
    """Every score as a row of COLUMNS; role is "held_out", or "anchor" for the maps between anchors."""

    def row(role: str, score: Score) -> tuple[str | float, ...]:
        return (role, *(getattr(score, column) for column in COLUMNS[1:]))

    return [row("held_out", s) for s in evaluation.held_out] + [row("anchor", s) for s in evaluation.anchors]


def errors_csv(evaluation: Evaluation) -> str:
    """The content of errors.csv: a header, then one line a score."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(score_rows(evaluation))
    return text.getvalue()
