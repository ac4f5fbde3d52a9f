import json
import re

import numpy as np
import pandas as pd
import pytest

from pipeline.data.harvest import Harvest
from pipeline.page import live
from pipeline.page.truth import score_harvest
from tests.page.pages import TRIANGLE, made
from tests.sweep_to_surrogate.conftest import CHAMPION

DATA = re.compile(r'<script type="application/json" id="explorer-data">(.*?)</script>', re.DOTALL)


def data_of(path):
    return json.loads(DATA.search(path.read_text(encoding="utf-8"))[1])


def test_a_page_of_a_registered_model_needs_nothing_else(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("page", CHAMPION)
    assert done.exit_code == 0, done.output
    assert "page.html: " in done.stdout
    assert "no held-out truth" in done.stdout
    data = data_of(tmp_path / "page.html")
    assert not data["live"]
    assert [column["name"] for column in data["columns"]] == ["category"]
    assert len(data["given"]) >= 1


def test_conditions_of_a_file_are_the_pages(call, bundle, conditions, tmp_path):
    done = call("page", bundle, "--conditions", conditions, "--output", tmp_path / "own.html")
    assert done.exit_code == 0, done.output
    assert data_of(tmp_path / "own.html")["given"] == [[0], [1], [2], [3]]


@pytest.fixture
def truth(fitted_surrogate, tmp_path):
    """A harvest of the anchors, and of one λ between two of them."""
    surrogate = fitted_surrogate
    values = sorted([*surrogate.anchors, 0.5 * sum(surrogate.anchors[:2])])
    x = np.array([[0.0], [3.0]])
    outputs = [surrogate.sample(x, value, draws=4, seed=7) for value in values]
    harvest = Harvest.from_arrays(values, outputs, x, schema=surrogate.schema)
    harvest.save(tmp_path / "data" / "known" / "dataset" / "score")
    return values


def test_the_truth_is_found_in_the_checkout_that_registered_the_model(
    call, fitted_surrogate, truth, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    registration = tmp_path / "data" / "known" / "registration.json"
    registration.write_text(json.dumps({"digest": "of another"}))
    assert score_harvest(tmp_path, fitted_surrogate.digest) is None
    registration.write_text(json.dumps({"digest": fitted_surrogate.digest}))
    done = call("page", CHAMPION)
    assert "truth from data/known/dataset/score" in done.stdout
    data = data_of(tmp_path / "page.html")
    (axis,) = data["axes"]
    held_out = [value for value in truth if value not in fitted_surrogate.anchors]
    assert [axis["values"][i] for i in data["heldOut"]] == held_out


@pytest.mark.parametrize(
    ("table", "message"),
    [({"other": [1]}, "columns ['category'] are missing"), ({"category": []}, "at least one row")],
)
def test_conditions_that_cannot_be_used(call, bundle, tmp_path, table, message):
    pd.DataFrame(table).to_csv(tmp_path / "x.csv", index=False)
    done = call("page", bundle, "--conditions", tmp_path / "x.csv")
    assert done.exit_code == 1
    assert message in done.output


def test_scattered_anchors_are_served_and_no_file(call, tmp_path, monkeypatch):
    shown, _ = made(TRIANGLE, (), coordinates=2)
    shown.surrogate.save(tmp_path / "scattered")
    pd.DataFrame({f"t-{i}": [0.5] for i in range(3)}).to_csv(tmp_path / "x.csv", index=False)
    given = ("page", tmp_path / "scattered", "--conditions", tmp_path / "x.csv", "--output", tmp_path / "page.html")
    done = call(*given)
    assert done.exit_code == 1
    assert "there is no file for scattered anchors" in done.output
    assert "`page --serve` answers at any λ" in done.output
    assert not (tmp_path / "page.html").exists()
    served = []
    monkeypatch.setattr(live, "serve_page", lambda shown, title, port: served.append((shown.by_lines, port)))
    done = call(*given, "--serve", "--port", 8123)
    assert (done.exit_code, served) == (0, [(True, 8123)]), done.output
    assert "http://127.0.0.1:8123/" in done.stdout
