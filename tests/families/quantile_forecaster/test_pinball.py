import numpy as np
import pytest
import torch

from pipeline.data.network import Network
from pipeline.errors import BundleError, DataError, FitError
from pipeline.families.quantile_forecaster.pinball import (
    ForecastModule,
    ForecastNetwork,
    load,
    pinball_loss,
    train,
)
from pipeline.families.quantile_forecaster.settings import ForecasterSettings
from pipeline.families.threads import single_thread

SETTINGS = ForecasterSettings(history=4, horizon=2, hidden=(16,), max_epochs=4, batch_size=32, learning_rate=0.01)


def windows(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(50, 10, (rows, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> ForecastNetwork:
    return train(windows(200), windows(50, 1), 0.3, SETTINGS, 0)[0]


def test_pinball_loss_by_hand():
    # Errors 2 and -4 at quantile 0.25: 0.25 * 2 and 0.75 * 4.
    assert float(pinball_loss(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 1.0]), 0.25)) == pytest.approx((0.5 + 3) / 2)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_pinball_loss_is_least_at_the_quantile(quantile):
    sample = torch.arange(1, 1000) / 1000
    guesses = torch.arange(0.05, 1, 0.05)
    losses = [float(pinball_loss(guess.expand(999), sample, quantile)) for guess in guesses]
    assert float(guesses[int(np.argmin(losses))]) == pytest.approx(quantile)


def test_constant_noise_is_answered_with_its_quantile():
    # Independent normal noise: the best forecast is the normal quantile, 50 + 10 * 0.8416, whatever the context.
    settings = SETTINGS.model_copy(update={"max_epochs": 30, "learning_rate": 0.003})
    network, _ = train(windows(4000), windows(4000, 1), 0.8, settings, 0)
    forecast = network.outputs(windows(500, 2)[:, :4], 1, 0)
    assert forecast.mean() == pytest.approx(50 + 10 * 0.8416, abs=0.5)


def test_training_is_deterministic_for_a_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    (first, metrics), (again, _), (other, _) = (
        train(windows(100), windows(50, 1), 0.3, SETTINGS, s) for s in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    x = windows(20, 3)[:, :4]
    np.testing.assert_array_equal(first.outputs(x, 1, 0), again.outputs(x, 1, 0))
    assert not np.allclose(first.outputs(x, 1, 0), other.outputs(x, 1, 0))
    assert set(metrics) == {"train_loss", "validation_loss", "best_epoch", "epochs"}


def test_best_weights_are_restored_and_patience_ends_training():
    # Validation data of another level: every step away from the start makes it worse after a while.
    settings = SETTINGS.model_copy(update={"max_epochs": 200, "patience": 3})
    validation = windows(50, 1)
    network, metrics = train(windows(100), validation, 0.5, settings, 0)
    assert metrics["epochs"] == metrics["best_epoch"] + 3
    forecast = torch.from_numpy(network.outputs(validation[:, :4], 1, 0)[:, 0])
    assert float(pinball_loss(forecast, torch.from_numpy(validation[:, 4:]), 0.5)) == pytest.approx(
        metrics["validation_loss"], rel=1e-6
    )


def test_standardisation_belongs_to_the_network():
    # The same series in other units is forecast in those units.
    celsius = train(windows(200), windows(50, 1), 0.3, SETTINGS, 0)[0]
    fahrenheit = train(windows(200) * 1.8 + 32, windows(50, 1) * 1.8 + 32, 0.3, SETTINGS, 0)[0]
    x = windows(20, 3)[:, :4]
    np.testing.assert_allclose(fahrenheit.outputs(x * 1.8 + 32, 1, 0), celsius.outputs(x, 1, 0) * 1.8 + 32, rtol=1e-3)


def test_not_finite_loss_is_an_error():
    with pytest.raises(FitError, match=r"quantile 0\.3: the validation loss is not finite"):
        train(windows(50) * np.float32("nan"), windows(50, 1), 0.3, SETTINGS, 0)


def test_outputs_are_equal_draws_of_any_float_dtype(network):
    x = windows(5)[:, :4].astype(np.float64)
    y = network.outputs(x, 3, 0)
    assert y.shape == (5, 3, 2)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y[:, 0], y[:, 2])
    np.testing.assert_array_equal(y, network.outputs(x, 3, 99))
    assert network.outputs(x[:0], 3, 0).shape == (0, 3, 2)
    assert isinstance(network, Network)


def test_wrong_number_of_conditions_is_refused(network):
    with pytest.raises(DataError, match=r"shape \(5, 3\); \(N, history = 4\)"):
        network.outputs(np.zeros((5, 3)), 1, 0)


def test_saved_network_gives_the_same_outputs(network, tmp_path):
    network.save(tmp_path)
    again = load(tmp_path)
    assert (again.quantile, again.settings) == (0.3, SETTINGS)
    np.testing.assert_array_equal(again.outputs(windows(9)[:, :4], 1, 0), network.outputs(windows(9)[:, :4], 1, 0))


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


def test_weights_of_another_size_and_unknown_settings_are_refused(network, tmp_path):
    network.save(tmp_path)
    path = tmp_path / "network.json"
    text = path.read_text()
    path.write_text(text.replace("16", "17"))
    with pytest.raises(BundleError, match=r"(?s)holds no forecaster.*size mismatch"):
        load(tmp_path)
    path.write_text(text.replace('"horizon"', '"horizons"'))
    with pytest.raises(BundleError, match=r"settings\.horizons: unknown key"):
        load(tmp_path)


def test_thread_count_is_put_back():
    threads = torch.get_num_threads()
    with single_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


def test_initial_weights_are_uniform_within_the_fan_in():
    module = ForecastModule(ForecasterSettings(history=100, hidden=(200,)))
    module.initialise(torch.Generator().manual_seed(0))
    weight = module.layers[0].weight
    assert float(weight.detach().abs().max()) <= 0.1
    assert float(weight.detach().std()) == pytest.approx(0.1 / 3**0.5, rel=0.02)
