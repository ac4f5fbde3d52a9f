"""The network of all λ: its section, its stage, and its place in the table."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError, ConfigurationError
from pipeline.evaluation.findings import Findings
from pipeline.evaluation.methods.conditioned import CONDITIONED
from pipeline.families.catalog import make_family
from pipeline.families.conditioned_store import read_conditioned
from pipeline.families.protocol import Data, ScoredFamily
from pipeline.stages import compare, conditioned, dataset, fit, harvest, ingest, leave_out, timing, train, validate
from pipeline.stages.check import check
from pipeline.stages.conditioning import box_of, with_conditioning
from pipeline.stages.params import Config, parse_config
from pipeline.stages.presets import resolve_params
from tests.families.test_contract import POLICY
from tests.stages.test_fit import QUICK
from tests.sweeps import sweep_text, write_source

ON = {"redraws": 1, "seed": 0, "conditioned": True}
GRID = {"anchors": {"quantile": [0.1, 0.9], "noise": [0, 2]}, "held_out": [{"quantile": 0.5, "noise": 1}]}


def text(kind: str = "quantile_forecaster", **sections: object) -> str:
    return with_conditioning(sweep_text(kind, **{"validate": ON} | sections))


def test_the_section_is_the_range_of_the_sweep_and_goes_when_nobody_asks():
    given = text()
    assert yaml.safe_load(given)["conditioned"] == {"ranges": {"all": {"lowest": "0.1", "highest": "0.9"}}}
    assert with_conditioning(given) == given
    off = with_conditioning(given.replace("conditioned: true", "conditioned: false"))
    assert "conditioned" not in yaml.safe_load(off)
    assert parse_config(off, "params.yaml").conditioned.ranges == {}


def test_several_hyperparameters_have_a_box(tmp_path):
    network = {"name": "two", "network": "robust_quantile_forecaster", "dataset": {"source": "data/two/harvest"}}
    (tmp_path / "params.yaml").write_text(sweep_text(**network, sweep=GRID, validate=ON))
    assert resolve_params(tmp_path)
    config = parse_config((tmp_path / "params.yaml").read_text(), "params.yaml")
    box = box_of(config.conditioned.ranges["all"].lowest, config.conditioned.ranges["all"].highest)
    assert (box.lowest, box.highest, box.names) == ((0.1, 0.0), (0.9, 2.0), ("quantile", "noise"))
    assert not resolve_params(tmp_path)


@pytest.mark.parametrize("broken", ["a: [", "- 1", "validate: {conditioned: true}", "validate: {conditioned: 3}"])
def test_what_is_no_sweep_is_left_to_its_reader(broken):
    assert with_conditioning(broken) == broken


def test_a_section_that_is_not_the_plan_is_refused():
    message = (
        r"conditioned: is not the range of validate.conditioned = {} and sweep.values = .*write it by `make sweep`"
    )
    for given, said in (
        (sweep_text(validate=ON), "true"),
        (text().replace("highest: '0.9'", "highest: '0.8'"), "true"),
        (text().replace("conditioned: true", "conditioned: false"), "false"),
    ):
        with pytest.raises(ConfigurationError, match=message.format(said)):
            parse_config(given, "params.yaml")


def test_a_harvest_from_disk_trains_none():
    with pytest.raises(ConfigurationError, match=r"validate.conditioned = true with network = null: .*set it to false"):
        parse_config(text("harvest"), "params.yaml")


def test_a_family_that_cannot_is_refused_before_anything_runs(root):
    config = parse_config(text("semicircles"), "params.yaml")
    message = r"network = 'semicircles': Semicircles lacks train_conditioned\(\) .*or set validate.conditioned: false"
    for refused in (lambda: check(config, root), lambda: conditioned.run(config, "0.0", "1.0", root)):
        with pytest.raises(ConfigurationError, match=message):
            refused()


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("low", "1"), r"'low' is not a λ: write a number, or quantile=0.1,noise=0.5"),
        (("a=1,b=2", "a=2"), r"name different hyperparameters"),
        (("1", "0.5"), r"no range leads from \[1.0\] to \[0.5\]"),
    ],
)
def test_ends_that_are_no_range_are_refused(ends, message):
    with pytest.raises(ConfigurationError, match=message):
        box_of(*ends)


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Config, Path]:
    """A small sweep with its network of all λ, up to the comparison."""
    root = tmp_path_factory.mktemp("conditioned")
    config = parse_config(text(), "params.yaml")
    harvest_all(config, root)
    with pytest.raises(BundleError, match=r"conditioned.json is missing"):
        dataset.run(config, root)
    conditioned.run(config, "0.1", "0.9", root)
    dataset.run(config, root)
    compare.run(config, root)
    return config, root / config.folder


def harvest_all(config: Config, root: Path) -> None:
    write_source(root)
    ingest.run(config, root)
    for value in map(str, config.sweep.values):
        train.run(config, value, root)
        harvest.run(config, value, root)


def test_the_network_is_judged_beside_the_others_with_its_cost(done):
    _, folder = done
    found = Findings.read(folder / "comparison.json")
    trained = read_conditioned(folder / "dataset" / "conditioned")
    assert trained is not None
    (score,) = [s for s in found.scores if s.method == CONDITIONED]
    harvested = Harvest.load(folder / "dataset" / "score")
    truth, x = (side[harvested.values.index(0.7)] for side in (harvested.outputs, harvested.conditions))
    answer = trained.network.sample(x, 0.7, 1, 0)[:, 0]
    assert score.error == pytest.approx(float(np.mean((answer - truth).astype(np.float64) ** 2)), rel=1e-4)
    (cost,) = [c for c in found.costs if c.method == CONDITIONED]
    assert cost.fit == trained.seconds > 0
    assert all(CONDITIONED in table.means() for table in found.tables)
    assert set(trained.metrics) == {"validation_loss", "best_epoch", "epochs"}


@pytest.mark.slow
def test_table_report_and_record_state_it(done):
    config, folder = done
    config = config.model_copy(update={"fit": type(config.fit)(**QUICK)})
    root = folder.parent.parent
    fit.run(config, root)
    timing.run(config, root)
    leave_out.run(config, root)
    validate.run(config, root)
    document = json.loads((folder / "validation" / "metrics.json").read_text())
    (standing,) = [s for s in document["standings"] if s["method"] == CONDITIONED]
    assert standing["fit_seconds"] > 0
    assert standing["ask_seconds"] > 0
    assert CONDITIONED in document["task_mean"]["pinball loss"]
    assert {m["role"] for m in document["methods"] if m["name"] == CONDITIONED} == {"reference"}
    assert "one network conditioned on λ" in (folder / "validation/report/report.html").read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:conditions. columns .* outside the harvest's range")
def test_a_policy_of_all_weights_stands_in_the_table_with_its_reward(tmp_path):
    therapy = {
        "name": "therapy",
        "network": "cancer_therapy",
        "sweep": {"values": [0.0, 4.0, 10.0], "anchors": [0.0, 10.0]},
        "train": {"seed": 0, **POLICY, "episodes": 2},
        "harvest": {"fit_conditions": 8, "score_conditions": 8, "draws": 2, "seed": 0},
        "dataset": {"source": "data/therapy/harvest"},
    }
    config = parse_config(text("semicircles", **therapy), "params.yaml")
    harvest_all(config, tmp_path)
    conditioned.run(config, "0.0", "10.0", tmp_path)
    dataset.run(config, tmp_path)
    compare.run(config, tmp_path)
    folder = tmp_path / config.folder
    (table,) = Findings.read(folder / "comparison.json").tables
    trained = read_conditioned(folder / "dataset" / "conditioned")
    assert trained is not None
    family = make_family(config.network, config.train.family_settings)
    assert isinstance(family, ScoredFamily)
    score = family.score(trained.network.at(4.0).outputs, Data.load(folder / "data"), 4.0, config.validate_.seed)
    assert {table.name: table.means()[CONDITIONED]} == pytest.approx(score)


def test_a_corrupted_folder_is_refused(done, tmp_path):
    folder = done[1] / "dataset" / "conditioned"
    document = json.loads((folder / "conditioned.json").read_text())
    for changed, message in (
        ({"training": {"metrics": {}}}, r"conditioned.json is corrupted \(KeyError\('seconds'\)\); run stage"),
        (document, r"network/conditioned.json is missing: .* does not contain a complete network of all λ"),
    ):
        (tmp_path / "conditioned.json").write_text(json.dumps(document | changed))
        with pytest.raises(BundleError, match=message):
            read_conditioned(tmp_path)


def test_nothing_is_trained_unless_somebody_asks(swept):
    config, root = swept
    folder = root / config.folder / "dataset" / "conditioned"
    assert read_conditioned(folder) is None
    assert [path.name for path in folder.iterdir()] == ["conditioned.json"]
