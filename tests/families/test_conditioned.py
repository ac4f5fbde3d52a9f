"""One network of all λ, of every family that can train one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.data.conditioned import Box, ConditionedNetwork
from pipeline.data.network import save_network
from pipeline.data.values import numbers
from pipeline.errors import BundleError, ConfigurationError, FitError, HyperparameterError
from pipeline.families.catalog import current_name, load_conditioned, make_family
from pipeline.families.conditioned import ConditionedModules, check_conditioned
from pipeline.families.embedding import count_features, drawn, features, folded, joined, spread
from pipeline.families.protocol import ConditionedFamily, Data, IngestSection
from pipeline.families.torch_family import ModuleNetwork
from tests.families.test_contract import CASES

CAN = {
    "cancer_therapy": Box((0.0,), (0.9,)),
    "quantile_forecaster": Box((0.1,), (0.9,)),
    "reacher": Box((0.0,), (0.9,)),
    "robust_classifier": Box((0.0,), (0.4,)),
    "robust_quantile_forecaster": Box((0.1, 0.0), (0.9, 1.0), ("quantile", "noise")),
}
INSIDE = {1: 0.3, 2: (0.3, 0.7)}


def trained(name: str, folder: Path, seed: int = 0, **settings: Any) -> tuple[ConditionedFamily, Data, Any]:
    family = make_family(name, CASES[name].settings | settings)
    assert isinstance(family, ConditionedFamily)
    source = CASES[name].source(folder)
    data = family.ingest(folder / source, IngestSection(source=source, column="value"))
    network, metrics = check_conditioned(family.train_conditioned(data, CAN[name], seed), name)
    assert metrics
    return family, data, network


def answers(network: ConditionedNetwork, family: ConditionedFamily, data: Data, value: Any = None) -> np.ndarray:
    x = family.conditions(data, "score", 7, 0)
    return network.sample(x, INSIDE[len(network.box.lowest)] if value is None else value, 2, 0)


@pytest.mark.parametrize("name", CAN)
def test_the_same_seed_gives_the_same_network_and_another_seed_another(name, tmp_path):
    family, data, one = trained(name, tmp_path)
    same, other = (trained(name, tmp_path, seed)[2] for seed in (0, 1))
    np.testing.assert_array_equal(answers(same, family, data), answers(one, family, data))
    assert np.abs(answers(other, family, data) - answers(one, family, data)).max() > 1e-3


@pytest.mark.parametrize("name", CAN)
def test_saving_and_loading_keep_every_answer(name, tmp_path):
    family, data, network = trained(name, tmp_path)
    save_network(network, tmp_path / "saved")
    read = load_conditioned(tmp_path / "saved")
    assert (read.box, current_name(read.family)) == (CAN[name], name)
    np.testing.assert_array_equal(answers(read, family, data), answers(network, family, data))


@pytest.mark.parametrize("name", CAN)
def test_at_one_value_it_is_a_network_as_all_others(name, tmp_path):
    family, data, network = trained(name, tmp_path)
    value = INSIDE[len(network.box.lowest)]
    one = network.at(value)
    assert isinstance(one, ModuleNetwork)
    assert isinstance(family, ConditionedModules)
    assert {n: w.shape for n, w in one.module.state_dict().items()} == {
        n: w.shape for n, w in family.build(network.box.named(value)).state_dict().items()
    }
    # Features beside the conditions say the same as the bias that they were folded into.
    x = torch.from_numpy(family.conditions(data, "score", 7, 0))
    row = features(torch.tensor([numbers(value)]), network.box)
    torch.testing.assert_close(network.module(x, row.expand(7, -1)), one.module(x), rtol=1e-4, atol=1e-4)
    (tmp_path / "one").mkdir()
    one.save(tmp_path / "one")
    np.testing.assert_array_equal(type(family).load(tmp_path / "one").outputs(x, 1, 0), one.outputs(x, 1, 0))


@pytest.mark.parametrize("name", CAN)
def test_a_value_outside_the_range_is_refused(name, tmp_path):
    family, data, network = trained(name, tmp_path)
    outside = {1: 0.95, 2: (0.5, 1.5)}[len(network.box.lowest)]
    with pytest.raises(HyperparameterError, match=r"lies outside the range that the network was trained on: .* to "):
        answers(network, family, data, outside)


def uniform_noise(folder: Path) -> Path:
    """Values that do not depend on what came before: uniform in [x, x + 1] with x = 3."""
    values = 3 + np.random.default_rng(0).uniform(size=6000)
    (folder / "uniform.csv").write_text("value\n" + "".join(f"{v:.5f}\n" for v in values))
    return folder / "uniform.csv"


def test_an_implicit_quantile_network_has_the_quantile_at_every_level(tmp_path):
    # y = 3 + U(0, 1): the quantile at λ is 3 + λ, whatever the history.
    settings = {"history": 2, "horizon": 1, "hidden": [32], "max_epochs": 30, "learning_rate": 0.003}
    family = make_family("quantile_forecaster", settings)
    assert isinstance(family, ConditionedFamily)
    source = IngestSection(source="uniform.csv", column="value")
    data = family.ingest(uniform_noise(tmp_path), source)
    network, _ = family.train_conditioned(data, Box((0.05,), (0.95,)), 0)
    x = family.conditions(data, "score", 200, 0)
    for level in (0.1, 0.3, 0.5, 0.77, 0.9):
        assert network.sample(x, level, 1, 0).mean() == pytest.approx(3 + level, abs=0.03)


def test_the_quantile_follows_the_condition(tmp_path):
    # y_t = y_{t-1} / 2 + U(0, 1): the quantile at λ is half of the last value, and λ.
    noise = np.random.default_rng(1).uniform(size=8000)
    values = np.ones(8000)
    for t in range(1, 8000):
        values[t] = values[t - 1] / 2 + noise[t]
    (tmp_path / "chain.csv").write_text("value\n" + "".join(f"{v:.5f}\n" for v in values))
    settings = {"history": 1, "horizon": 1, "hidden": [64], "max_epochs": 30, "learning_rate": 0.003}
    family = make_family("quantile_forecaster", settings)
    assert isinstance(family, ConditionedFamily)
    data = family.ingest(tmp_path / "chain.csv", IngestSection(source="chain.csv", column="value"))
    network, _ = family.train_conditioned(data, Box((0.05,), (0.95,)), 0)
    x = family.conditions(data, "score", 300, 0)
    for level in (0.2, 0.5, 0.8):
        error = network.sample(x, level, 1, 0)[:, 0, 0] - (x[:, 0] / 2 + level)
        assert np.sqrt(np.mean(error**2)) < 0.05


def test_a_stronger_attack_in_training_makes_smaller_logits_in_one_network(tmp_path):
    _, data, network = trained("robust_classifier", tmp_path, hidden=[32], iterations=400, learning_rate=0.01)
    x = data.arrays["images"][:200]
    weak, strong = (np.abs(network.sample(x, s, 1, 0)).mean() for s in (0.0, 0.2))
    assert strong < weak


def test_a_loss_that_is_not_finite_is_named():
    endless = Data({"values": np.full(400, np.inf, np.float32)}, {"column": "v", "units": ""})
    family = make_family("quantile_forecaster", CASES["quantile_forecaster"].settings)
    assert isinstance(family, ConditionedFamily)
    with pytest.raises(FitError, match=r"λ = 0.1 to 0.9: the validation loss is not finite; lower train.learning_rate"):
        family.train_conditioned(endless, CAN["quantile_forecaster"], 0)


def test_levels_outside_of_0_and_1_are_refused(tmp_path):
    family, data, _ = trained("quantile_forecaster", tmp_path)
    with pytest.raises(HyperparameterError, match=r"quantile 1.0: a quantile lies between 0 and 1"):
        family.train_conditioned(data, Box((0.5,), (1.0,)), 0)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("conditioned.json", {"box": {"lowest": [0.1]}}, r"holds no network of all λ of QuantileForecaster: 'highest'"),
        ("conditioned.json", {"box": {"lowest": [0.9], "highest": [0.1], "names": []}}, r"no range leads from \[0.9\]"),
        ("conditioned.json", {"settings": {"hidden": [9]}}, r"holds no network of all λ .* size mismatch"),
        ("conditioned.json", {"settings": {"hidden": "wide"}}, r"settings.hidden"),
        ("family.json", {"family": "semicircles"}, r"has no networks of all λ; run stage conditioned again"),
        ("family.json", {"family": "nobody"}, r"is corrupted, or its family is not installed"),
    ],
)
def test_a_corrupted_network_is_refused(file, change, message, tmp_path):
    _, _, network = trained("quantile_forecaster", tmp_path)
    save_network(network, tmp_path / "saved")
    path = tmp_path / "saved" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message):
        load_conditioned(tmp_path / "saved")


def test_what_is_no_network_of_all_values_is_refused():
    with pytest.raises(ConfigurationError, match=r"network = 'own': train_conditioned\(\) returned \(3, \{\}\)"):
        check_conditioned((3, {}), "own")


BOX = Box((0.0, -1.0), (2.0, 1.0), ("a", "b"))


def test_features_of_both_ends_and_the_middle():
    found = features(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), BOX)
    assert found.shape == (2, count_features(BOX))
    a, b = found[0].chunk(2)
    torch.testing.assert_close(a, torch.tensor([-1.0] + [1.0] * 8))  # t = 0: 2 t − 1, then cosines of 0
    torch.testing.assert_close(b, torch.tensor([1.0] + [(-1.0) ** i for i in range(1, 9)]))
    half = torch.tensor([0.0, 0, -1, 0, 1, 0, -1, 0, 1])
    torch.testing.assert_close(found[1], torch.cat([half, half]), atol=1e-6, rtol=0)


def test_drawn_values_are_uniform_and_spread_ones_fill_every_part():
    generator = torch.Generator().manual_seed(0)
    sample = drawn(20_000, BOX, generator)
    torch.testing.assert_close(sample.mean(0), torch.tensor([1.0, 0.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(sample.var(0), torch.tensor([1 / 3, 1 / 3]), atol=0.02, rtol=0)
    parts = ((spread(50, BOX, generator) - torch.tensor(BOX.lowest)) / 2 * 50).floor().sort(dim=0).values
    torch.testing.assert_close(parts, torch.arange(50.0)[:, None].expand(50, 2))


def test_folding_a_linear_layer_is_exact():
    torch.manual_seed(0)
    layer, x, row = torch.nn.Linear(5, 4).double(), torch.randn(6, 3).double(), torch.randn(2).double()
    state = {f"layers.0.{name}": w.detach() for name, w in layer.state_dict().items()}
    plain = folded(state, row)
    expected = layer(joined(x, row.expand(6, -1)))
    torch.testing.assert_close(x @ plain["layers.0.weight"].T + plain["layers.0.bias"], expected)
    assert joined(x, None) is x


@pytest.mark.parametrize(
    ("lowest", "highest", "names"),
    [((1.0,), (1.0,), ()), ((0.0,), (np.inf,), ()), ((0.0, 1.0), (2.0,), ("a", "b")), ((0.0, 0.0), (1.0, 1.0), ())],
)
def test_a_range_that_is_none_is_refused(lowest, highest, names):
    with pytest.raises(ConfigurationError, match=r"no range leads from .*; give finite numbers"):
        Box(lowest, highest, names)


def test_a_range_around_values_holds_them():
    box = Box.around([(0.5, 3.0), (0.1, 4.0)], ("a", "b"))
    assert (box.lowest, box.highest, str(box)) == ((0.1, 3.0), (0.5, 4.0), "a=0.1,b=3 to a=0.5,b=4")
    assert box.check((0.5, 3.0)) == (0.5, 3.0)
    with pytest.raises(HyperparameterError):
        box.check(0.3)
