import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from safetensors.numpy import load_file
from torch import nn

from pipeline.data.network import Network, save_network
from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError, ConfigurationError, DataError, FitError
from pipeline.families.catalog import load_network, make_family
from pipeline.families.protocol import Data, IngestSection, NetworkFamily
from pipeline.families.torch_family import Family, NoSettings
from pipeline.stages import dataset, harvest, ingest, train
from pipeline.stages.check import check
from tests.families.readme import family_text, preset
from tests.sweeps import sweep_config

X = np.linspace(-1, 1, 5, dtype=np.float32)[:, None]


class Width(BaseModel):
    width: int = 3


class Dropped(Family):
    """As little as will do: a linear layer under dropout that stays on, tied to itself once."""

    Settings = Width

    def schema(self, data):
        return Schema(hyperparameter=Column(name="p"), outputs=(Column(name="y"),), conditions=(Column(name="x"),))

    def build(self, hyperparameter):
        module = nn.Sequential(nn.Linear(1, self.settings.width), Noise(hyperparameter), nn.Linear(3, 1))
        module[0].tied = module[0].weight
        return module

    def train(self, data, hyperparameter, seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.network(self.build(hyperparameter), hyperparameter), {}

    def conditions(self, data, split, count, seed):
        return X[:count]


class Noise(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x):
        return nn.functional.dropout(x, self.p, training=True)


@pytest.fixture
def network():
    return Dropped(Width()).train(Data(), 0.5, 0)[0]


def test_family_and_its_networks_fulfil_the_protocol(network):
    assert isinstance(Dropped(Width()), NetworkFamily)
    assert isinstance(network, Network)
    assert network.family == "tests.families.test_torch_family:Dropped"


def test_default_outputs_are_the_module_on_every_condition():
    network = Dropped(Width()).train(Data(), 0.0, 0)[0]
    with torch.no_grad():
        expected = network.module(torch.from_numpy(X)).numpy()
    outputs = network.outputs(X, 4, 0)
    assert outputs.shape == (5, 4, 1)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, np.repeat(expected[:, None], 4, axis=1), atol=1e-6)


def test_seed_decides_draws_and_the_global_generator_is_left_alone(network):
    before = torch.random.get_rng_state()
    first, again, other = (network.outputs(X, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first[0])) > 1


def test_network_comes_back_without_pickle(network, tmp_path):
    save_network(network, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"family.json", "network.json", "weights.safetensors"}
    assert "0.weight" in load_file(tmp_path / "weights.safetensors")
    again = load_network(tmp_path)
    assert again.hyperparameter == 0.5  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.outputs(X, 3, 7), network.outputs(X, 3, 7))


def test_network_of_another_build_is_refused(network, tmp_path):
    save_network(network, tmp_path)
    text = (tmp_path / "network.json").read_text()
    (tmp_path / "network.json").write_text(text.replace('"width": 3', '"width": 2'))
    with pytest.raises(BundleError, match=r"holds no network of Dropped: .*size mismatch"):
        load_network(tmp_path)
    (tmp_path / "network.json").write_text(text.replace('"width": 3', '"width": "wide"'))
    with pytest.raises(BundleError, match=r"settings.width: .*received 'wide'"):
        load_network(tmp_path)


class Masked(Dropped):
    """Weights of another type, and a mask."""

    def build(self, hyperparameter):
        module = super().build(hyperparameter).to(torch.bfloat16)
        module.register_buffer("mask", torch.full((2,), -torch.inf))
        return module

    def outputs(self, module, conditions, draws, seed):
        return super().outputs(module.to(torch.float32), conditions, draws, seed)


def test_weights_of_any_type_and_infinite_masks_come_back(tmp_path):
    network = Masked(Width()).train(Data(), 0.5, 0)[0]
    save_network(network, tmp_path)
    again = load_network(tmp_path)
    assert again.module[0].weight.dtype == torch.bfloat16  # type: ignore[attr-defined]
    assert again.module.mask.isneginf().all()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.outputs(X, 3, 7), network.outputs(X, 3, 7))


def test_weights_that_are_not_finite_are_not_kept(network, tmp_path):
    network.module[2].bias.fill_(torch.nan)
    with pytest.raises(FitError, match=r"λ = 0.5 has weights that are not finite: \['2.bias'\]; train it"):
        network.save(tmp_path)


@pytest.mark.parametrize("content", [None, b"x"])
def test_missing_or_broken_weights_are_refused(network, tmp_path, content):
    save_network(network, tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    if content:
        (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(BundleError, match=r"weights.safetensors is (missing|corrupted)"):
        load_network(tmp_path)


class Pair(Dropped):
    """A network that asks another one."""

    def outputs(self, module, conditions, draws, seed):
        return Dropped(Width()).network(module, 0.5).outputs(conditions, draws, seed)


def test_a_network_may_ask_another(network):
    pair = Pair(Width()).network(network.module, 0.5)
    np.testing.assert_array_equal(pair.outputs(X, 3, 7), network.outputs(X, 3, 7))


def test_defaults_read_nothing_and_refuse_a_missing_source(tmp_path):
    family = Dropped(NoSettings())
    family.check_hyperparameter(-1e9)
    assert family.ingest(tmp_path, IngestSection(source=".")) == Data()
    with pytest.raises(DataError, match=r"gone.py does not exist; set the file or folder that holds this family"):
        family.ingest(tmp_path / "gone.py", IngestSection(source="gone.py"))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A checkout with README's family in its root."""
    (tmp_path / "controller.py").write_text(family_text(), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "controller", raising=False)
    yield tmp_path
    sys.modules.pop("controller", None)


def test_readmes_family_runs_through_the_stages(root):
    config = preset("controller", sweep={"values": [0.0, 1.0], "anchors": [0.0, 1.0]})
    check(config, root)
    ingest.run(config, root)
    for value in ("0.0", "1.0"):
        train.run(config, value, root)
        harvest.run(config, value, root)
    dataset.run(config, root)
    for value in (0.0, 1.0):
        network = load_network(root / f"data/controller/networks/{value}")
        mean = network.outputs(X, 2000, 0).mean(axis=1)
        # The least of (x + a)² + λ a² is at a = -x / (1 + λ); clipping pulls the mean in at the box's edges.
        np.testing.assert_allclose(mean[1:-1], -X[1:-1] / (1 + value), atol=0.05)
    assert np.abs(network.outputs(10 * X, 50, 0)).max() == 1


def test_family_outside_the_checkout_is_found_by_the_import_path(root, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    package = elsewhere / "elsewhere_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "families.py").write_text("from controller import Controller\n\nclass Mine(Controller): ...\n")
    monkeypatch.syspath_prepend(str(elsewhere))
    config = preset("controller", network="elsewhere_package.families:Mine", ingest={"source": str(package)})
    check(config, root)
    assert make_family(config.network, config.train.family_settings).__class__.__name__ == "Mine"
    with pytest.raises(ConfigurationError, match=r"families.py, outside ingest.source = .*controller.py, so that DVC"):
        check(preset("controller", network="elsewhere_package.families:Mine"), root)


@pytest.mark.parametrize("method", ["schema", "build", "train", "conditions"])
def test_message_names_the_missing_method(root, method):
    text = (root / "controller.py").read_text().replace(f"def {method}(", f"def no_{method}(")
    (root / "controller.py").write_text(text)
    with pytest.raises(ConfigurationError, match=rf"'controller:Controller': Controller lacks {method}\(\); implement"):
        check(preset("controller"), root)


@pytest.mark.parametrize(
    ("old", "new", "stage", "error", "message"),
    [
        ("return self.network(module, hyperparameter), {", "return module, {", train, ConfigurationError, r"train\(\)"),
        ("loss.item()", "float('nan')", train, ConfigurationError, "dictionary of finite metrics"),
        (
            ".clip(-1, 1)",
            ".add(2)",
            harvest,
            DataError,
            r"'force' contains .*, outside its bounds \[-1.0, 1.0\]; .* clip",
        ),
        ("[:, None].expand(-1, draws, -1)", "", harvest, DataError, r"shape \(64, 1\); expected \(64, 10, 1\)"),
        ("(count, 1)).astype", "(count, 2))[:, :, None].astype", harvest, DataError, r"conditions\(\) of controller"),
    ],
)
def test_what_a_family_returns_is_checked(root, old, new, stage, error, message):
    text = (root / "controller.py").read_text()
    assert old in text
    (root / "controller.py").write_text(text.replace(old, new).replace("range(300)", "range(3)"))
    config = preset("controller")
    ingest.run(config, root)
    if stage is harvest:
        train.run(config, "0.5", root)
    with pytest.raises(error, match=message):
        stage.run(config, "0.5", root)


def test_built_in_families_keep_no_checksums_of_code(root):
    (root / "truth.py").touch()
    ingest.run(sweep_config("semicircles"), root)
    ingest.run(preset("controller"), root)
    assert not (root / "data/circles/data/code.json").exists()
    assert "controller.py" in (root / "data/controller/data/code.json").read_text()
