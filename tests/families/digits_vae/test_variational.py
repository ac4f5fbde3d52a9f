import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from pipeline.data.network import Network
from pipeline.errors import BundleError, DataError, FitError
from pipeline.families.digits_vae.settings import VAESettings
from pipeline.families.digits_vae.variational import VAE, VAENetwork, learnt_pixels, load, one_hot, train

SETTINGS = VAESettings(latent=3, width=16, batch_size=32, iterations=30)
CLASSES = np.array([[0.0], [9.0]], np.float32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).random((count, 64)).astype(np.float32)
    return images, np.arange(count) % 10


def untrained() -> VAE:
    module = VAE(SETTINGS)
    for part in (module.encoder, module.decoder):
        part.initialise(generator())
    return module.requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> VAENetwork:
    return train(*pictures(), 0.5, SETTINGS, 0)[0]


def test_the_loss_is_cross_entropy_and_divergence_from_the_prior():
    module, (images, digit) = untrained(), map(torch.tensor, pictures(20))
    classes = one_hot(digit)
    entropy, divergence = module.loss(images, classes, torch.zeros(20, 3))
    mean, log_variance = module.encode(images, classes)
    posterior, prior = Normal(mean, (0.5 * log_variance).exp()), Normal(torch.zeros(3), torch.ones(3))
    drawn = module.decode(mean, classes)  # noise 0
    wanted = -(images * drawn.log() + (1 - images) * (1 - drawn).log()).sum(dim=1).mean()
    torch.testing.assert_close(entropy, wanted)
    torch.testing.assert_close(divergence, kl_divergence(posterior, prior).sum(dim=1).mean())


def test_codes_are_drawn_from_the_posterior():
    # A decoder that hands the codes on, and noise of ±1: the images are those of μ ± σ.
    class Open(VAE):
        def __init__(self, settings):
            super().__init__(settings)
            self.decoder.forward = lambda codes, classes: torch.nn.functional.pad(codes, (0, 61))

    module = Open(SETTINGS)
    module.encoder.initialise(generator())
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
    network, _ = train(images, digit, 0.5, SETTINGS, 0)
    drawn = network.outputs(CLASSES, 4, 0)
    assert network.module.learnt.tolist() == [False, False] + [True] * 62
    np.testing.assert_allclose(drawn[:, :, :2], np.broadcast_to(images[:, :2].mean(axis=0), (2, 4, 2)), rtol=1e-6)
    assert (drawn[:, :, 2:].std(axis=1) > 0).all()


def test_learnt_pixels_are_judged_against_the_most_varying_one():
    images = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.25, 0.24]])
    assert learnt_pixels(images, 0.25).tolist() == [True, True, False]
    assert learnt_pixels(images, 0.0).all()


def test_one_image_a_class_needs_no_code():
    # The class says everything: at the least loss the code says nothing, and every sample is the class's image.
    images = (np.random.default_rng(1).random((10, 64)) > 0.5).astype(np.float32)
    settings = VAESettings(latent=2, width=64, batch_size=32, iterations=400, learning_rate=5e-3)
    network, metrics = train(images, np.arange(10), 1.0, settings, 0)
    drawn = network.outputs(np.arange(10.0)[:, None], 20, 0)
    np.testing.assert_allclose(drawn, np.repeat(images[:, None], 20, axis=1), atol=0.1)
    assert list(metrics.values()) == pytest.approx([0, 0], abs=0.5)


def test_every_beta_starts_from_the_same_weights_and_sees_the_same_batches():
    still = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    (first, some), (second, same) = (train(*pictures(), beta, still, 0) for beta in (0.1, 9.0))
    one, other = first.module.state_dict(), second.module.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert some == same  # of batches and noise, where nothing is learnt


def test_training_repeats_by_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    (first, metrics), (again, _), (other, _) = (train(*pictures(), 0.5, SETTINGS, seed) for seed in (1, 1, 2))
    draws = [n.outputs(CLASSES, 5, 0) for n in (first, again, other)]
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])
    assert set(metrics) == {"cross_entropy", "divergence"}


def test_not_finite_loss_is_an_error():
    images, digit = pictures()
    with pytest.raises(FitError, match=r"beta 0\.5: the loss is not finite; lower train.learning_rate"):
        train(images * np.float32("nan"), digit, 0.5, SETTINGS, 0)


def test_draws_repeat_by_seed_and_stay_within_bounds(network):
    draws = network.outputs(CLASSES, 7, 3)
    assert (draws.shape, draws.dtype) == ((2, 7, 64), np.float32)
    assert draws.min() >= 0
    assert draws.max() <= 1
    np.testing.assert_array_equal(draws, network.outputs(CLASSES.astype(np.float64), 7, 3))
    assert not np.array_equal(draws, network.outputs(CLASSES, 7, 4))
    assert len(np.unique(draws.reshape(-1, 64), axis=0)) == 14
    assert isinstance(network, Network)


def test_no_rows_give_no_outputs(network):
    assert network.outputs(np.zeros((0, 1)), 3, 0).shape == (0, 3, 64)


@pytest.mark.parametrize("digit", [10, -1, 0.5, float("nan")])
def test_unknown_class_is_refused(network, digit):
    with pytest.raises(DataError, match=r"class .* does not exist; the classes are 0 to 9"):
        network.outputs(np.array([[digit]]), 1, 0)


def test_wrong_number_of_conditions_is_refused(network):
    with pytest.raises(DataError, match=r"shape \(5, 3\); \(N, 1\)"):
        network.outputs(np.zeros((5, 3)), 1, 0)


def test_saved_network_gives_the_same_draws(network, tmp_path):
    network.save(tmp_path)
    again = load(tmp_path)
    assert (again.beta, again.settings) == (0.5, SETTINGS)
    np.testing.assert_array_equal(again.outputs(CLASSES, 9, 0), network.outputs(CLASSES, 9, 0))


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
        ('"width": 16', '"width": 17', r"(?s)holds no autoencoder.*size mismatch"),
        ('"width"', '"widths"', r"settings\.widths: unknown key"),
        ('"beta": 0.5', '"beta": -1.0', r"holds no autoencoder: beta = -1\.0 is no weight"),
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
