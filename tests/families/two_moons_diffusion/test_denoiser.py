import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import DataError, FitError
from pipeline.families.two_moons_diffusion.denoiser import (
    Denoiser,
    dropout,
    sample,
    sinusoids,
    train,
    variances,
)
from pipeline.families.two_moons_diffusion.family import TwoMoonsDiffusion
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


class Blind(nn.Module):
    """Predicts no noise."""

    def forward(self, points, step, category, randomness):
        return torch.zeros_like(points)


class BestForUnitNormals(nn.Module):
    """The best prediction where the data are N(mean of the category, 1), in closed form."""

    means = torch.tensor([[3.0, -1.0], [-2.0, 5.0]])

    def __init__(self, settings):
        super().__init__()
        self.remaining = torch.cumprod(1 - variances(settings), 0)

    def forward(self, points, step, category, randomness):
        kept = self.remaining[step][:, None]
        return (1 - kept).sqrt() * (points - kept.sqrt() * self.means[category])


def test_a_blind_chain_grows_as_its_recursion_says():
    settings = DiffusionSettings()
    variance = 1.0
    for beta in reversed(variances(settings).tolist()):
        variance = variance / (1 - beta) + beta
    variance -= settings.first_variance  # the last step adds no noise
    points = sample(Blind(), torch.zeros(100_000, dtype=torch.long), settings, seeded())
    np.testing.assert_allclose(points.std(dim=0), variance**0.5, rtol=0.01)
    assert variance**0.5 == pytest.approx(2.1, abs=0.05)


def test_the_chain_with_the_best_prediction_gives_the_data_back():
    # With data of unit variance and steps that end in pure noise, σ_t² = β_t is exact (Ho et al., section 3.2).
    settings = DiffusionSettings(last_variance=0.3)
    category = torch.arange(2).repeat_interleave(50_000)
    points = sample(BestForUnitNormals(settings), category, settings, seeded()).reshape(2, 50_000, 2)
    np.testing.assert_allclose(points.mean(dim=1), BestForUnitNormals.means, atol=0.03)
    np.testing.assert_allclose(points.std(dim=1), 1, rtol=0.02)


def test_trained_networks_find_the_point_of_each_category():
    points = np.array([[2.0, -1.0], [-1.0, 1.5]], np.float32)
    settings = DiffusionSettings(steps=20, last_variance=0.5, width=32, iterations=1000, batch_size=64)
    module, _ = train(points, np.array([0, 1]), 0.0, settings, 0)
    draws = TwoMoonsDiffusion(settings).network(module, 0.0).outputs(CATEGORIES, 200, 0)
    np.testing.assert_allclose(draws.mean(axis=1), points, atol=0.15)


def test_every_rate_starts_from_the_same_weights():
    still = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    first, second = (train(*cloud(), rate, still, 0)[0].state_dict() for rate in (0.0, 0.9))
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


def test_not_finite_loss_is_an_error():
    points, category = cloud()
    with pytest.raises(FitError, match=r"dropout rate 0\.3: the loss is not finite; lower train.learning_rate"):
        train(points * np.float32("nan"), category, 0.3, SETTINGS, 0)


@pytest.mark.parametrize("category", [2, -1, 0.5, float("nan")])
def test_unknown_category_is_refused(category):
    network = TwoMoonsDiffusion(SETTINGS).network(Denoiser(SETTINGS, 0.3), 0.3)
    with pytest.raises(DataError, match=r"category .* does not exist; it is one of 0 to 1"):
        network.outputs(np.array([[category]]), 1, 0)
