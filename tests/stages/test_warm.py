"""Anchors from their neighbours' networks, stage by stage up to the dataset."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError
from pipeline.families.catalog import load_network
from pipeline.stages import chain, dataset, harvest, ingest, judging, train, warm
from pipeline.stages.params import Config, parse_config
from pipeline.stages.warm_starts import with_warm_starts
from pipeline.surrogate.chains import Judged
from tests.sweeps import sweep_text, write_source

ROBUST = {"hidden": [4], "iterations": 3, "learning_rate": 0.1}
THERAPY = {"hidden": [8], "steps": 64, "environments": 4, "rollout": 32, "batch_size": 16, "reference_episodes": 2}
X = np.random.default_rng(0).uniform(size=(5, 64)).astype(np.float32)


def swept(root: Path, network: str, values: list[float], settings: dict[str, object]) -> Config:
    """A sweep with its stages run up to the dataset; the middle value is held out."""
    sections = {
        "name": "warm",
        "network": network,
        "sweep": {"values": values, "anchors": [values[0], values[-1]]},
        "ingest": {"source": "truth.py"},
        "train": {"seed": 0, "start": "neighbour", "warm_episodes": 3} | settings,
        "dataset": {"source": "data/warm/harvest"},
    }
    config = parse_config(with_warm_starts(sweep_text(**sections)), "params.yaml")
    write_source(root)
    ingest.run(config, root)
    for value in map(str, values):
        train.run(config, value, root)
        harvest.run(config, value, root)
    for name in config.warm.links:
        warm.run(config, name, root)
    for name in config.warm.chains:
        chain.run(config, name, root)
    dataset.run(config, root)
    return config


@pytest.fixture(scope="module")
def robust(tmp_path_factory) -> tuple[Config, Path]:
    root = tmp_path_factory.mktemp("robust")
    return swept(root, "robust_classifier", [0.0, 0.5, 1.0], ROBUST), root


def choose(config: Config, root: Path, chosen: str) -> None:
    """Let one chain win: its mixtures become the best, all scores equal."""
    for name in config.warm.chains:
        path = root / config.folder / "harvest" / name / "judged.json"
        document = json.loads(path.read_text())
        document["episodes"] = [[1.0, 1.0]] * 2
        for barrier in document["barriers"]:
            barrier["advantage"] = None
            for mixture in barrier["mixtures"]:
                mixture["mixture"] = float(name == chosen)
        path.write_text(json.dumps(document))
    dataset.run(config, root)


def outputs(folder: Path) -> np.ndarray:
    return load_network(folder).outputs(X, 1, 0)


@pytest.mark.parametrize(("chosen", "names"), [("own", "0.0 1.0"), ("up", "0.0 up_1.0"), ("down", "down_0.0 1.0")])
def test_the_dataset_has_the_networks_of_the_chosen_chain(robust, chosen, names):
    config, root = robust
    choose(config, root, chosen)
    folder = root / config.folder
    choice = json.loads((folder / "dataset" / "anchors.json").read_text())
    assert choice["chosen"] == chosen
    assert judging.training_of_anchors(config, folder) == choice["reason"]
    fit, score = (Harvest.load(folder / "dataset" / split) for split in ("fit", "score"))
    for name, mine, same in zip(names.split(), fit.networks, score.networks[::2], strict=True):
        expected = outputs(folder / "networks" / name)
        np.testing.assert_array_equal(mine.outputs(X, 1, 0), expected)
        np.testing.assert_array_equal(same.outputs(X, 1, 0), expected)
    for network, x, y in zip(fit.networks, fit.conditions, fit.outputs, strict=True):
        np.testing.assert_allclose(network.outputs(x, 1, 0)[:, 0], y, atol=1e-5)
    np.testing.assert_array_equal(score.networks[1].outputs(X, 1, 0), outputs(folder / "networks" / "0.5"))


def test_a_link_starts_from_its_neighbour(robust):
    # Three steps from the neighbour's weights; the own training starts elsewhere and is three steps, too.
    config, root = robust
    networks = root / config.folder / "networks"
    assert not np.array_equal(outputs(networks / "up_1.0"), outputs(networks / "1.0"))
    assert (networks / "up_1.0" / "metrics.json").is_file()


def test_chains_are_judged_in_equal_episodes(robust):
    config, root = robust
    folder = root / config.folder / "harvest"
    for name in config.warm.chains:
        chain.run(config, name, root)
    own, up, down = (Judged.of(json.loads((folder / n / "judged.json").read_text())) for n in config.warm.chains)
    assert own.episodes[0] == up.episodes[0]  # one network, in equal episodes
    assert own.episodes[1] == down.episodes[1]
    assert [len(barriers) for barriers in (own.barriers, up.barriers, down.barriers)] == [1, 1, 1]
    assert own.barriers[0].episodes == 3


def test_dataset_before_a_chain_is_refused(robust, tmp_path):
    config, _ = robust
    (tmp_path / config.folder / "harvest").mkdir(parents=True)
    with pytest.raises(BundleError, match=r"judged.json is missing"):
        dataset.run(config, tmp_path)
    broken = tmp_path / config.folder / "harvest" / "own" / "judged.json"
    broken.parent.mkdir()
    broken.write_text("{}")
    with pytest.raises(BundleError, match=r"judged.json is corrupted, .*; run stage chain again"):
        dataset.run(config, tmp_path)


@pytest.mark.slow
def test_therapy_from_end_to_end(tmp_path):
    config = swept(tmp_path, "cancer_therapy", [0.0, 2.0, 5.0], THERAPY)
    document = json.loads((tmp_path / config.folder / "dataset" / "anchors.json").read_text())
    assert document["chosen"] in {"own", "up", "down"}
    assert set(document["compared"]) == {"own", "up", "down"}
    steps = json.loads((tmp_path / config.folder / "networks" / "up_5.0" / "metrics.json").read_text())["steps"]
    assert steps == 64  # half of the 64 teach both; one rollout before them teaches the critic alone
    assert len(Harvest.load(tmp_path / config.folder / "dataset" / "fit").networks) == 2
