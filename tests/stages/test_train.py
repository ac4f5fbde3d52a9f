import json

import numpy as np
import pytest

from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.catalog import load_network
from pipeline.stages import ingest, train
from tests.sweeps import sweep_config


def test_every_value_has_a_network_and_its_metrics(swept):
    config, root = swept
    for value in map(str, config.sweep.values):
        folder = root / config.folder / "networks" / value
        assert load_network(folder).family == config.network
        assert isinstance(json.loads((folder / "metrics.json").read_text()), dict)


def test_folder_has_the_name_that_dvc_writes(root):
    config = sweep_config(sweep={"values": [0.1, 0.9], "anchors": [0.1, 0.9]})
    ingest.run(config, root)
    train.run(config, "0.10", root)
    assert (root / "data" / "small" / "networks" / "0.10").is_dir()


def test_training_again_gives_the_same_files(root):
    ingest.run(sweep_config(), root)
    folder = root / "data" / "small" / "networks" / "0.1"
    contents = []
    for _ in range(2):
        train.run(sweep_config(), "0.1", root)
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


def test_seed_changes_the_network(root):
    ingest.run(sweep_config(), root)
    weights = []
    for seed in (0, 1):
        train.run(sweep_config(train={"seed": seed, "history": 4, "horizon": 2, "max_epochs": 1}), "0.1", root)
        weights.append((root / "data" / "small" / "networks" / "0.1" / "weights.safetensors").read_bytes())
    assert weights[0] != weights[1]


def test_value_that_is_not_in_the_sweep_is_refused(root):
    with pytest.raises(ConfigurationError, match=r"'0.3' is not one of sweep.values = \[0.1, 0.5, 0.7, 0.9\]"):
        train.run(sweep_config(), "0.3", root)


def test_training_before_ingest_is_refused(root):
    with pytest.raises(BundleError, match="does not contain a complete ingested data"):
        train.run(sweep_config(), "0.1", root)


def test_networks_of_different_quantiles_are_ordered_in_the_mean(swept):
    config, root = swept
    if config.network != "quantile_forecaster":
        pytest.skip("quantiles only")
    x = np.full((1, 4), 10.0)
    means = [load_network(root / config.folder / "networks" / v).outputs(x, 1, 0).mean() for v in ("0.1", "0.9")]
    assert means[0] < means[1]
