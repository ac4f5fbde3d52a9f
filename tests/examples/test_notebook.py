"""The notebook runs from beginning to end, and says what it promises."""

import json
import re

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from tests.paths import CHECKOUT

NOTEBOOK = CHECKOUT / "examples" / "consumer.ipynb"


def test_it_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.fixture(scope="module")
def outputs():
    """What every cell of code puts out, as text, by its first line."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(CHECKOUT)}}).execute()
    return {cell.source.splitlines()[0]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def printed(outputs):
    return "".join(
        output.get("text", "") for output in outputs if output.output_type == "stream" and output.name == "stdout"
    )


@pytest.mark.slow
def test_the_notebook(outputs):
    refused = printed(outputs["from mlflow.exceptions import MlflowException"]).splitlines()
    assert len(refused) == 3
    assert "temperatur" in refused[2]
    for line in printed(outputs["from examples.own_family import fitted"]).splitlines():
        temperature, price = map(float, re.findall(r"[\d.]+", line))
        exact = np.clip(abs(20 - temperature) / 2 - 1, 0, 3)
        assert abs(price - exact) < 0.5
    shown = [o for o in outputs["import matplotlib.pyplot as plt"] if "image/png" in o.get("data", {})]
    assert len(shown) == 1
