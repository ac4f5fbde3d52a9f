"""The report: one HTML file that needs nothing else, with its pictures beside it as PNGs, in a folder of their own."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.data.harvest import Harvest
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.evaluate import FLOOR, LABELS, Evaluation
from pipeline.evaluation.features import FEATURE_MMD, FEATURE_W2
from pipeline.evaluation.results import Facts
from pipeline.evaluation.task import METHODS, TASK_LABELS, TaskTable
from pipeline.report.pictures import draw_pictures
from pipeline.report.style import Picture, figure_text, number
from pipeline.storage.atomic import atomic_folder

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

REPORT_FILE = "report.html"
PICTURES = "pictures"
TEMPLATE = "report.html.jinja"

COMPARISONS = {
    "paired": "The networks are deterministic, and the values share their conditions: the mean squared error, row by "
    "row.",
    "conditional": "The networks are stochastic, with several draws a condition: the exact squared 2-Wasserstein "
    "distance within every condition, averaged over the conditions.",
    "joint": "There is one draw a condition, or the values do not share their conditions: the exact squared "
    "2-Wasserstein distance of outputs and conditions together (continuous conditions scaled to the outputs' mean "
    "standard deviation, categories kept apart).",
}


def write_report(
    folder: Path,
    surrogate: "Surrogate",
    score: Harvest,
    evaluation: Evaluation,
    decision: Decision,
    facts: Facts,
    task: Sequence[TaskTable] = (),
) -> Path:
    """Draw all pictures and write the folder (atomically, replacing what was there); returns the HTML's path."""
    with atomic_folder(folder) as temporary:
        (temporary / PICTURES).mkdir()
        pictures = draw_pictures(surrogate, score, evaluation, temporary / PICTURES)
        units = score.schema.outputs[0].units
        html = render(evaluation, decision, facts, pictures, temporary / PICTURES, units, task)
        (temporary / REPORT_FILE).write_text(html, encoding="utf-8")
    return folder / REPORT_FILE


def render(
    evaluation: Evaluation,
    decision: Decision,
    facts: Facts,
    pictures: Sequence[Picture],
    folder: Path,
    units: str = "",
    task: Sequence[TaskTable] = (),
) -> str:
    """The HTML text; the pictures' PNGs are read from `folder`, and `units` are the outputs'."""
    environment = Environment(
        loader=PackageLoader("pipeline.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "figure": figure_text}
    return environment.get_template(TEMPLATE).render(
        evaluation=evaluation,
        decision=decision,
        facts=facts,
        labels=LABELS,
        task=task,
        task_methods=METHODS,
        task_labels=TASK_LABELS,
        feature_names=(FEATURE_W2, FEATURE_MMD),
        floor=FLOOR,
        units=units,
        comparison=COMPARISONS[evaluation.comparison],
        best={value: _best(evaluation, value) for value in evaluation.hyperparameters},
        best_mean=min(_competitors(evaluation), key=evaluation.mean_error, default=""),
        pictures=[(p, base64.b64encode((folder / p.file).read_bytes()).decode()) for p in pictures],
    )


def _competitors(evaluation: Evaluation) -> list[str]:
    return [method for method in evaluation.methods if method != FLOOR]


def _best(evaluation: Evaluation, value: float) -> str:
    return min(_competitors(evaluation), key=lambda method: evaluation.at(method, value).error)
