"""What holds for every built-in family: one test a promise, run over networks that were trained for a moment."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from pipeline.data.harvest import Harvest
from pipeline.data.network import Network, Reparameterised, save_network
from pipeline.data.samples import check_samples
from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError, DataError, HyperparameterError
from pipeline.export.reader import ExportedSurrogate
from pipeline.export.write import write_export
from pipeline.families.catalog import BUILT_IN, family_class, load_network, make_family
from pipeline.families.protocol import (
    Data,
    FeaturedFamily,
    Hyperparameter,
    IngestSection,
    LevelFamily,
    NetworkFamily,
    ScoredFamily,
)
from pipeline.families.torch_family import ModuleNetwork
from pipeline.surrogate import Surrogate
from tests.clouds import moment
from tests.paths import CHECKOUT

POLICY = {"hidden": [8], "steps": 32, "environments": 2, "rollout": 32, "batch_size": 16, "reference_episodes": 2}


def touch(folder: Path) -> str:
    (folder / "code.py").touch()
    return "code.py"


def series(folder: Path) -> str:
    rows = 10 + 5 * np.sin(np.arange(300) / 4) + np.random.default_rng(0).normal(0, 0.5, 300)
    (folder / "series.csv").write_text("value\n" + "".join(f"{v:.3f}\n" for v in rows))
    return "series.csv"


def lines(folder: Path) -> str:
    for slope in (0.2, 0.8):
        save_file({"weight": torch.tensor([[slope]]), "bias": torch.ones(1)}, folder / f"{slope}.safetensors")
    (folder / "x.csv").write_text("x\n" + "".join(f"{v}\n" for v in range(12)))
    return "."


@dataclass(frozen=True)
class Case:
    """Settings of a family for a moment's training at two λ, a λ that it refuses, and what writes its source."""

    settings: dict[str, Any] = field(default_factory=dict)
    values: tuple[Hyperparameter, Hyperparameter] = (0.2, 0.8)
    refused: Hyperparameter = -1.0
    source: Callable[[Path], str] = touch


CHECKPOINTS = {
    "checkpoints": {0.2: "0.2.safetensors", 0.8: "0.8.safetensors"},
    "columns": {
        "hyperparameter": {"name": "slope"},
        "outputs": [{"name": "y"}],
        "conditions": [{"name": "x"}],
        "deterministic": True,
    },
    "conditions": "x.csv",
    "build": "tests.families.test_contract:line",
}
FORECASTER = {"history": 4, "horizon": 2, "hidden": [8], "max_epochs": 2}
CASES = {
    "cancer_therapy": Case(POLICY, (1.0, 5.0)),
    "checkpoints": Case(CHECKPOINTS, source=lines),
    "digits_vae": Case({"width": 16, "iterations": 20}),
    "quantile_forecaster": Case(FORECASTER, source=series),
    "reacher": Case(POLICY, (1.0, 5.0)),
    "robust_classifier": Case({"hidden": [8], "iterations": 20}),
    "robust_quantile_forecaster": Case(
        FORECASTER,
        ({"quantile": 0.2, "noise": 0.0}, {"quantile": 0.2, "noise": 1.0}),
        {"quantile": 0.5, "noise": -1.0},
        series,
    ),
    "semicircles": Case(),
    "turning_cloud": Case(
        values=({"turn": 0.0, "radius": 0.5}, {"turn": 0.0, "radius": 1.0}), refused={"turn": 0.5, "radius": -1.0}
    ),
    "two_moons_diffusion": Case({"points": 200, "steps": 10, "width": 16, "embedding": 4, "iterations": 20}),
}


SAVED = {
    "digits_vae": "beta",
    "quantile_forecaster": "quantile",
    "robust_classifier": "strength",
    "robust_quantile_forecaster": "hyperparameter",
    "two_moons_diffusion": "dropout_rate",
}
"""What network.json calls λ, by family."""


def line(hyperparameter: float) -> torch.nn.Module:
    """What the checkpoints are loaded into."""
    return torch.nn.Linear(1, 1, device="meta").to_empty(device="cpu")  # draws nothing


@dataclass(frozen=True)
class Trained:
    """A family with its data, and its networks of two λ."""

    name: str
    family: NetworkFamily
    data: Data
    networks: tuple[Network, Network]

    @property
    def schema(self) -> Schema:
        return self.family.schema(self.data)

    @property
    def network(self) -> Network:
        return self.networks[0]

    @property
    def conditions(self) -> NDArray[np.float32]:
        return self.family.conditions(self.data, "fit", 5, 0)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """By name: what is trained when it is first asked for."""

    @cache
    def of(name: str) -> Trained:
        case, folder = CASES[name], tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            # The module that builds a checkpoint has to lie in the source that DVC watches.
            patch.setattr("pipeline.families.checkpoints.family.check_watched", lambda *_: None)
            family = make_family(name, case.settings)
            section = IngestSection(source=case.source(folder), column="value")
            data = family.ingest(folder / section.source, section)
            low, high = (family.train(data, value, 0)[0] for value in case.values)
        return Trained(name, family, data, (low, high))

    return of


@pytest.fixture(params=CASES)
def one(request, trained) -> Trained:
    return trained(request.param)


def test_every_built_in_family_has_its_case():
    assert set(CASES) == set(BUILT_IN)


def test_outputs_are_what_the_schema_says(one):
    x, schema = one.conditions, one.schema
    assert x.dtype == np.float32
    assert x.shape[1] == len(schema.conditions)
    outputs = one.network.outputs(x, 3, 0)
    assert outputs.dtype == np.float32
    assert outputs.shape == (len(x), 3, len(schema.outputs))
    # Finite, within bounds, codes that are whole.
    check_samples(schema, [outputs.reshape(-1, outputs.shape[2])], [np.repeat(x, 3, axis=0)])


NOT_EXPORTED = {
    "two_moons_diffusion": r"the network of two_moons_diffusion has no ONNX counterpart: its family has no graph",
}
"""Families whose networks have no ONNX graph, and what is said."""


def test_an_export_draws_as_the_surrogate_or_says_why_not(one, tmp_path):
    names = [column.name for column in one.schema.hyperparameters]
    square = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    anchors = [0.0, 1.0] if len(names) == 1 else square
    networks = [one.networks[k % 2] for k in range(len(anchors))]
    x, draws = one.conditions, 1 if one.schema.deterministic else 8
    outputs = [n.outputs(x, draws, 0).reshape(len(x) * draws, -1) for n in networks]
    harvest = Harvest.from_arrays(
        anchors, outputs, [np.repeat(x, draws, axis=0)] * len(anchors), schema=one.schema, networks=networks
    )
    surrogate = Surrogate.fit(harvest, moment(variant="K_I", clock="linear"))
    if one.name in NOT_EXPORTED:
        with pytest.raises(ConfigurationError, match=NOT_EXPORTED[one.name]):
            write_export(surrogate, tmp_path / "export")
        return
    write_export(surrogate, tmp_path / "export")  # which compares draws
    found = ExportedSurrogate.load(tmp_path / "export").matched(x, range(len(anchors)), 2)
    for exported, known in zip(found, surrogate.matched(x, range(len(anchors)), 2), strict=True):
        np.testing.assert_allclose(exported, known, rtol=1e-5, atol=1e-5)


def test_same_seed_gives_the_same_draws(one):
    x = one.conditions
    first, again, other = (one.network.outputs(x, 4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    if one.schema.deterministic:
        np.testing.assert_array_equal(first, other)
        assert (np.ptp(first, axis=1) == 0).all()
    else:
        assert not np.array_equal(first, other)
        assert np.ptp(first, axis=1).any()


def test_families_and_networks_fulfil_their_protocols(one):
    assert isinstance(one.family, NetworkFamily)
    assert all(isinstance(network, Network) for network in one.networks)


def test_families_with_a_score_or_features_of_their_own(trained):
    families = {name: trained(name).family for name in CASES}
    scored = {name for name, family in families.items() if isinstance(family, ScoredFamily)}
    assert scored == {
        "cancer_therapy",
        "quantile_forecaster",
        "reacher",
        "robust_classifier",
        "robust_quantile_forecaster",
        "semicircles",
        "turning_cloud",
    }
    level = {name for name, family in families.items() if isinstance(family, LevelFamily)}
    assert level == {"quantile_forecaster", "robust_quantile_forecaster"}
    featured = {name for name, family in families.items() if isinstance(family, FeaturedFamily)}
    assert featured == {"digits_vae", "robust_classifier"}


def test_missing_source_is_refused(one, tmp_path):
    with pytest.raises(DataError, match=r"ingest.source = .*absent.py does not exist; set"):
        one.family.ingest(tmp_path / "absent.py", IngestSection(source="absent.py", column="value"))


def test_value_outside_the_range_is_refused(one):
    with pytest.raises(HyperparameterError, match=r"-1\.0"):
        one.family.train(one.data, CASES[one.name].refused, 0)


@pytest.mark.parametrize("split", ["fit", "score"])
def test_conditions_repeat_by_seed_and_are_no_more_than_asked_for(one, split):
    every, few, again = (one.family.conditions(one.data, split, count, 3) for count in (10_000, 2, 2))
    assert len(few) == min(2, len(every))
    np.testing.assert_array_equal(few, again)
    assert {row.tobytes() for row in few} <= {row.tobytes() for row in every}


def test_conditions_of_any_float_type_give_the_same_outputs(one):
    x = one.conditions
    np.testing.assert_array_equal(one.network.outputs(x.astype(np.float64), 2, 0), one.network.outputs(x, 2, 0))


def test_conditions_of_another_width_are_refused(one):
    if one.name == "checkpoints":
        pytest.skip("the user's module decides")
    x = np.repeat(one.conditions[:, :1], one.conditions.shape[1] + 1, axis=1)
    with pytest.raises(DataError, match=rf"conditions have shape .*{x.shape[1]}\); \(N, {x.shape[1] - 1}\) is needed"):
        one.network.outputs(x, 1, 0)


def test_seed_decides_the_training(one):
    if one.name in ("checkpoints", "semicircles", "turning_cloud"):
        pytest.skip("nothing is trained")
    other, _ = one.family.train(one.data, CASES[one.name].values[0], 1)
    assert not np.allclose(other.outputs(one.conditions, 2, 0), one.network.outputs(one.conditions, 2, 0))


def test_training_repeats_from_saved_data_and_leaves_global_generators_alone(one, tmp_path):
    one.data.save(tmp_path)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again, _ = one.family.train(Data.load(tmp_path), CASES[one.name].values[0], 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    np.testing.assert_array_equal(again.outputs(one.conditions, 2, 0), one.network.outputs(one.conditions, 2, 0))


def test_saved_network_answers_bit_for_bit(one, tmp_path):
    for k, network in enumerate(one.networks):
        save_network(network, tmp_path / str(k))
        again = load_network(tmp_path / str(k))
        assert again.family == network.family
        np.testing.assert_array_equal(again.outputs(one.conditions, 3, 7), network.outputs(one.conditions, 3, 7))


def test_saved_networks_are_known_by_their_names_and_hold_no_pickle(one, tmp_path):
    save_network(one.network, tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} <= {".json", ".safetensors"}
    assert family_class(one.network.family) is type(one.family)


def test_cut_or_missing_file_is_refused(one, tmp_path):
    save_network(one.network, tmp_path)
    for file in sorted(tmp_path.iterdir()):
        content = file.read_bytes()
        file.write_bytes(content[:-20])
        with pytest.raises(BundleError, match=f"{file.name} is corrupted"):
            load_network(tmp_path)
        file.unlink()
        with pytest.raises(BundleError, match=f"{file.name} is missing"):
            load_network(tmp_path)
        file.write_bytes(content)


def test_description_that_does_not_fit_is_refused(one, tmp_path):
    if not isinstance(one.network, ModuleNetwork):
        pytest.skip("it has no settings and no weights")
    save_network(one.network, tmp_path)
    path, key = tmp_path / "network.json", type(one.family).saved_key
    document = json.loads(path.read_text())
    assert document[key] == CASES[one.name].values[0]
    for change, message in (
        ({key: CASES[one.name].refused}, rf"holds no network of {type(one.family).__name__}: "),
        ({"settings": document["settings"] | {"widths": 3}}, r"settings\.widths: unknown key"),
        ({"settings": None}, r"network.json"),
    ):
        path.write_text(json.dumps(document | change))
        with pytest.raises(BundleError, match=message):
            load_network(tmp_path)


@pytest.mark.parametrize(("name", "key"), SAVED.items())
def test_names_in_saved_networks_stay_as_they_are(trained, tmp_path, name, key):
    # Networks, harvests and registered models on disk are read by these two names.
    save_network(trained(name).network, tmp_path)
    assert json.loads((tmp_path / "family.json").read_text()) == {"family": name}
    assert set(json.loads((tmp_path / "network.json").read_text())) == {key, "settings"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_family_modules_import_nothing_heavy(name):
    heavy = "{'torch', 'sklearn', 'scipy', 'pandas', 'stable_baselines3', 'gymnasium', 'mujoco', 'mlflow'}"
    script = f"import sys, pipeline.families.{name}.family; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_networks_load_where_only_the_serving_packages_are(trained, tmp_path):
    # A served model's process has NumPy, torch, safetensors and Pydantic; anything else must not be imported.
    own = [name for name in CASES if name != "checkpoints"]  # whose modules are the user's
    for name in own:
        save_network(trained(name).network, tmp_path / name)
        np.save(tmp_path / name / "x.npy", trained(name).conditions)
    script = f"""
import sys
tools = ("typer", "mlflow", "prefect", "dvc", "matplotlib", "onnxruntime", "gymnasium", "stable_baselines3")
for name in ("pandas", "pyarrow", "scipy", "sklearn", "ot", "yaml", *tools):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from pipeline.families.catalog import family_class, load_network
for name in {own}:
    folder = Path({str(tmp_path)!r}) / name
    load_network(folder).outputs(np.load(folder / "x.npy"), 2, 0)
family_class("checkpoints")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_networks_of_two_values_differ(one):
    low, high = (network.outputs(one.conditions, 3, 0) for network in one.networks)
    assert not np.array_equal(low, high)


def test_order_of_conditions_does_not_matter_where_nothing_is_drawn(one):
    if not one.schema.deterministic:
        pytest.skip("draws are a batch's; from_noise is tested instead")
    x, order = one.conditions, np.random.default_rng(0).permutation(len(one.conditions))
    permuted = one.network.outputs(x[order], 1, 0)
    np.testing.assert_allclose(permuted, one.network.outputs(x, 1, 0)[order], rtol=1e-5, atol=1e-6)


def test_no_conditions_give_no_outputs(one):
    schema = one.schema
    empty = np.zeros((0, len(schema.conditions)), np.float32)
    assert one.network.outputs(empty, 3, 0).shape == (0, 3, len(schema.outputs))


def test_stochastic_networks_answer_from_noise(one):
    assert isinstance(one.network, Reparameterised) == (one.schema.deterministic is False)


DETERMINISTIC = ("checkpoints", "quantile_forecaster", "robust_classifier", "robust_quantile_forecaster")


@pytest.fixture(params=[name for name in CASES if name not in DETERMINISTIC])
def noisy(request, trained) -> Trained:
    return trained(request.param)


def noise_of(network: Reparameterised, rows: int, draws: int) -> NDArray[np.float32]:
    shape = (rows, draws, network.noise_dimension)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_a_row_depends_on_its_condition_and_noise_alone(noisy):
    network, x = noisy.network, noisy.conditions
    noise = noise_of(network, len(x), 6)
    outputs = network.from_noise(x, noise)
    assert outputs.dtype == np.float32
    assert outputs.shape == (len(x), 6, len(noisy.schema.outputs))
    np.testing.assert_array_equal(network.from_noise(x, noise), outputs)
    close = {"rtol": 1e-4, "atol": 1e-5}  # matrix products of other sizes round otherwise
    for row in range(len(x)):
        np.testing.assert_allclose(network.from_noise(x[[row]], noise[[row]]), outputs[[row]], **close)
    permuted = network.from_noise(x[::-1], noise[::-1, ::-1])
    np.testing.assert_allclose(permuted, outputs[::-1, ::-1], **close)
    np.testing.assert_allclose(network.from_noise(x, noise[:, 2:3]), outputs[:, 2:3], **close)


def test_normal_noise_gives_the_distribution_of_the_outputs(noisy):
    network, x, draws = noisy.network, noisy.conditions[:1], 20_000
    given, drawn = network.from_noise(x, noise_of(network, 1, draws))[0], network.outputs(x, draws, 0)[0]
    shares = np.linspace(0.02, 0.98, 25)
    for i in range(given.shape[1]):
        # At the quantiles of one sample, the shares of the other: the scale of the outputs has no part in it. Outputs
        # that are clipped to their box lie on it with a probability, and count half.
        at = np.quantile(drawn[:, i], shares)[:, None]
        below = [((sample < at).mean(1) + (sample <= at).mean(1)) / 2 for sample in (given[:, i], drawn[:, i])]
        np.testing.assert_allclose(*below, atol=0.02)


def test_equal_noise_couples_policies_alone(trained):
    coupled = {name for name in CASES if getattr(trained(name).network, "coupled_by_noise", False)}
    assert coupled == {"cancer_therapy", "reacher"}


def test_noise_of_another_shape_is_refused(noisy):
    x, network = noisy.conditions, noisy.network
    wrong = np.zeros((len(x), 2, network.noise_dimension + 1), np.float32)
    with pytest.raises(DataError, match=r"noise has shape .* noise_dimension = "):
        network.from_noise(x, wrong)
