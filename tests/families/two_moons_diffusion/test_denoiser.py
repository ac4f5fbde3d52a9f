import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data.network import Network
from pipeline.errors import BundleError, DataError, FitError
from pipeline.families.two_moons_diffusion.denoiser import (
    Denoiser,
    DiffusionNetwork,
    dropout,
    load,
    sample,
    sinusoids,
    train,
    variances,
)
from pipeline.families.two_moons_diffusion.randomness import Seeded
from pipeline.families.two_moons_diffusion.settings import DiffusionSettings

SETTINGS = DiffusionSettings(steps=10, width=16, embedding=4, iterations=30, batch_size=32)
CATEGORIES = np.array([[0.0], [1.0]], np.float32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seeded() -> Seeded:
    return Seeded(generator())


def cloud(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    points = np.random.default_rng(0).normal(0, 1, (count, 2)).astype(np.float32)
    return points, np.arange(count) % 2


@pytest.fixture(scope="module")
def network() -> DiffusionNetwork:
    return train(*cloud(), 0.3, SETTINGS, 0)[0]


def test_dropout_drops_its_share_and_keeps_the_mean():
    dropped = dropout(torch.ones(1000, 1000), 0.8, seeded())
    assert float((dropped == 0).float().mean()) == pytest.approx(0.8, abs=0.002)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)
    assert dropped.unique().tolist() == [0.0, pytest.approx(5)]


def test_no_dropout_is_the_identity():
    hidden = torch.randn(50, 20, generator=generator())
    assert torch.equal(dropout(hidden, 0.0, seeded()), hidden)


def test_a_larger_rate_drops_what_a_smaller_one_drops():
    few, many = (dropout(torch.ones(100, 100), rate, seeded()) == 0 for rate in (0.3, 0.6))
    assert bool((many >= few).all())
    assert int(many.sum()) > int(few.sum())


def test_embedded_steps_are_distinct_and_start_at_sine_zero():
    embedded = sinusoids(100, 16)
    assert embedded.shape == (100, 16)
    np.testing.assert_allclose(embedded[0], [0] * 8 + [1] * 8)
    np.testing.assert_allclose(embedded[3, [0, 8]], [np.sin(3), np.cos(3)], rtol=1e-6)
    assert float(torch.pdist(embedded).min()) > 0.1


def test_initial_weights_are_uniform_within_the_fan_in():
    module = Denoiser(DiffusionSettings(width=200))
    module.initialise(generator())
    weight = module.second.weight.detach()
    assert float(weight.abs().max()) <= 200**-0.5
    assert float(weight.std()) == pytest.approx((3 * 200) ** -0.5, rel=0.02)


class Blind(nn.Module):
    """Predicts no noise."""

    def forward(self, points, step, category, rate, randomness):
        return torch.zeros_like(points)


class BestForUnitNormals(nn.Module):
    """The best prediction where the data are N(mean of the category, 1), in closed form."""

    means = torch.tensor([[3.0, -1.0], [-2.0, 5.0]])

    def __init__(self, settings):
        super().__init__()
        self.remaining = torch.cumprod(1 - variances(settings), 0)

    def forward(self, points, step, category, rate, randomness):
        kept = self.remaining[step][:, None]
        return (1 - kept).sqrt() * (points - kept.sqrt() * self.means[category])


def test_a_blind_chain_grows_as_its_recursion_says():
    settings = DiffusionSettings()
    variance = 1.0
    for beta in reversed(variances(settings).tolist()):
        variance = variance / (1 - beta) + beta
    variance -= settings.first_variance  # the last step adds no noise
    points = sample(Blind(), torch.zeros(100_000, dtype=torch.long), settings, 0.0, seeded())
    np.testing.assert_allclose(points.std(dim=0), variance**0.5, rtol=0.01)
    assert variance**0.5 == pytest.approx(2.1, abs=0.05)


def test_the_chain_with_the_best_prediction_gives_the_data_back():
    # With data of unit variance and steps that end in pure noise, σ_t² = β_t is exact (Ho et al., section 3.2).
    settings = DiffusionSettings(last_variance=0.3)
    category = torch.arange(2).repeat_interleave(50_000)
    points = sample(BestForUnitNormals(settings), category, settings, 0.0, seeded()).reshape(2, 50_000, 2)
    np.testing.assert_allclose(points.mean(dim=1), BestForUnitNormals.means, atol=0.03)
    np.testing.assert_allclose(points.std(dim=1), 1, rtol=0.02)


def test_trained_networks_find_the_point_of_each_category():
    points = np.array([[2.0, -1.0], [-1.0, 1.5]], np.float32)
    settings = DiffusionSettings(steps=20, last_variance=0.5, width=32, iterations=1000, batch_size=64)
    network, _ = train(points, np.array([0, 1]), 0.0, settings, 0)
    draws = network.outputs(CATEGORIES, 200, 0)
    np.testing.assert_allclose(draws.mean(axis=1), points, atol=0.15)


def test_every_rate_starts_from_the_same_weights():
    still = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    first, second = (train(*cloud(), rate, still, 0)[0].module.state_dict() for rate in (0.0, 0.9))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_every_rate_sees_the_same_batches():
    # A last layer of zeros hides dropout: what remains of the loss is the batches' noise.
    class Silent(Denoiser):
        def initialise(self, generator):
            super().initialise(generator)
            self.last.weight.data.zero_()
            self.last.bias.data.zero_()

    still = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.families.two_moons_diffusion.denoiser.Denoiser", Silent)
        losses = [train(*cloud(), rate, still, 0)[1]["train_loss"] for rate in (0.0, 0.5, 0.9)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_training_repeats_by_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    (first, metrics), (again, _), (other, _) = (train(*cloud(), 0.3, SETTINGS, seed) for seed in (1, 1, 2))
    draws = [n.outputs(CATEGORIES, 20, 0) for n in (first, again, other)]
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])
    assert set(metrics) == {"train_loss"}


def test_not_finite_loss_is_an_error():
    points, category = cloud()
    with pytest.raises(FitError, match=r"dropout rate 0\.3: the loss is not finite; lower train.learning_rate"):
        train(points * np.float32("nan"), category, 0.3, SETTINGS, 0)


def test_draws_repeat_by_seed(network):
    draws = network.outputs(CATEGORIES, 7, 3)
    assert draws.shape == (2, 7, 2)
    assert draws.dtype == np.float32
    np.testing.assert_array_equal(draws, network.outputs(CATEGORIES.astype(np.float64), 7, 3))
    assert not np.isin(draws, network.outputs(CATEGORIES, 7, 4)).any()
    assert len(np.unique(draws.reshape(-1, 2), axis=0)) == 14
    assert isinstance(network, Network)


def test_no_rows_give_no_outputs(network):
    assert network.outputs(np.zeros((0, 1)), 3, 0).shape == (0, 3, 2)


@pytest.mark.parametrize("category", [2, -1, 0.5, float("nan")])
def test_unknown_category_is_refused(network, category):
    with pytest.raises(DataError, match=r"category .* does not exist; the categories are \[0, 1\]"):
        network.outputs(np.array([[category]]), 1, 0)


def test_wrong_number_of_conditions_is_refused(network):
    with pytest.raises(DataError, match=r"shape \(5, 3\); \(N, 1\)"):
        network.outputs(np.zeros((5, 3)), 1, 0)


def test_saved_network_gives_the_same_draws(network, tmp_path):
    network.save(tmp_path)
    again = load(tmp_path)
    assert (again.dropout_rate, again.settings) == (0.3, SETTINGS)
    np.testing.assert_array_equal(again.outputs(CATEGORIES, 9, 0), network.outputs(CATEGORIES, 9, 0))


@pytest.mark.parametrize("file", ["network.json", "weights.safetensors"])
def test_cut_or_missing_file_is_refused(network, tmp_path, file):
    network.save(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BundleError, match=f"{file} is corrupted"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(BundleError, match=f"{file} is missing"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"width": 16', '"width": 17', r"(?s)holds no diffusion model.*size mismatch"),
        ('"width"', '"widths"', r"settings\.widths: unknown key"),
        ('"dropout_rate": 0.3', '"dropout_rate": 1.0', r"holds no diffusion model: dropout_rate = 1\.0 is no rate"),
    ],
)
def test_description_that_does_not_fit_is_refused(network, tmp_path, before, after, message):
    network.save(tmp_path)
    path = tmp_path / "network.json"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(BundleError, match=message):
        load(tmp_path)
