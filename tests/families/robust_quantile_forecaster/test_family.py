import numpy as np
import pytest

from pipeline.errors import HyperparameterError
from pipeline.families.forecasters.settings import ForecasterSettings
from pipeline.families.protocol import Data
from pipeline.families.quantile_forecaster.family import QuantileForecaster
from pipeline.families.robust_quantile_forecaster.family import CLEAN, LEVEL, NOISED, RobustQuantileForecaster

SMALL = ForecasterSettings(history=4, horizon=2, hidden=(8,), max_epochs=3)
FAMILY = RobustQuantileForecaster(SMALL)


def walk(rows: int = 400) -> Data:
    """A random walk: its best forecast is the last value."""
    values = np.random.default_rng(0).standard_normal(rows).cumsum()
    return Data({"values": values.astype(np.float32)}, {"column": "value", "units": "kW"})


def test_without_noise_it_is_the_quantile_forecaster():
    data = walk()
    robust, _ = FAMILY.train(data, {"quantile": 0.3, "noise": 0.0}, 5)
    plain, _ = QuantileForecaster(SMALL).train(data, 0.3, 5)
    x = FAMILY.conditions(data, "score", 20, 0)
    np.testing.assert_array_equal(robust.outputs(x, 1, 0), plain.outputs(x, 1, 0))


def test_the_noisier_the_histories_the_less_a_forecast_follows_the_last_value():
    # The best slope falls from 1 to about 1 / (1 + σ²) with a single noised value, and less far with several.
    family = RobustQuantileForecaster(
        SMALL.model_copy(update={"max_epochs": 40, "hidden": (16,), "learning_rate": 0.01})
    )
    data = walk(2000)
    x = family.conditions(data, "fit", 300, 0)
    higher = x + np.array([0, 0, 0, x.std() / 10], np.float32)
    slopes = []
    for noise in (0.0, 1.0):
        network, _ = family.train(data, {"quantile": 0.5, "noise": noise}, 0)
        slopes.append(np.mean(network.outputs(higher, 1, 0) - network.outputs(x, 1, 0)) / (x.std() / 10))
    assert slopes[0] > 2 * slopes[1] > 0


def test_scores_of_the_true_values_are_zero_and_of_an_offset_its_share():
    data = walk()
    windows = FAMILY.windows(data, "test")
    truth = windows[:, 4:]

    def above(x, draws, seed):
        return truth[:, None] + 2.0

    found = FAMILY.score(above, data, {"quantile": 0.3, "noise": 0.5}, 0)
    assert found[CLEAN] == pytest.approx(0.7 * 2, rel=1e-5)  # (q − 1) · (−2)
    assert found == {CLEAN: found[CLEAN], NOISED: found[CLEAN], LEVEL: 0.7}  # all values lie below


def test_the_noised_score_disturbs_histories_by_the_noise():
    data = walk(4000)
    seen = []

    def last(x, draws, seed):
        seen.append(x)
        return np.repeat(x[:, None, -1:], 2, axis=2)

    FAMILY.score(last, data, {"quantile": 0.5, "noise": 0.5}, 0)
    clean, noised = seen
    scale = FAMILY.windows(data, "train")[:, :4].std()
    assert (noised - clean).std() == pytest.approx(0.5 * scale, rel=0.05)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"quantile": 0.0, "noise": 0.5}, "quantile 0.0: a quantile lies between 0 and 1"),
        ({"quantile": 0.5, "noise": -0.5}, "noise -0.5: a deviation is 0 at least, and finite"),
        ({"quantile": 0.5, "noise": float("inf")}, "noise inf"),
        ({"quantile": 0.5, "noise": float("nan")}, "noise nan"),
    ],
)
def test_values_outside_their_range_are_refused(value, message):
    with pytest.raises(HyperparameterError, match=message):
        FAMILY.train(walk(), value, 0)
