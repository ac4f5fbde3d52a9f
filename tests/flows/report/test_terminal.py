import io
import subprocess
import sys

import pytest
from rich.console import Console

from flows.report.summary import Summary, Validation, as_markdown
from flows.report.terminal import _tables, show
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.registry.registration import Registration

METHODS = [method.label for method in all_methods() if method.sample is not None]


@pytest.mark.parametrize("values", [1, 5, 6, 8, 30])
@pytest.mark.parametrize("name", ["0.{}", "quantile=0.{},noise=0.75"])
def test_every_figure_is_shown_whole_within_eighty_characters(name, values):
    names = [name.format(10 + i) for i in range(values)]
    rows = tuple((m, *(f"{1 + i + 100 * k}.25" for i in range(values + 1))) for k, m in enumerate(METHODS))
    stream = io.StringIO()
    for table in _tables(Validation("MSE", ("method", *names, "mean"), rows)):
        Console(file=stream, width=80).print(table)
    shown = stream.getvalue().replace("│", " ").replace("┃", " ").split()
    titles = " ".join(names).replace(",", ", ").split()  # a line for each hyperparameter
    assert {*titles, *" ".join(METHODS).split(), "mean"} <= {*shown}
    assert {figure for row in rows for figure in row[1:]} <= {*shown}
    assert max(map(len, stream.getvalue().splitlines())) <= 80


def test_a_broken_interval_is_told(capsys, tmp_path):
    validation = Validation("MSE", ("method", "mean"), (), "K_I", ("broken between 0 and 1: train 0.5 to mend it",))
    registration = Registration("therapy", 1, "models:/therapy/1", "0" * 64, False, "no champion")
    (tmp_path / "report.md").write_text("# therapy: not fit for use\n")
    summary = Summary((), registration, validation, tmp_path / "report.html")
    show(summary)
    assert "Barrier broken between 0 and 1: train 0.5 to mend it" in capsys.readouterr().out
    assert "Barrier: broken between 0 and 1" in as_markdown(summary)
    assert "\n\n# therapy: not fit for use\n\nReport: " in as_markdown(summary)


def test_the_terminal_of_a_run_costs_no_import_of_torch():
    code = "import sys, flows.report.terminal, flows.unchanged; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
