import numpy as np
import pytest
import torch

from pipeline.errors import FitError
from pipeline.families.forecasters.pinball import (
    pinball_loss,
    train,
)
from pipeline.families.forecasters.settings import ForecasterSettings

SETTINGS = ForecasterSettings(history=4, horizon=2, hidden=(16,), max_epochs=4, batch_size=32, learning_rate=0.01)


def windows(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(50, 10, (rows, 6)).astype(np.float32)


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
    module, _ = train(windows(4000), windows(4000, 1), 0.8, settings, 0)
    forecast = module(torch.tensor(windows(500, 2)[:, :4])).detach()
    assert forecast.mean() == pytest.approx(50 + 10 * 0.8416, abs=0.5)


def test_best_weights_are_restored_and_patience_ends_training():
    # Validation data of another level: every step away from the start makes it worse after a while.
    settings = SETTINGS.model_copy(update={"max_epochs": 200, "patience": 3})
    validation = windows(50, 1)
    module, metrics = train(windows(100), validation, 0.5, settings, 0)
    assert metrics["epochs"] == metrics["best_epoch"] + 3
    forecast = module(torch.tensor(validation[:, :4])).detach()
    assert float(pinball_loss(forecast, torch.from_numpy(validation[:, 4:]), 0.5)) == pytest.approx(
        metrics["validation_loss"], rel=1e-6
    )


def test_standardisation_belongs_to_the_network():
    # The same series in other units is forecast in those units.
    celsius = train(windows(200), windows(50, 1), 0.3, SETTINGS, 0)[0]
    fahrenheit = train(windows(200) * 1.8 + 32, windows(50, 1) * 1.8 + 32, 0.3, SETTINGS, 0)[0]
    x = torch.tensor(windows(20, 3)[:, :4])
    torch.testing.assert_close(fahrenheit(x * 1.8 + 32), celsius(x) * 1.8 + 32, rtol=1e-3, atol=0.0)


def test_not_finite_loss_is_an_error():
    with pytest.raises(FitError, match=r"quantile 0\.3: the validation loss is not finite"):
        train(windows(50) * np.float32("nan"), windows(50, 1), 0.3, SETTINGS, 0)
