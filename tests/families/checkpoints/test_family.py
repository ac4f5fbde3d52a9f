import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.data.network import Network
from pipeline.errors import BundleError, ConfigurationError, DataError
from pipeline.families.catalog import load_network
from pipeline.stages import dataset, harvest, ingest, train
from pipeline.stages.check import check
from pipeline.stages.params import parse_config
from tests.families.readme import preset_text
from tests.sweeps import sweep_text

X = np.linspace(-1, 1, 4, dtype=np.float32)[:, None]
BUILDER = """
from torch import nn

def build(hyperparameter):
    return nn.Linear(1, 1)

def nothing(hyperparameter):
    return None
"""
COLUMNS = {
    "hyperparameter": {"name": "slope"},
    "outputs": [{"name": "y"}],
    "conditions": [{"name": "x"}],
    "deterministic": True,
}
TRAIN = {"checkpoints": "line-{value:g}.safetensors", "conditions": "x.csv", "build": "trained.nets:build"}


def state(slope: float) -> dict[str, torch.Tensor]:
    """The line y = slope x + 1."""
    return {"weight": torch.tensor([[slope]]), "bias": torch.ones(1)}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A checkout with a package that holds checkpoints, conditions and what builds the modules."""
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "nets.py").write_text(BUILDER)
    (folder / "x.csv").write_text("x\n" + "".join(f"{v / 20}\n" for v in range(-20, 20)))
    for slope in (0.0, 0.5, 2.0):
        save_file(state(slope), folder / f"line-{slope:g}.safetensors")
        torch.save({"model": state(slope)}, folder / f"line-{slope:g}.pt")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "trained"]:
        del sys.modules[name]


def config(**settings):
    sections = {
        "name": "lines",
        "network": "checkpoints",
        "sweep": {"values": [0.0, 0.5, 2.0], "anchors": [0.0, 2.0]},
        "ingest": {"source": "trained"},
        "train": {"seed": 0, "columns": COLUMNS} | TRAIN | settings,
        "harvest": {"fit_conditions": 20, "score_conditions": 10, "draws": 1, "seed": 0},
        "dataset": {"source": "data/lines/harvest"},
    }
    return parse_config(sweep_text(**sections), "params.yaml")


def fetched(settings, value="0.5", root=Path()) -> Network:
    ingest.run(settings, root)
    train.run(settings, value, root)
    return load_network(root / "data/lines/networks" / value)


def assert_line(network, slope):
    np.testing.assert_allclose(network.outputs(X, 3, 0), np.repeat(slope * X + 1, 3, axis=1)[..., None], atol=1e-6)


def test_lines_run_through_the_stages(root):
    settings = config()
    check(settings)
    ingest.run(settings)
    for value in ("0.0", "0.5", "2.0"):
        train.run(settings, value)
        harvest.run(settings, value)
        assert_line(load_network(Path("data/lines/networks") / value), float(value))
    dataset.run(settings)
    assert json.loads(Path("data/lines/networks/0.5/metrics.json").read_text()) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"checkpoints": {0.0: "line-0.pt", 0.5: "line-0.5.pt", 2: "line-2.pt"}, "key": "model"},
        {"checkpoints": {0.0: "line-0.safetensors", 0.5: "line-0.5.safetensors", 2: "line-2.safetensors"}},
    ],
)
def test_places_by_their_value(root, settings):
    check(config(**settings))
    for value in ("0.5", "2.0"):
        assert_line(fetched(config(**settings), value), float(value))


def test_checkpoints_travel_with_what_builds_them(root):
    network = fetched(config())
    assert network.code == ("trained.nets:build",)  # type: ignore[attr-defined]
    assert {path.suffix for path in Path("data/lines/networks/0.5").iterdir()} == {".json", ".safetensors"}


def test_links_to_files_are_followed_and_to_folders_are_not(root):
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    for slope in ("0", "0.5", "2"):
        (root / f"trained/line-{slope}.safetensors").rename(elsewhere / f"line-{slope}.safetensors")
        (root / f"trained/line-{slope}.safetensors").symlink_to(elsewhere / f"line-{slope}.safetensors")
    assert_line(fetched(config()), 0.5)
    before = Path("data/lines/data/arrays.safetensors").read_bytes()
    save_file(state(0.6), elsewhere / "line-0.5.safetensors")
    ingest.run(config())
    assert Path("data/lines/data/arrays.safetensors").read_bytes() != before
    (root / "trained/linked").symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match=r"not within ingest.source = trained"):
        ingest.run(config(checkpoints={v: f"linked/line-{v:g}.safetensors" for v in (0.0, 0.5, 2.0)}))


def test_another_checkpoint_is_another_data(root):
    ingest.run(config())
    before = Path("data/lines/data/arrays.safetensors").read_bytes()
    ingest.run(config())
    assert Path("data/lines/data/arrays.safetensors").read_bytes() == before
    save_file(state(0.6), root / "trained/line-0.5.safetensors")
    ingest.run(config())
    assert Path("data/lines/data/arrays.safetensors").read_bytes() != before


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"checkpoints": "line.pt"}, ConfigurationError, r"train.checkpoints.*every λ would have the same checkpoint"),
        ({"checkpoints": "line-{step}.pt"}, ConfigurationError, r"a pattern with \{value\} for λ is needed"),
        ({"checkpoints": {0.0: "line-0.pt"}}, ConfigurationError, r"no checkpoint for λ = 0.5, only for \[0.0\]; add"),
        (
            {"checkpoints": {0.0: "line-0.pt", 0.5: "gone.pt", 2.0: "line-2.pt"}},
            DataError,
            r"train.checkpoints, λ = 0.5 = 'gone.pt': trained.gone.pt does not exist; paths are relative to ingest",
        ),
        (
            {"checkpoints": {0.0: "../outside.pt", 0.5: "line-0.5.pt", 2.0: "line-2.pt"}},
            ConfigurationError,
            "not within ingest.source = trained, which is all that DVC watches",
        ),
        (
            {"checkpoints": {0.0: "models:/line@champion", 0.5: "a", 2.0: "b"}},
            ConfigurationError,
            "models:/line@champion is not a fixed MLflow URI: an alias or a stage may change unnoticed",
        ),
        ({"conditions": ""}, ConfigurationError, "train.conditions = ''"),
        ({"conditions": "gone.csv"}, DataError, r"train.conditions = 'gone.csv': .* does not exist"),
        ({"build": "trained.nets:absent"}, ConfigurationError, r"train.build = .*: trained.nets holds no absent"),
        ({"build": "absent:build"}, ConfigurationError, r"train.build = 'absent:build': absent cannot be imported"),
        (
            {"build": "tests.families.checkpoints.test_family:state"},
            ConfigurationError,
            "outside ingest.source = trained",
        ),
        ({"columns": {}}, ConfigurationError, r"train.columns.outputs: missing"),
    ],
)
def test_what_can_be_found_wrong_before_is(root, settings, error, message):
    (root / "outside.pt").touch()
    with pytest.raises(error, match=message):
        check(config(**settings))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"checkpoints": "gone-{value}.pt"}, BundleError, r"λ = 0.5: train.checkpoints = 'gone-0.5.pt': .*not exist"),
        ({"build": ""}, ConfigurationError, r"train.build is empty, and trained/line-0.5.safetensors holds weights"),
        ({"build": "trained.nets:nothing"}, ConfigurationError, r"returned NoneType for λ = 0.5; a torch.nn.Module"),
        (
            {"checkpoints": "line-{value}.pt"},
            BundleError,
            r"train.checkpoints, λ = 0.5: trained/line-0.5.pt holds no state_dict, but \['model'\]; set train.key",
        ),
        ({"checkpoints": "whole-{value}.pt"}, BundleError, r"λ = 0.5: .*whole-0.5.pt is pickled: .*; save the weights"),
        (
            {"checkpoints": "wide-{value}.pt"},
            BundleError,
            r"wide-0.5.pt does not fit .*:build' makes: .*size",
        ),
        (
            {"checkpoints": "policy-{value}.zip"},
            BundleError,
            r"λ = 0.5: .*policy-0.5.zip is not a checkpoint that can be read without unpickling .*; save the weights",
        ),
        ({"checkpoints": "folder-{value}"}, BundleError, r"λ = 0.5: .*folder-0.5 holds no MLmodel"),
    ],
)
def test_what_cannot_be_harvested_is_refused_with_its_value(root, settings, error, message):
    torch.save(nn.Linear(1, 1), root / "trained/whole-0.5.pt")
    torch.save(nn.Linear(2, 1).state_dict(), root / "trained/wide-0.5.pt")
    (root / "trained/policy-0.5.zip").touch()
    (root / "trained/folder-0.5").mkdir()
    with pytest.raises(error, match=message):
        fetched(config(**settings))


def test_pattern_with_a_source_that_is_one_file(root):
    # Everything is an MLflow URI but the conditions, which are the source themselves.
    settings = config(checkpoints={v: f"models:/line/{v:.0f}" for v in (0.0, 0.5, 2.0)}, conditions="", build="")
    settings = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"source": "trained/x.csv"})})
    check(settings)


def test_documented_preset_runs(root):
    rng = np.random.default_rng(0)
    names = ["position", "speed", "mode"]
    table = np.column_stack([rng.normal(size=(40, 2)), np.arange(40) % 2])
    rows = "\n".join(",".join(map(str, row)) for row in table)
    (root / "trained/contexts.csv").write_text(",".join(names) + "\n" + rows + "\n")
    (root / "trained/nets.py").write_text(
        "from torch import nn\n\ndef build(hyperparameter):\n    return nn.Sequential(nn.Linear(3, 1), nn.Tanh())\n"
    )
    settings = parse_config(preset_text("trained"), "docs/networks.md")
    for value in settings.sweep.values:
        save_file(
            {"0.weight": torch.ones(1, 3), "0.bias": torch.zeros(1)}, root / f"trained/policy-{value:g}.safetensors"
        )
    check(settings)
    ingest.run(settings)
    train.run(settings, "1.0")
    harvest.run(settings, "1.0")
    assert Path("data/trained/harvest/1.0/score.parquet").is_file()
