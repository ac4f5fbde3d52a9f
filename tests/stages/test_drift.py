"""The check for drift, on a registered champion of a small sweep: of the same source, and of one that went on."""

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import DataError, RegistryError
from pipeline.evaluation.record import Record
from pipeline.families.catalog import make_family
from pipeline.families.protocol import Data
from pipeline.registry.drift import CHECKED, VERDICT, registered_record
from pipeline.stages import drift
from pipeline.surrogate import Surrogate
from pipeline.tracking.store import open_store
from tests.stages.test_fit import QUICK
from tests.sweeps import line_harvest, make_champion, sweep_config

pytestmark = pytest.mark.slow
PASSED = [{"metric": "tested_values", "comparison": ">=", "limit": 1}]


def series(hours: int, amplitude: float, seed: int) -> str:
    """Lines of a daily cycle with noise."""
    values = 10 + amplitude * np.sin(2 * np.pi * np.arange(hours) / 24)
    values += np.random.default_rng(seed).normal(0, 0.5, hours)
    return "".join(f"{v:.6f}\n" for v in values)


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """A sweep whose surrogate is champion: (config, root)."""
    root = tmp_path_factory.mktemp("champion")
    (root / "series.csv").write_text("value\n" + series(1500, 5.0, 0))
    config = sweep_config(
        harvest={"fit_conditions": 100, "score_conditions": 100, "draws": 1, "seed": 0},
        fit={**QUICK, "device": "cpu"},
        gates=PASSED,
    )
    make_champion(config, root)
    return config, root


@pytest.fixture
def checked(champion, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return champion


def test_figures_are_those_of_the_registration(checked):
    config, root = checked
    record = registered_record(open_store(root), "small", 1)
    assert record == Record.read(root / config.folder / "validation" / "metrics.json")


def test_other_conditions_of_the_same_source_are_no_drift_and_the_version_says_so(checked):
    config, root = checked
    found = drift.run(config, root, seed=5)
    assert not found.drifted
    assert found.sampled == "other conditions and draws of the same source"
    assert [figure.value for figure in found.figures] == ["0.7"]
    assert 0.5 < found.figures[0].ratio < 1.5
    assert found.figures[0].registered == registered_record(open_store(root), "small", 1).surrogate["0.7"]
    client = open_store(root).client()
    version = client.get_model_version("small", "1")
    assert version.tags[VERDICT] == "none"
    assert version.tags[CHECKED]
    drift.run(config, root, seed=6)
    history = client.get_metric_history(version.run_id, "drift/ratio/0.7")
    assert history[0].value == found.figures[0].ratio
    assert len({metric.value for metric in history}) == 2


def test_the_sweeps_own_seed_gives_other_samples(checked):
    config, root = checked
    surrogate = Surrogate.load(root / config.folder / "surrogate")
    fresh, _ = drift.sample_afresh(config, surrogate, root, drift.own_seed(config.harvest.seed))
    known = Harvest.load(root / config.folder / "dataset" / "score")
    assert not drift.occurs_in(fresh.conditions[0], known.conditions[0]).all()


def test_one_seed_gives_one_verdict(checked):
    config, root = checked
    assert drift.run(config, root, seed=5) == drift.run(config, root, seed=5)


def test_a_source_that_goes_on_otherwise_is_checked_on_its_new_rows_and_has_drifted(checked):
    config, root = checked
    source = root / "series.csv"
    before = source.read_text()
    source.write_text(before + series(1500, 25.0, 1))
    try:
        found = drift.run(config, root, seed=5)
    finally:
        source.write_text(before)
    assert "new conditions of the changed source" in found.sampled
    assert found.drifted
    assert open_store(root).client().get_model_version("small", "1").tags[VERDICT] == "drifted"


def test_new_conditions_are_none_that_the_sweep_has_seen(checked):
    config, root = checked
    family = make_family(config.network, config.train.family_settings)
    before = Data.load(root / config.folder / "data")
    source = root / "longer.csv"
    source.write_text((root / "series.csv").read_text() + series(600, 5.0, 2))
    data = family.ingest(source, config.ingest)
    rows, _ = drift.fresh_conditions(family, data, before, config.harvest, seed=1)
    assert len(rows) == config.harvest.score_conditions
    for split in ("fit", "score"):
        assert not drift.occurs_in(rows, family.conditions(before, split, 10**6, 0)).any()


def test_anchors_are_asked_by_the_champions_own_networks(checked):
    config, root = checked
    surrogate = Surrogate.load(root / config.folder / "surrogate")
    networks = drift.networks_of(surrogate, Harvest.load(root / config.folder / "dataset" / "score"))
    assert sorted(networks) == list(config.sweep.values)
    assert [networks[value] for value in surrogate.anchors] == list(surrogate.networks)


def test_without_a_champion_there_is_nothing_to_check(checked):
    config, root = checked
    other = config.model_copy(update={"register_": config.register_.model_copy(update={"model": "nobody"})})
    with pytest.raises(RegistryError, match="model 'nobody' has no champion with a bundle"):
        drift.run(other, root)


def test_of_a_harvest_from_disk_the_new_rows_are_taken(tmp_path):
    config = sweep_config("harvest")
    whole = line_harvest((0.0, 0.5, 1.0))
    few = Harvest.from_arrays(whole.values, [y[:9] for y in whole.outputs], [x[:9] for x in whole.conditions])
    few.save(tmp_path / config.folder / "data")
    few.save(tmp_path / "handed")
    with pytest.raises(DataError, match="holds no new conditions, and a harvest from disk has no networks"):
        drift.new_rows_of(config, tmp_path)
    whole.save(tmp_path / "handed")
    fresh, said = drift.new_rows_of(config, tmp_path)
    assert said == "the new rows of handed"
    assert [len(y) for y in fresh.outputs] == [len(whole.outputs[0]) - 9] * 3
