import csv
import json

import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError
from pipeline.evaluation.record import Record
from pipeline.stages import compare, fit, leave_out, timing, validate
from pipeline.surrogate import Surrogate
from tests.families import planes
from tests.families.kinds import judge, kinds_config
from tests.stages.test_fit import QUICK
from tests.sweeps import sweep_config


@pytest.fixture(scope="module")
def validated(swept):
    config, root = swept
    config = config.model_copy(update={"fit": type(config.fit)(**QUICK)})
    folder = root / config.folder
    fit.run(config, root)
    timing.run(config, root)
    leave_out.run(config, root)
    compare.run(config, root)
    validate.run(config, root)
    return config, folder


@pytest.mark.slow
def test_metrics_errors_and_report_are_written(validated):
    config, folder = validated
    document = json.loads((folder / "validation" / "metrics.json").read_text())
    assert [float(value) for value in document["surrogate"]] == list(config.sweep.held_out)
    assert {d["of"]: d["sha256"] for d in document["digests"]} == {
        "surrogate": Surrogate.load(folder / "surrogate").digest,
        "fit": Harvest.load(folder / "dataset" / "fit").digest,
        "score": Harvest.load(folder / "dataset" / "score").digest,
    }
    with (folder / "validation" / "errors.csv").open() as file:
        held_out = [line for line in csv.DictReader(file) if line["role"] == "held_out"]
    assert {float(line["hyperparameter"]) for line in held_out} == set(config.sweep.held_out)
    (reason,) = document["decision"]["reason"]
    assert reason in (folder / "validation/report/report.html").read_text().replace("&#39;", "'")
    assert (folder / "validation" / "report" / "pictures" / "paths.png").is_file()


@pytest.mark.slow
def test_deterministic_and_stochastic_networks_are_told_apart(validated):
    config, folder = validated
    document = json.loads((folder / "validation" / "metrics.json").read_text())
    stochastic = config.network == "semicircles"
    assert document["measure"] == ("W₂²" if stochastic else "MSE")
    assert ("floor" in document["mean"]) is stochastic


@pytest.mark.slow
def test_validating_twice_writes_the_same(validated, swept):
    config, folder = validated
    before = {p: p.read_bytes() for p in (folder / "validation").rglob("*") if p.is_file()}
    validate.run(config, swept[1])
    assert {p: p.read_bytes() for p in (folder / "validation").rglob("*") if p.is_file()} == before


def test_validation_before_the_fit_is_refused(root):
    with pytest.raises(BundleError, match="surrogate"):
        validate.run(sweep_config(), root)


@pytest.mark.slow
def test_a_sweep_of_two_hyperparameters_is_validated(tmp_path):
    grid = {"tilt": [0.0, 0.5, 1.0], "lift": [0.0, 2.0]}
    config = kinds_config(
        "vectors",
        name="planes",
        network="tests.families.planes:Planes",
        sweep={"anchors": grid, "held_out": [{"tilt": 0.25, "lift": 0.5}, {"tilt": 0.75, "lift": 1.5}]},
        ingest={"source": planes.__file__, "column": "", "units": ""},
        train={"seed": 0},
        dataset={"source": "data/planes/harvest"},
        fit={"variant": "K_I", "clock": "linear", "seed": 0, "device": "cpu"},
    )
    folder = judge(config, tmp_path)
    record = Record.read(folder / "metrics.json")
    assert record.hyperparameters == record.order == ("tilt", "lift")
    assert record.served == "sample"
    assert record.surrogate == pytest.approx(dict.fromkeys(("tilt=0.25,lift=0.5", "tilt=0.75,lift=1.5"), 0), abs=1e-9)
    assert record.task_mean["distance"]["surrogate"] == pytest.approx(0, abs=1e-5)
    assert record.task_mean["distance"]["nearest_anchor"] > 0.1
    with (folder / "errors.csv").open() as file:
        assert {(line["tilt"], line["lift"]) for line in csv.DictReader(file)} >= {("0.25", "0.5"), ("1.0", "2.0")}
    assert (folder / "report" / "report.html").is_file()
