"""Write docs/tables.md from the validations in data/: ``python -m tools.tables [FOLDER ...]``.

FOLDER: other folders of sweeps, laid out as data/ is. Where a sweep is in several, the last one counts.
"""

import re
import sys
from pathlib import Path

from pipeline.data.values import in_words, numbers
from pipeline.evaluation.record import Record
from tools.import_graph import ROOT

PAGE = ROOT / "docs" / "tables.md"
HEAD = """# Tables of the presets

What stage validate says of each preset: decision and gates, certificate, every method with 95 % intervals, the family's
own scores, and the error at every held-out value. Collected from the reports (`report.md`) by `python -m tools.tables`;
what follows from them stands in [results](results.md). Costs are of two cores with other work on them.
"""


def page(folders: list[Path]) -> str:
    """The whole page: a section a sweep."""
    sweeps = {
        path.parents[1].name: path.parent for folder in folders for path in folder.glob("*/validation/metrics.json")
    }
    return "\n".join([HEAD, *(section(sweeps[name]) for name in sorted(sweeps))])


def section(validation: Path) -> str:
    """One sweep: its report a level lower, without the digests, and the errors at every held-out value."""
    report = (validation / "report" / "report.md").read_text(encoding="utf-8").partition("\n## Digests")[0]
    lowered = re.sub(r"^#", "##", report, flags=re.MULTILINE).strip()
    errors = by_value(Record.read(validation / "metrics.json"))
    return "\n\n".join([lowered, *errors]) + "\n"


def by_value(record: Record) -> list[str]:
    """The error of every method at every held-out value; nothing without any."""
    errors = {(s.method, record.value(s.hyperparameter)): s.error for s in record.held_out}
    values = sorted({value for _, value in errors}, key=numbers)
    if not values:
        return []
    head = ["method", *(in_words(value, record.hyperparameters or ()) for value in values)]
    rows = [
        [record.labels[method], *(f"{errors[method, value]:.3g}" for value in values)]
        for method in dict.fromkeys(method for method, _ in errors)
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
    return [f"### {record.measure} at every held-out value", table]


if __name__ == "__main__":
    PAGE.write_text(page([ROOT / "data", *map(Path, sys.argv[1:])]), encoding="utf-8")
