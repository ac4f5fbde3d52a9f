"""What holds for every built-in family: one test a promise, run over networks that were trained for a moment."""

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

from pipeline.data.network import Network, Reparameterised
from pipeline.data.samples import check_samples
from pipeline.data.schema import Schema
from pipeline.errors import DataError
from pipeline.families.catalog import BUILT_IN, load_network, make_family, save_network
from pipeline.families.protocol import Data, IngestSection, NetworkFamily

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
    """Settings of a family for a moment's training at two λ, and what writes its source."""

    settings: dict[str, Any] = field(default_factory=dict)
    values: tuple[float, float] = (0.2, 0.8)
    source: Callable[[Path], str] = touch


CHECKPOINTS = {
    "checkpoints": "{value}.safetensors",
    "columns": {
        "hyperparameter": {"name": "slope"},
        "outputs": [{"name": "y"}],
        "conditions": [{"name": "x"}],
        "deterministic": True,
    },
    "conditions": "x.csv",
    "build": "tests.families.test_contract:line",
}
CASES = {
    "cancer_therapy": Case(POLICY, (1.0, 5.0)),
    "checkpoints": Case(CHECKPOINTS, source=lines),
    "digits_vae": Case({"width": 16, "iterations": 20}),
    "quantile_forecaster": Case({"history": 4, "horizon": 2, "hidden": [8], "max_epochs": 2}, source=series),
    "reacher": Case(POLICY, (1.0, 5.0)),
    "robust_classifier": Case({"hidden": [8], "iterations": 20}),
    "semicircles": Case(),
    "two_moons_diffusion": Case({"points": 200, "steps": 10, "width": 16, "embedding": 4, "iterations": 20}),
}


def line(hyperparameter: float) -> torch.nn.Module:
    """What the checkpoints are loaded into."""
    return torch.nn.Linear(1, 1, device="meta").to_empty(device="cpu")  # draws nothing


@dataclass(frozen=True)
class Trained:
    """A family with its data, and its networks of two λ."""

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
        return Trained(family, data, (low, high))

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


def test_training_repeats_by_seed_and_leaves_global_generators_alone(one, request):
    name = request.node.callspec.params["one"]
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again, _ = one.family.train(one.data, CASES[name].values[0], 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    np.testing.assert_array_equal(again.outputs(one.conditions, 2, 0), one.network.outputs(one.conditions, 2, 0))


def test_saved_network_answers_bit_for_bit(one, tmp_path):
    for k, network in enumerate(one.networks):
        save_network(network, tmp_path / str(k))
        again = load_network(tmp_path / str(k))
        assert again.family == network.family
        np.testing.assert_array_equal(again.outputs(one.conditions, 3, 7), network.outputs(one.conditions, 3, 7))


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


@pytest.fixture(
    params=[name for name in CASES if name not in ("checkpoints", "quantile_forecaster", "robust_classifier")]
)
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
