"""The page of a surrogate as HTML: one file, with its data and its script, that asks nobody for anything."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import ChoiceLoader, PackageLoader
from markupsafe import Markup

from pipeline.page.shown import Shown
from pipeline.report.embedded import embedded
from pipeline.report.html import SCRIPT, environment, hash_of
from pipeline.report.style import label
from pipeline.storage.atomic import write_text

TEMPLATE = "page.html.jinja"


def render(shown: Shown, name: str) -> str:
    """The HTML text. name: the title."""
    surrogate, script = shown.surrogate, resources.files("pipeline.report").joinpath(SCRIPT).read_text(encoding="utf-8")
    columns = surrogate.schema.hyperparameters
    html = environment([column.name for column in columns])
    html.loader = ChoiceLoader([PackageLoader("pipeline.page", "."), PackageLoader("pipeline.report", ".")])
    return html.get_template(TEMPLATE).render(
        name=name,
        facts={"hyperparameter": _listed([label(column) for column in columns])},
        several=len(columns) > 1,
        explorer=shown.explorer,
        explorer_data=embedded(shown.document),
        script=Markup(script),
        script_hash=hash_of(script),
        regions=surrogate.certificate,
        digest=surrogate.digest,
        live=shown.live,
        extent=shown.extent,
    )


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def write_page(path: Path, shown: Shown, name: str) -> Path:
    """Write the page that works offline (atomically); returns its path."""
    write_text(path, render(shown, name))
    return path
