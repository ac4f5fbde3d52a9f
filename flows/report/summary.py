"""Results of a flow run: artifacts for Prefect's user interface, and a summary for the terminal."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from flows.dvc_repo.reproduce import Outcome
from pipeline.data.mesh import Value
from pipeline.data.values import in_words, numbers
from pipeline.evaluation.record import Record
from pipeline.registry.registration import Registration

NOTHING_HELD_OUT = (
    "No value was held out, so there are no errors to show. Hold some out with HELD_OUT=0.25,0.75 beside HARVEST=, "
    "or in params.yaml by leaving some of the values out of sweep.anchors."
)

INSTEAD = "The report is of the surrogate, in whose place a plain method is registered."


def read_registration(folder: Path) -> Registration:
    """The registration of the sweep whose data are in `folder`."""
    document = json.loads((folder / "registration.json").read_text(encoding="utf-8"))
    return Registration(
        **{field.name: document[field.name] for field in fields(Registration) if field.name in document}
    )


@dataclass(frozen=True)
class Validation:
    """The errors of all methods: a row for each method, a column for each held-out value, and their mean.

    measure: what the errors are, as validation calls it. choice: variant and clock in use, and how they were chosen.
    broken: a sentence for every interval in which an anchor's own network is served. next_value: one on the λ to train
    next, where there is one.
    """

    measure: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    choice: str = ""
    broken: tuple[str, ...] = ()
    next_value: str = ""


@dataclass(frozen=True)
class Summary:
    """The end of a run: every stage's outcome, the registered model, its validation, and the readable report."""

    outcomes: tuple[Outcome, ...]
    registration: Registration
    validation: Validation
    report: Path


def read_validation(folder: Path) -> Validation:
    """The table of the held-out errors in metrics.json; without held-out values it has no rows."""
    record = Record.read(folder / "validation" / "metrics.json")
    errors: dict[str, dict[Value, float]] = {}
    for score in record.held_out:
        errors.setdefault(score.method, {})[record.value(score.hyperparameter)] = score.error
    values = sorted({value for row in errors.values() for value in row}, key=numbers)
    rows = (
        (record.labels[method], *(f"{row[value]:.4g}" for value in values), f"{record.mean[method]:.4g}")
        for method, row in errors.items()
    )
    columns = ("method", *(in_words(value, record.hyperparameters or ()) for value in values), "mean")
    following = "" if record.next_ is None else record.next_.sentence
    return Validation(record.measure, columns, tuple(rows), record.choice, record.broken, following)


def summarise(folder: Path, outcomes: Iterable[Outcome]) -> Summary:
    """Collect what the stages wrote to `folder`, the data of one sweep."""
    return Summary(
        tuple(outcomes),
        read_registration(folder),
        read_validation(folder),
        folder / "validation" / "report" / "report.html",
    )


def publish(summary: Summary) -> None:
    """Publish a table of the stages, and the validation as Markdown, as artifacts of the flow run."""
    from prefect.artifacts import create_markdown_artifact, create_table_artifact

    table = [{"stage": o.address, "action": o.action, "seconds": round(o.seconds, 1)} for o in summary.outcomes]
    create_table_artifact(table=table, key="stages", description="Outcome of every stage")
    create_markdown_artifact(markdown=as_markdown(summary), key="surrogate", description="The surrogate and its errors")


def as_markdown(summary: Summary) -> str:
    """The registered model, how it was chosen, the report in Markdown, and a link to its HTML."""
    registration, validation = summary.registration, summary.validation
    report = summary.report.with_suffix(".md").read_text(encoding="utf-8")
    paragraphs = (
        f"`{registration.uri}`",
        registration.reason,
        f"Chosen: {validation.choice}.",
        *(f"Barrier: {sentence}." for sentence in validation.broken),
        *([f"Next: {validation.next_value}."] if validation.next_value else []),
        *([] if validation.rows else [NOTHING_HELD_OUT]),
        *([] if registration.digest in report else [INSTEAD]),
        report.strip(),
        f"Report: [`{summary.report}`]({summary.report.resolve().as_uri()})",
    )
    return "\n\n".join(paragraphs) + "\n"
