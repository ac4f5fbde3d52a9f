"""The report: one self-contained HTML file, its main part in Markdown, and the pictures as PNGs beside them."""

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.values import in_words, numbers
from pipeline.evaluation.compared import Row
from pipeline.evaluation.distances import Distance, distances_of
from pipeline.evaluation.features import FEATURE_MMD, FEATURE_W2
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.methods.best_anchor import BEST_ANCHOR
from pipeline.evaluation.methods.catalog import by_name
from pipeline.evaluation.methods.floor import METHOD as FLOOR
from pipeline.evaluation.resampling import Interval
from pipeline.evaluation.scores import Evaluation
from pipeline.report.embedded import embedded
from pipeline.report.explorer import Explorer, explore
from pipeline.report.pictures import draw_pictures
from pipeline.report.style import Picture, figure_text, label, number
from pipeline.report.versions import versions
from pipeline.storage.atomic import atomic_folder
from pipeline.surrogate.regions import Region

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

REPORT_FILE = "report.html"
PICTURES = "pictures"
TEMPLATE = "report.html.jinja"
MARKDOWN_FILE, MARKDOWN_TEMPLATE = "report.md", "report.md.jinja"
SCRIPT = "explorer.js"

COMPARISONS = {
    "matched": "The networks are deterministic, and the values share their conditions: the mean squared error, row by "
    "row.",
    "conditional": "The networks are stochastic, with several draws a condition: the exact squared 2-Wasserstein "
    "distance within every condition, averaged over the conditions.",
    "joint": "There is one draw a condition, or the values do not share their conditions: the exact squared "
    "2-Wasserstein distance of outputs and conditions together (continuous conditions scaled to the outputs' mean "
    "standard deviation, categories kept apart).",
}


SERVED = {
    "sample": "The surrogate is queried as it is served, by its method sample: between outputs of {around} around the "
    "value, at the condition.",
    "transport": "The surrogate has no networks and does not know these conditions, so it moves the {start} anchor's "
    "samples, by its method transport.",
}


def write_report(folder: Path, surrogate: "Surrogate", score: Harvest, judgement: Judgement) -> Path:
    """Draw all pictures and write the folder (atomically, replacing what was there); returns the HTML's path."""
    with atomic_folder(folder) as temporary:
        (temporary / PICTURES).mkdir()
        pictures = draw_pictures(surrogate, score, judgement.evaluation, temporary / PICTURES)
        band = None if judgement.trust is None else judgement.trust.band(surrogate)
        explorer = explore(surrogate, score, judgement.evaluation, band)
        columns = score.schema.hyperparameters
        units = score.schema.outputs[0].units
        html = render(judgement, pictures, temporary / PICTURES, units, [label(c) for c in columns], explorer)
        (temporary / REPORT_FILE).write_text(html, encoding="utf-8")
        (temporary / MARKDOWN_FILE).write_text(markdown(judgement, units), encoding="utf-8")
    return folder / REPORT_FILE


def render(
    judgement: Judgement,
    pictures: Sequence[Picture],
    folder: Path,
    units: str = "",
    named: Sequence[str] = (),
    explorer: Explorer | str = "",
) -> str:
    """The HTML text; the pictures' PNGs are read from `folder`.

    units are the outputs'; named: the hyperparameters with theirs, else their names alone. explorer: the interactive
    part, or the sentence that stands in its place, if any.
    """
    evaluation = judgement.evaluation
    script = resources.files("pipeline.report").joinpath(SCRIPT).read_text(encoding="utf-8")
    return (
        environment(judgement.facts.names)
        .get_template(TEMPLATE)
        .render(
            evaluation=evaluation,
            decision=judgement.decision,
            recommendation=judgement.recommendation,
            facts=judgement.facts,
            task=judgement.task,
            standings=judgement.standings,
            regions=[
                {**vars(region), "share": _share(region, judgement.facts.anchors)} for region in judgement.regions
            ],
            clusters=judgement.clustered.clusters,
            trust=judgement.trust,
            next_value=judgement.next_value,
            several=len(judgement.facts.names) > 1,
            grid=_grid(judgement.facts),
            feature_names=(FEATURE_W2, FEATURE_MMD),
            floor=FLOOR.name,
            best_anchor=BEST_ANCHOR,
            units=units,
            named=list(named) or judgement.facts.names,
            comparison=COMPARISONS[evaluation.comparison],
            served=_served(evaluation),
            distances=[d for d in _reported(evaluation) if not d.check],
            checks=[d for d in _reported(evaluation) if d.check],
            best={value: _best(evaluation, value) for value in evaluation.hyperparameters},
            best_mean=min(_competitors(evaluation), key=evaluation.mean_error, default=""),
            pictures=[(p, base64.b64encode((folder / p.file).read_bytes()).decode()) for p in pictures],
            explorer=explorer,
            explorer_data="" if isinstance(explorer, str) else embedded(explorer.document),
            script=Markup(script),
            script_hash=hash_of(script),
            versions=versions(),
        )
    )


def markdown(judgement: Judgement, units: str = "") -> str:
    """The verdict, the certificate, the methods and the task's scores as Markdown: for MLflow and Prefect."""
    return (
        environment(judgement.facts.names, escape=False)
        .get_template(MARKDOWN_TEMPLATE)
        .render(
            evaluation=judgement.evaluation,
            decision=judgement.decision,
            recommendation=judgement.recommendation,
            facts=judgement.facts,
            regions=judgement.regions,
            standings=judgement.standings,
            trust=judgement.trust,
            task=judgement.task,
            units=units,
        )
    )


def environment(names: Sequence[str], *, escape: bool = True) -> Environment:
    """What templates are rendered by, with the filters of numbers and of λ; names: of the hyperparameters."""
    made = Environment(
        loader=PackageLoader("pipeline.report", "."),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "figure": figure_text, "percent": _percent, "interval": _interval}
    made.filters |= {"range": _range}
    made.filters |= {"by_heading": _by_heading}
    made.filters |= {"label": lambda method: by_name()[method].label_for(len(names))}
    made.filters |= {"words": lambda value: in_words(value, names) if len(names) > 1 else number(value)}
    return made


def hash_of(script: str) -> str:
    """By what a browser recognises the one script that it may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _reported(evaluation: Evaluation) -> list[Distance]:
    """The figures beside the error."""
    return [d for d in distances_of(evaluation.comparison) if d.name in evaluation.distances]


def _served(evaluation: Evaluation) -> str:
    several = len(evaluation.names) > 1
    around, start = ("the anchors", "nearest") if several else ("both anchors", "left")
    return SERVED[evaluation.served].format(around=around, start=start)


def _competitors(evaluation: Evaluation) -> list[str]:
    known = by_name()
    return [method for method in evaluation.methods if known[method].role != "reference"]


def _best(evaluation: Evaluation, value: Value) -> str:
    return min(_competitors(evaluation), key=lambda method: evaluation.at(method, value).error)


def _by_heading(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Candidates by what they are candidates for: with several hyperparameters each has its clocks."""
    return {
        heading: [row for row in rows if row.heading == heading] for heading in dict.fromkeys(r.heading for r in rows)
    }


def _grid(facts: Facts) -> tuple[list[float], ...] | None:
    """The values of every hyperparameter of which the anchors are all combinations; None for scattered anchors."""
    points = [numbers(anchor) for anchor in facts.anchors]
    values = tuple(sorted(set(column)) for column in zip(*points, strict=True))
    return values if prod(map(len, values)) == len(points) else None


def _interval(error: float | None) -> str:
    """± two standard errors; nothing where there are none."""
    return "" if error is None else f" ± {figure_text(2 * error)}"


def _range(interval: Interval | None) -> str:
    """An interval in square brackets; nothing where there is none."""
    return "" if interval is None else f"[{figure_text(interval[0])}, {figure_text(interval[1])}]"


def _share(region: Region, anchors: Sequence[Value]) -> float:
    """A region's length where every interval between two anchors has length 1, as on the slider."""
    axis = Anchors(tuple(a for (a,) in map(numbers, anchors)))

    def place(value: float) -> float:
        k = axis.interval(value)
        left, right = axis.values[k : k + 2]
        return k + (value - left) / (right - left)

    return place(region.high) - place(region.low)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
