"""The record of a validation, metrics.json: written by validation, read by registration and by the flow.

Numbers for the table of `dvc metrics show` are in mappings; what would make it too long (every score, digests,
sentences) is in lists, which DVC leaves out. λ is a number; of several hyperparameters a mapping, {name: number}, and
`quantile=0.1,noise=0.5` where it is a key.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, ValidationError

from pipeline.clocks.bases import CALIBRATED
from pipeline.data.mesh import Value
from pipeline.data.values import in_words, named, numbers
from pipeline.errors import BundleError
from pipeline.evaluation.decision import Decision, Verdict
from pipeline.evaluation.record_rows import (
    BarrierRecord,
    BestAnchorRecord,
    CandidateRecord,
    CrossingsRecord,
    DecisionRecord,
    Digest,
    Frozen,
    MethodRecord,
    Named,
    NextRecord,
    RecommendationRecord,
    ScoreRecord,
    StandingRecord,
    TaskRecord,
    TrustRecord,
)
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json
from pipeline.surrogate.regions import Region

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement
    from pipeline.evaluation.scores import Evaluation, Score
    from pipeline.evaluation.standings import Standing
    from pipeline.evaluation.task_table import TaskTable

COLUMNS = ("role", "hyperparameter", "method", "error", "spread", "truth_spread")
"""Of errors.csv; the distances beside the error follow by their names, then, where there are several, the numbers of
the hyperparameters by theirs (the column hyperparameter is λ in words)."""


class Record(Frozen):
    """The content of metrics.json.

    mean: errors by method in the mean over the held-out λ. surrogate: its error at each. standings: every method's mean
    and worst error, with intervals. recommendation: the method that they recommend. served: how the surrogate was
    queried, by `sample` or by `transport`. candidates: what the fit chose variant and clock from; caveats: what that
    comparison cannot say. crossings: for sweeps whose outputs increase with λ. task_mean, task: for families with
    scores or features of their own; task_errors: standard errors over episodes, and best_anchors, where the family
    gives episodes. barriers: what mixtures of neighbouring anchors' networks score, where that was looked for. next:
    the λ to train next, where one can be named.
    Where there are several hyperparameters: hyperparameters, their names; order, in which draws are coupled and paths
    nested; order_effect, how far answers depend on it (see `Surrogate.order_effect`).
    """

    recorded: DecisionRecord = Field(alias="decision")
    measure: str
    clock: str
    redraws: int
    mean: dict[str, float]
    surrogate: dict[str, float]
    scores: tuple[ScoreRecord, ...]
    digests: tuple[Digest, ...]
    comparison: str
    variant: str
    solver: str
    served: str
    methods: tuple[MethodRecord, ...]
    standings: tuple[StandingRecord, ...] = ()
    recommendation: RecommendationRecord | None = None
    candidates: tuple[CandidateRecord, ...] = ()
    caveats: tuple[str, ...] = ()
    crossings: CrossingsRecord | None = None
    task_mean: dict[str, dict[str, float]] | None = None
    task: tuple[TaskRecord, ...] | None = None
    task_errors: tuple[TaskRecord, ...] | None = None
    best_anchors: tuple[BestAnchorRecord, ...] | None = None
    barriers: tuple[BarrierRecord, ...] | None = None
    trust: TrustRecord | None = None
    certificate: tuple[Region, ...] | None = None
    next_: NextRecord | None = Field(default=None, alias="next")
    hyperparameters: tuple[str, ...] | None = None
    order: tuple[str, ...] | None = None
    order_effect: float | None = None

    @classmethod
    def of(cls, judgement: "Judgement") -> Self:
        """The record of what was found."""
        evaluation, facts, tables = judgement.evaluation, judgement.facts, judgement.task
        return cls.model_validate(
            {
                "decision": _decision(judgement.decision),
                "measure": evaluation.measure,
                "clock": facts.clock,
                "redraws": evaluation.redraws,
                "mean": {method: evaluation.mean_error(method) for method in evaluation.methods},
                "surrogate": {evaluation.words(value): error for value, error in evaluation.surrogate.items()},
                "scores": [_figures(evaluation, role, score) for role, score in _scores(evaluation)],
                "digests": [{"of": of, "sha256": digest} for of, digest in facts.digests.items()],
                "comparison": evaluation.comparison,
                "variant": facts.variant,
                "solver": facts.solver,
                "served": evaluation.served,
                "methods": [
                    {"name": m.name, "label": m.label_for(len(facts.names)), "role": m.role} for m in judgement.methods
                ],
                "standings": [_standing(standing, facts.names) for standing in judgement.standings],
                "recommendation": _recommendation(judgement),
                "candidates": [vars(row) for row in facts.compared.rows],
                "caveats": facts.compared.caveats,
                "crossings": None if evaluation.crossings is None else vars(evaluation.crossings),
                "task_mean": {table.name: table.means() for table in tables} if tables else None,
                "task": [
                    {"name": table.name, "hyperparameter": named(value, table.names), **scores}
                    for table in tables
                    for value, scores in table.rows
                ]
                if tables
                else None,
                "task_errors": _task_errors(tables),
                "best_anchors": _best_anchors(tables),
                "barriers": tuple(map(BarrierRecord.of, facts.barriers)) or None,
                "trust": None if judgement.trust is None else TrustRecord.of(judgement.trust),
                "certificate": judgement.regions or None,
                "next": None if judgement.next_value is None else NextRecord.of(judgement.next_value),
                "hyperparameters": facts.names if len(facts.names) > 1 else None,
                "order": facts.order or None,
                "order_effect": facts.order_effect,
            }
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read metrics.json; BundleError where it is missing or holds no validation."""
        document = read_json(path, "validation")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise BundleError(f"{path} is not a valid metrics file; run the validate stage again: {error}") from error

    def write(self, path: Path) -> None:
        """Write metrics.json; what does not apply to the sweep is left out."""
        write_json(path, self.model_dump(mode="json", by_alias=True, exclude_none=True))

    @property
    def decision(self) -> Decision:
        """Whether the surrogate may become champion, and why."""
        verdicts = tuple(Verdict(v.gate, v.passed, v.sentence, v.figure) for v in self.recorded.gates)
        return Decision(self.recorded.promote, *self.recorded.reason, verdicts)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The certificate, as a surrogate carries it."""
        return self.certificate or ()

    def value(self, given: Named) -> Value:
        """A λ of the record, as a number or a tuple of P numbers."""
        return tuple(given[name] for name in self.hyperparameters or given) if isinstance(given, dict) else given

    def words(self, given: Named) -> str:
        """A λ of the record in words."""
        return in_words(self.value(given), self.hyperparameters or ())

    @property
    def held_out(self) -> tuple[ScoreRecord, ...]:
        """The scores at the held-out λ."""
        return tuple(score for score in self.scores if score.role == "held_out")

    @property
    def labels(self) -> dict[str, str]:
        """Every method's label by its name."""
        return {method.name: method.label for method in self.methods}

    @property
    def choice(self) -> str:
        """Variant and clock in use; and from how many each was chosen, where anchors were left out to choose them."""
        judged = [c.kind for c in self.candidates if c.error is not None and c.kind in ("variant", "clock")]
        variants, clocks = judged.count("variant"), judged.count("clock")
        variant = f"{self.variant} (of {variants} variants)" if variants > 1 else self.variant
        how = ", by left-out anchors" if judged else ", no anchor left out"
        if CALIBRATED in self.clock:
            return f"{variant}{how if self.candidates else ''}; clock {self.clock}, by outcomes"
        clock = f"{self.clock} (of {clocks} clocks)" if clocks > 1 else self.clock
        return f"{variant}, clock {clock}{how if self.candidates else ''}"

    @property
    def broken(self) -> tuple[str, ...]:
        """A sentence for every broken interval."""
        return tuple(barrier.verdict for barrier in self.barriers or () if barrier.broken)

    def figures(self) -> dict[str, dict[str, float] | dict[str, dict[str, float]]]:
        """Errors by method in the mean over the held-out λ, and error and distances at each, method by method."""
        by_method: dict[str, dict[str, dict[str, float]]] = {}
        for score in self.held_out:
            for name, figure in ({"error": score.error} | score.distances).items():
                by_method.setdefault(name, {}).setdefault(score.method, {})[self.words(score.hyperparameter)] = figure
        return {"mean_error": self.mean, **by_method}


def _recommendation(judgement: "Judgement") -> dict[str, object] | None:
    found = judgement.recommendation
    return None if found is None else {"method": found.method, "sentence": [found.sentence]}


def _standing(standing: "Standing", names: Sequence[str]) -> dict[str, object]:
    cost = standing.cost
    seconds = {} if cost is None else {"fit_seconds": cost.fit, "ask_seconds": cost.ask}
    return vars(standing) | {"worst_at": named(standing.worst_at, names)} | seconds


def _task_errors(tables: Sequence["TaskTable"]) -> list[dict[str, str | Named]] | None:
    """The standard errors of every table that has episodes, λ by λ."""
    found: list[dict[str, str | Named]] = []
    for table in tables:
        for value in table.episodes:
            errors = {m: error for m in table.methods if (error := table.error(m, value)) is not None}
            found.append({"name": table.name, "hyperparameter": named(value, table.names), **errors})
    return found or None


def _best_anchors(tables: Sequence["TaskTable"]) -> list[dict[str, Named]] | None:
    names = tables[0].names if tables else ()
    best = {value: anchor for table in tables for value, anchor in table.best.items()}
    return [{"hyperparameter": named(v, names), "anchor": named(anchor, names)} for v, anchor in best.items()] or None


def _decision(decision: Decision) -> dict[str, object]:
    gates = [vars(verdict) for verdict in decision.verdicts]
    return {"promote": decision.promote, "reason": [decision.reason], "gates": gates}


def _scores(evaluation: "Evaluation") -> list[tuple[str, "Score"]]:
    """Every score with its role."""
    by_role = {"held_out": evaluation.held_out, "left_out": evaluation.left_out, "anchor": evaluation.anchors}
    return [(role, score) for role, scores in by_role.items() for score in scores]


def _figures(evaluation: "Evaluation", role: str, score: "Score") -> dict[str, str | Named]:
    """A score as a row of metrics.json."""
    figures = {column: getattr(score, column) for column in COLUMNS[2:]}
    return {"role": role, "hyperparameter": named(score.hyperparameter, evaluation.names), **figures, **score.distances}


def errors_csv(evaluation: "Evaluation") -> str:
    """The content of errors.csv: a header, then one line a score."""
    taken = [*COLUMNS, *evaluation.distances]
    several = evaluation.names if len(evaluation.names) > 1 else ()
    columns = {name: f"hyperparameter {name}" if name in taken else name for name in several}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*taken, *columns.values()], lineterminator="\n")
    writer.writeheader()
    for role, score in _scores(evaluation):
        row = _figures(evaluation, role, score)
        if columns:
            coordinates = zip(columns.values(), numbers(score.hyperparameter), strict=True)
            row |= {"hyperparameter": evaluation.words(score.hyperparameter), **dict(coordinates)}
        writer.writerow(row)
    return text.getvalue()
