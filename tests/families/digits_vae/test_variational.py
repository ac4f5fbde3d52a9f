import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from pipeline.errors import DataError, FitError
from pipeline.families.digits_vae.family import DigitsVAE
from pipeline.families.digits_vae.settings import VAESettings
from pipeline.families.digits_vae.variational import VAE, learnt_pixels, one_hot, train

SETTINGS = VAESettings(latent=3, width=16, batch_size=32, iterations=30)
CLASSES = np.array([[0.0], [9.0]], np.float32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).random((count, 64)).astype(np.float32)
    return images, np.arange(count) % 10


def untrained() -> VAE:
    module = VAE(SETTINGS)
    module.initialise(generator())
    return module.requires_grad_(False)


def drawn(module: VAE, settings: VAESettings, classes: np.ndarray, draws: int) -> np.ndarray:
    """Images (N, draws, 64) of classes (N, 1)."""
    return DigitsVAE(settings).network(module, 0.5).outputs(classes, draws, 0)


def test_the_loss_is_cross_entropy_and_divergence_from_the_prior():
    module, (images, digit) = untrained(), map(torch.tensor, pictures(20))
    classes = one_hot(digit)
    entropy, divergence = module.loss(images, classes, torch.zeros(20, 3))
    mean, log_variance = module.encode(images, classes)
    posterior, prior = Normal(mean, (0.5 * log_variance).exp()), Normal(torch.zeros(3), torch.ones(3))
    image = module.decode(mean, classes)  # noise 0
    wanted = -(images * image.log() + (1 - images) * (1 - image).log()).sum(dim=1).mean()
    torch.testing.assert_close(entropy, wanted)
    torch.testing.assert_close(divergence, kl_divergence(posterior, prior).sum(dim=1).mean())


def test_codes_are_drawn_from_the_posterior():
    # A decoder that hands the codes on, and noise of ±1: the images are those of μ ± σ.
    class Open(VAE):
        def __init__(self, settings):
            super().__init__(settings)
            self.decoder.forward = lambda codes, classes: torch.nn.functional.pad(codes, (0, 61))

    module = Open(SETTINGS)
    module.initialise(generator())
    images, digit = map(torch.tensor, pictures(5))
    classes, noise = one_hot(digit), torch.ones(5, 3)
    mean, log_variance = module.encode(images, classes)
    logits = torch.nn.functional.pad(mean + (0.5 * log_variance).exp(), (0, 61))
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / 5
    torch.testing.assert_close(module.loss(images, classes, noise)[0], wanted)


def test_the_class_decides_what_a_code_means():
    module, codes = untrained(), torch.zeros(2, 3)
    first, second = module.decode(codes, one_hot(torch.tensor([3, 4])))
    assert not torch.allclose(first, second)


def test_pixels_that_hardly_vary_are_their_mean():
    images, digit = pictures()
    images[:, 0], images[:, 1] = 0.25, 0.5 + 0.02 * np.sign(images[:, 1] - 0.5)
    module, _ = train(images, digit, 0.5, SETTINGS, 0)
    samples = drawn(module, SETTINGS, CLASSES, 4)
    assert module.learnt.tolist() == [False, False] + [True] * 62
    np.testing.assert_allclose(samples[:, :, :2], np.broadcast_to(images[:, :2].mean(axis=0), (2, 4, 2)), rtol=1e-6)
    assert (samples[:, :, 2:].std(axis=1) > 0).all()


def test_learnt_pixels_are_judged_against_the_most_varying_one():
    images = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.25, 0.24]])
    assert learnt_pixels(images, 0.25).tolist() == [True, True, False]
    assert learnt_pixels(images, 0.0).all()


def test_one_image_a_class_needs_no_code():
    # The class says everything: at the least loss the code says nothing, and every sample is the class's image.
    images = (np.random.default_rng(1).random((10, 64)) > 0.5).astype(np.float32)
    settings = VAESettings(latent=2, width=64, batch_size=32, iterations=400, learning_rate=5e-3)
    module, metrics = train(images, np.arange(10), 1.0, settings, 0)
    samples = drawn(module, settings, np.arange(10.0)[:, None], 20)
    np.testing.assert_allclose(samples, np.repeat(images[:, None], 20, axis=1), atol=0.1)
    assert list(metrics.values()) == pytest.approx([0, 0], abs=0.5)


def test_every_beta_starts_from_the_same_weights_and_sees_the_same_batches():
    still = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    (first, some), (second, same) = (train(*pictures(), beta, still, 0) for beta in (0.1, 9.0))
    one, other = first.state_dict(), second.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert some == same  # of batches and noise, where nothing is learnt


def test_not_finite_loss_is_an_error():
    images, digit = pictures()
    with pytest.raises(FitError, match=r"beta 0\.5: the loss is not finite; lower train.learning_rate"):
        train(images * np.float32("nan"), digit, 0.5, SETTINGS, 0)


@pytest.mark.parametrize("digit", [10, -1, 0.5, float("nan")])
def test_unknown_class_is_refused(digit):
    with pytest.raises(DataError, match=r"digit .* does not exist; it is one of 0 to 9"):
        drawn(untrained(), SETTINGS, np.array([[digit]]), 1)
