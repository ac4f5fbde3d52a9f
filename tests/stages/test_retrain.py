"""Networks from other seeds, stage by stage up to the dataset."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.retrained import Retrained
from pipeline.errors import BundleError
from pipeline.families.catalog import load_network, make_family
from pipeline.families.protocol import Data
from pipeline.stages import dataset, harvest, ingest, reharvest, retrain, train
from pipeline.stages.params import Config, parse_config
from pipeline.stages.retraining import with_retraining
from tests.sweeps import sweep_text, write_source

SWEEP = {"values": [0.0, 0.5, 1.0], "anchors": [0.0, 1.0]}
AGAIN = {"redraws": 1, "seed": 0, "noise": 1, "floor_seeds": 2}
ROBUST = {
    "name": "again",
    "network": "robust_classifier",
    "sweep": SWEEP,
    "ingest": {"source": "truth.py"},
    "train": {"seed": 3, "hidden": [4], "iterations": 3},
    "dataset": {"source": "data/again/harvest"},
}


def trained(root: Path, kind: str, **sections: object) -> Config:
    """A sweep up to its harvests."""
    config = parse_config(with_retraining(sweep_text(kind, **sections, validate=AGAIN)), "params.yaml")
    write_source(root)
    ingest.run(config, root)
    for value in map(str, config.sweep.values):
        train.run(config, value, root)
        harvest.run(config, value, root)
    return config


def retrained(config: Config, root: Path) -> tuple[Retrained, ...]:
    for name in config.retrain.networks:
        retrain.run(config, name, root)
        reharvest.run(config, name, root)
    dataset.run(config, root)
    return Retrained.load(root / config.folder / "dataset" / "retrained")


def test_a_network_is_the_one_of_its_seed_at_the_conditions_of_all(tmp_path):
    config = trained(tmp_path, "quantile_forecaster", **ROBUST)
    found = retrained(config, tmp_path)
    assert [(again.value, again.seed) for again in found] == [(1.0, 1), (0.5, 1), (0.5, 2)]
    family = make_family(config.network, config.train.family_settings)
    data = Data.load(tmp_path / config.folder / "data")
    score = Harvest.load(tmp_path / config.folder / "dataset" / "score")
    fit = Harvest.load(tmp_path / config.folder / "dataset" / "fit")
    assert score.values == (0.0, 0.5, 1.0)  # the folders beside theirs are no further λ
    for again in found:
        expected, _ = family.train(data, again.value, 3 + again.seed)
        np.testing.assert_array_equal(again.fit.conditions, fit.conditions[0])
        np.testing.assert_array_equal(again.score.conditions, score.conditions[0])
        for outputs, conditions in (again.fit, again.score):
            np.testing.assert_array_equal(again.network.outputs(conditions, 1, 0)[:, 0], outputs)
            np.testing.assert_array_equal(expected.outputs(conditions, 1, 0)[:, 0], outputs)
        own = load_network(tmp_path / config.folder / "networks" / str(again.value))
        assert np.abs(own.outputs(score.conditions[0], 1, 0)[:, 0] - again.score.outputs).max() > 1e-3
    assert np.abs(found[1].score.outputs - found[2].score.outputs).max() > 1e-3


def test_no_two_networks_share_their_randomness(tmp_path):
    # The truth is code and knows no seed of training: what differs is the draws alone.
    found = retrained(config := trained(tmp_path, "semicircles", sweep=SWEEP), tmp_path)
    score = Harvest.load(tmp_path / config.folder / "dataset" / "score")
    held_out = [score.outputs[1], found[1].score.outputs, found[2].score.outputs]
    for conditions in (found[1].score.conditions, found[2].score.conditions):
        np.testing.assert_array_equal(conditions, score.conditions[1])
    rows = np.concatenate([*held_out, found[1].fit.outputs, found[2].fit.outputs])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_dataset_before_a_retrained_network_is_refused(tmp_path):
    config = trained(tmp_path, "semicircles", sweep=SWEEP)
    with pytest.raises(BundleError, match=r"harvest/1.0_seed1 does not exist: .*; run stages retrain and reharvest"):
        dataset.run(config, tmp_path)


def test_nothing_is_trained_again_unless_somebody_asks(swept):
    config, root = swept
    folder = root / config.folder / "dataset" / "retrained"
    assert Retrained.load(folder) == ()
    assert [path.name for path in folder.iterdir()] == ["retrained.json"]
