"""The four commands on a champion that the stages made: with networks, scores and a certificate."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.evaluation.record import Record
from pipeline.surrogate import Surrogate
from sweep_to_surrogate.__main__ import app
from tests.stages.test_fit import QUICK
from tests.sweeps import make_champion, sweep_config, write_source

pytestmark = pytest.mark.slow
CHAMPION = "models:/small@champion"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A small sweep of forecasters, registered: (config, root)."""
    root = tmp_path_factory.mktemp("checkout")
    config = sweep_config(
        fit={**QUICK, "device": "cpu"}, gates=[{"metric": "tested_values", "comparison": ">=", "limit": 1}]
    )
    write_source(root)
    make_champion(config, root)
    return config, root


@pytest.fixture
def call(checkout, monkeypatch):
    _, root = checkout
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def table(checkout, tmp_path):
    config, root = checkout
    surrogate = Surrogate.load(root / config.folder / "surrogate")
    names = [column.name for column in surrogate.schema.conditions]
    rows = np.random.default_rng(0).normal(10, 2, (30, len(names)))
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "x.csv", index=False)
    return surrogate, tmp_path / "x.csv", rows


def test_inspect_has_the_scores_of_the_registered_run(checkout, call):
    config, root = checkout
    told = json.loads(call("inspect", CHAMPION, "--json").stdout)
    record = Record.read(root / config.folder / "validation" / "metrics.json")
    assert told["scores"]["mean_errors"] == record.mean
    assert told["scores"]["at_held_out"] == record.surrogate
    assert [region["low"] for region in told["certificate"]] == [region.low for region in record.certificate]
    text = call("inspect", CHAMPION).stdout
    assert "errors in the mean over held-out λ" in text
    assert "certificate" in text


def test_sample_explain_and_recommend_answer(call, table, tmp_path):
    surrogate, source, rows = table
    name, output = surrogate.schema.hyperparameter.name, surrogate.schema.outputs[0].name
    low, high = surrogate.anchors[0], surrogate.anchors[-1]
    at = f"{name}={(low + high) / 2}"
    done = call("sample", "--model", CHAMPION, "--conditions", source, "--at", at, "--output", tmp_path / "y.parquet")
    assert done.exit_code == 0, done.output
    found = pd.read_parquet(tmp_path / "y.parquet")
    expected = surrogate.sample(rows, (low + high) / 2)[:, 0]
    names = [column.name for column in surrogate.schema.outputs]
    np.testing.assert_allclose(found[names].to_numpy(), expected, rtol=1e-5, atol=1e-5)
    assert call("explain", CHAMPION, "--conditions", source, "--png", tmp_path / "course.png").exit_code == 0
    objective = f'"{output}"'
    base = ("recommend", CHAMPION, "--conditions", source, "--objective", objective, "--output")
    assert call(*base, tmp_path / "least.csv").exit_code == 0
    assert call(*base, tmp_path / "most.csv", "--maximise").exit_code == 0
    least, most = (pd.read_csv(tmp_path / f"{which}.csv") for which in ("least", "most"))
    means = {v: surrogate.sample(rows, v)[:, 0, 0].mean() for v in (low, (low + high) / 2, high)}
    assert least["objective"][0] <= min(means.values()) + 1e-4
    assert most["objective"][0] >= max(means.values()) - 1e-4
