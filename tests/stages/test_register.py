import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.data.harvest import Harvest
from pipeline.data.retrained import save_retrained
from pipeline.errors import BundleError, RegistryError
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.findings import Findings
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import Record, errors_csv
from pipeline.evaluation.scores import Evaluation, Score
from pipeline.families.protocol import Data
from pipeline.families.semicircles.family import SemicircleNetwork
from pipeline.stages.params import parse_config
from pipeline.stages.register import rollback, run
from pipeline.surrogate import Surrogate
from pipeline.tracking.store import open_store
from tests.conftest import QUICK

CONFIG = """
name: small
network: semicircles
code: {family: pipeline/families/semicircles, shared: pipeline/families/von_mises.py}
sweep: {values: [0.0, 0.25, 0.5, 1.0], anchors: [0.0, 0.5, 1.0]}
ingest: {source: pipeline/families/semicircles/family.py}
harvest: {fit_conditions: 4, score_conditions: 4}
dataset: {source: data/small/harvest}
raw: {bundled: []}
train: {seed: 0}
fit: {}
validate: {}
register: {model: semicircles}
"""
ERRORS = {"surrogate": 0.1, "straight_line": 0.2, "nearest_anchor": 0.4, "left_anchor": 0.5}


@pytest.fixture
def config():
    return parse_config(CONFIG, "params.yaml")


@pytest.fixture
def validate(tmp_path, fitted_surrogate, small_harvest):
    """Write a validation in which the methods have these errors."""

    def write(surrogate=fitted_surrogate, **errors):
        scores = tuple(
            Score(0.25, method, error, 1.0, 1.0, {"energy_distance": error}, by_redraw=(error,) * 10)
            for method, error in (ERRORS | errors).items()
        )
        evaluation = Evaluation("conditional", "W2", 1, scores, ())
        facts = Facts.of("small", surrogate, small_harvest, small_harvest)
        folder = tmp_path / "data" / "small" / "validation"
        (folder / "report").mkdir(parents=True, exist_ok=True)
        (folder / "report" / "report.html").write_text("<p>")
        (folder / "errors.csv").write_text(errors_csv(evaluation))
        Record.of(Judgement(evaluation, UNDECIDED, facts).decided()).write(folder / "metrics.json")
        return folder / "metrics.json"

    return write


@pytest.fixture
def sweep(tmp_path, monkeypatch, empty_store, fitted_surrogate, small_harvest, validate):
    """A checkout in which everything before registration is done."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    fitted_surrogate.save(tmp_path / "data" / "small" / "surrogate")
    small_harvest.save(tmp_path / "data" / "small" / "dataset" / "fit")
    validate()
    (tmp_path / "params.yaml").write_text(CONFIG)
    return tmp_path


def test_the_champion_is_registered_and_written_down(sweep, config, fitted_surrogate, small_harvest):
    registration = run(config, [sweep / "params.yaml"], sweep)
    written = json.loads((sweep / "data" / "small" / "registration.json").read_text())
    assert written == {
        "model": "semicircles",
        "version": 1,
        "uri": "models:/semicircles@champion",
        "digest": fitted_surrogate.digest,
        "champion": True,
        "reason": registration.reason,
        "challenger": False,
        "passed": True,
        "identity": registration.identity,
    }
    client = open_store(sweep).client()
    version = client.get_model_version_by_alias("semicircles", "champion")
    recorded = client.get_run(version.run_id)
    assert recorded.data.metrics["error/surrogate/0.25"] == 0.1
    assert recorded.data.metrics["mean_error/left_anchor"] == 0.5
    assert recorded.data.params["sweep.anchors"] == "[0.0, 0.5, 1.0]"
    assert recorded.data.tags["data.fit"] == small_harvest.digest
    listed = {
        file.path for folder in ("validation", "recorded") for file in client.list_artifacts(version.run_id, folder)
    }
    assert listed == {"recorded/params.yaml", *(f"validation/{n}" for n in ("errors.csv", "metrics.json", "report"))}


def test_where_a_baseline_is_better_the_reason_is_written_down(sweep, config, validate):
    validate(straight_line=0.05)
    run(config, [], sweep)
    written = json.loads((sweep / "data" / "small" / "registration.json").read_text())
    assert written["uri"] == "models:/semicircles/1"
    assert (written["champion"], written["challenger"], written["passed"]) == (False, False, False)
    assert written["reason"].startswith("Not promoted: ")


def test_rollback_without_a_champion_before(sweep, config):
    run(config, [], sweep)
    with pytest.raises(RegistryError, match="no champion before version 1"):
        rollback(config, sweep)


def test_the_commands(sweep, monkeypatch):
    monkeypatch.chdir(sweep)
    done = CliRunner().invoke(app, ["register", "--record", "params.yaml"])
    assert done.exit_code == 0, done.output
    assert (sweep / "data" / "small" / "registration.json").is_file()
    refused = CliRunner().invoke(app, ["rollback"])
    assert refused.exit_code == 1
    assert "no champion before version 1" in refused.output


def test_figures_of_another_surrogate_are_refused(sweep, config, quick_fit):
    quick_fit(5).save(sweep / "data" / "small" / "surrogate")
    with pytest.raises(RegistryError, match=r"holds the validation of surrogate .* validate again"):
        run(config, [], sweep)
    assert not (sweep / "data" / "small" / "registration.json").exists()


def test_metrics_that_are_missing_or_no_validation(sweep, config):
    path = sweep / "data" / "small" / "validation" / "metrics.json"
    path.write_text('{"mean": {}}')
    with pytest.raises(BundleError, match=r"metrics\.json is not a valid metrics file; run the validate stage again"):
        run(config, [], sweep)
    path.unlink()
    with pytest.raises(BundleError, match=r"metrics\.json is missing"):
        run(config, [], sweep)


def test_a_file_to_record_that_is_missing(sweep, config):
    with pytest.raises(RegistryError, match=r"dvc\.lock'\] do not exist"):
        run(config, [sweep / "dvc.lock"], sweep)


@pytest.fixture
def again(sweep, config, small_harvest, validate):
    """Register another surrogate of the sweep, whose outputs lie `shift` metres east of those that judge it."""
    true = [SemicircleNetwork(s) for s in (0.0, 0.25, 0.5, 1.0)]
    categories = np.arange(4.0)[:, None]
    rows = [network.outputs(categories, 10, 1).reshape(-1, 2) for network in true]
    score = Harvest.from_arrays(
        (0.0, 0.25, 0.5, 1.0), rows, [np.repeat(categories, 10, 0)] * 4, networks=true, schema=small_harvest.schema
    )
    score.save(sweep / "data" / "small" / "dataset" / "score")

    def call(shift, **errors):
        moved = [outputs + np.array([shift, 0.0]) for outputs in small_harvest.outputs]
        harvest = Harvest.from_arrays(
            small_harvest.values,
            moved,
            small_harvest.conditions,
            schema=small_harvest.schema,
        )
        surrogate = Surrogate.fit(harvest, QUICK, seed=0)
        surrogate.save(sweep / "data" / "small" / "surrogate")
        harvest.save(sweep / "data" / "small" / "dataset" / "fit")
        validate(surrogate, **errors)
        registration = run(config, [], sweep)
        client = open_store(sweep).client()
        aliases = {a: int(v) for a, v in client.get_registered_model("semicircles").aliases.items()}
        return registration, aliases, client.get_model_version("semicircles", str(registration.version))

    return call


def test_a_candidate_that_loses_to_the_champion_is_challenger_until_one_wins(again):
    first, aliases, _ = again(0.5)
    assert (aliases, first.champion) == ({"champion": 1}, True)
    worse, aliases, version = again(5.0)
    assert (aliases, worse.champion, worse.challenger, worse.passed) == (
        {"champion": 1, "challenger": 2},
        False,
        True,
        True,
    )
    assert "Version 2: it is worse than champion 1 (W₂² " in worse.reason
    assert version.description == version.tags["reason"] == worse.reason
    better, aliases, _ = again(0.0)
    assert (aliases, better.uri) == ({"champion": 3, "challenger": 2}, "models:/semicircles@champion")
    assert "Version 3: it is better than champion 1 (W₂² " in better.reason
    once_more, aliases, _ = again(0.0)
    assert (once_more.version, aliases["champion"]) == (3, 3)
    assert "Version 3:" not in once_more.reason  # it is no candidate against itself


@pytest.fixture
def best(config):
    return config.model_copy(update={"register_": config.register_.model_copy(update={"method": "best"})})


def test_the_plain_method_that_is_better_is_registered_where_best_is(again, best, sweep, validate, small_harvest):
    again(0.0)  # the first version: the surrogate itself
    folder = sweep / "data" / "small"
    Findings().write(folder / "comparison.json")
    (folder / "data").mkdir()
    Data().save(folder / "data")
    save_retrained([], small_harvest.schema, folder / "dataset" / "retrained")
    validate(Surrogate.load(folder / "surrogate"), straight_line=0.01)
    done = run(best, [], sweep)
    client = open_store(sweep).client()
    version = client.get_model_version("semicircles", str(done.version))
    assert done.version == 2
    assert done.reason.startswith("straight_line in the place of the surrogate. ")
    bundle = client.download_artifacts(version.run_id, "model/artifacts/surrogate", str(sweep))
    plain = Surrogate.load(Path(bundle))
    assert (plain.config.variant, plain.clock) == ("K_I", "linear")
    assert plain.digest == done.digest
    artifacts = {f.path for f in client.list_artifacts(version.run_id, "validation")}
    assert {"validation/plain_metrics.json", "validation/plain_report"} <= artifacts
    page = Path(client.download_artifacts(version.run_id, "validation/plain_report/report.html", str(sweep)))
    assert plain.digest in page.read_text(encoding="utf-8")


def test_best_registers_the_surrogate_where_that_is_recommended(again, best, sweep, fitted_surrogate):
    first, *_ = again(0.0)
    assert run(best, [], sweep).digest == first.digest
