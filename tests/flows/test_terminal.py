import io

import pytest
from rich.console import Console

from flows.report import Validation
from flows.terminal import _tables
from pipeline.evaluation.methods.catalog import all_methods

METHODS = [method.label for method in all_methods() if method.sample is not None]


@pytest.mark.parametrize("values", [1, 5, 6, 8, 30])
def test_every_figure_is_shown_whole_within_eighty_characters(values):
    names = [f"0.{10 + i}" for i in range(values)]
    rows = tuple((m, *(f"{1 + i + 100 * k}.25" for i in range(values + 1))) for k, m in enumerate(METHODS))
    stream = io.StringIO()
    for table in _tables(Validation("MSE", ("method", *names, "mean"), rows)):
        Console(file=stream, width=80).print(table)
    shown = stream.getvalue().replace("│", " ").replace("┃", " ").split()
    assert {*names, *" ".join(METHODS).split(), "mean"} <= {*shown}
    assert {figure for row in rows for figure in row[1:]} <= {*shown}
    assert max(map(len, stream.getvalue().splitlines())) <= 80
