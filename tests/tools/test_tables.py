"""docs/tables.md: what it collects."""

from pathlib import Path

import pytest

from pipeline.evaluation.decision import Decision
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import Record
from pipeline.report.html import markdown
from tests.evaluation.oracles import ConstantVelocity, forecast_harvest
from tools.tables import page


@pytest.fixture
def data(tmp_path) -> Path:
    harvest = forecast_harvest()
    surrogate = ConstantVelocity(schema=harvest.schema, deterministic=True)
    for name in ("second", "first"):
        facts = Facts.of(name, surrogate, harvest, harvest)
        judgement = Judgement(evaluate(surrogate, harvest), Decision(True, f"Promoted: {name}."), facts)
        folder = tmp_path / name / "validation"
        (folder / "report").mkdir(parents=True)
        (folder / "report" / "report.md").write_text(markdown(judgement))
        Record.of(judgement).write(folder / "metrics.json")
    return tmp_path


def test_it_has_a_section_a_sweep_with_the_error_at_every_value(data):
    text = page([data])
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## first: fit for use",
        "## second: fit for use",
    ]
    assert "### Everything that one could do instead" in text
    assert "Digests" not in text
    assert "### MSE at every held-out value" in text
    assert "| method | 0.25 | 0.75 |" in text
    surrogate = next(
        line for line in text.partition("### MSE at every held-out value")[2].splitlines() if "| surrogate" in line
    )
    assert [float(cell) for cell in surrogate.split("|")[2:4]] == pytest.approx([0, 0], abs=1e-9)


def test_of_a_sweep_in_two_folders_the_last_counts(data, tmp_path):
    later = tmp_path / "later" / "first" / "validation"
    (later / "report").mkdir(parents=True)
    (later / "metrics.json").write_bytes((data / "first" / "validation" / "metrics.json").read_bytes())
    (later / "report" / "report.md").write_text("# first: not fit for use\n\n## Digests\n")
    assert "## first: not fit for use" in page([data, tmp_path / "later"])
