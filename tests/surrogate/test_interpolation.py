"""PCHIP through all anchors: chosen where left-out anchors call for it, and what `sample` makes of it."""

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtri

from pipeline.clocks.clock import Clock
from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate
from pipeline.surrogate.choice import PCHIP, choose
from pipeline.surrogate.config import SurrogateConfig
from tests.clouds import moment
from tests.moving import moving

FIVE = (0.01, 0.1, 0.5, 0.9, 0.99)
X = np.linspace(-1.5, 1.5, 120)[:, None]


def quantile(x: np.ndarray, value: float) -> np.ndarray:
    """The quantile at λ of a lognormal law whose spread grows with x: convex in the probit, more so for larger x."""
    return np.exp(0.3 * x + (0.4 + 0.2 * x) * ndtri(value))


class Quantile:
    family = "tests.surrogate.test_interpolation:Quantile"

    def __init__(self, value: float) -> None:
        self.value = value

    def outputs(self, conditions, draws, seed):
        y = quantile(np.asarray(conditions, np.float64), self.value)
        return np.repeat(y[:, None], draws, axis=1).astype(np.float32)

    def save(self, folder): ...


def quantiles(anchors: tuple[float, ...] = FIVE, noise: float = 0.0) -> Harvest:
    rng = np.random.default_rng(0)
    ys = [quantile(X, a) * (1 + noise * rng.normal(size=X.shape)) for a in anchors]
    networks = [Quantile(a) for a in anchors]
    return Harvest.from_arrays(anchors, ys, [X] * len(anchors), networks=networks, deterministic=True)


def errors_at_held_out_values(surrogate: Surrogate) -> float:
    held_out = (0.03, 0.3, 0.7, 0.95)
    return float(np.mean([np.mean((surrogate.sample(X, v)[:, 0] - quantile(X, v)) ** 2) for v in held_out]))


# The choice.


@pytest.mark.parametrize("anchors", [FIVE, (0.01, 0.1, 0.5, 0.99)])
def test_smooth_law_takes_pchip_and_is_better_for_it(anchors):
    harvest = quantiles(anchors)
    choice = choose(harvest, True, SurrogateConfig())
    assert (choice.config.variant, choice.config.interpolation) == ("K_I", "pchip")
    record = {c.name: c for c in choice.candidates}
    assert record[PCHIP].chosen
    assert record[PCHIP].error < 0.5 * record["K_I"].error
    assert record[PCHIP].remark == f"with clock {choice.clock.clock.label}"
    smooth, straight = (Surrogate.fit(harvest, moment(variant="K_I", interpolation=i)) for i in ("pchip", "linear"))
    assert errors_at_held_out_values(smooth) < 0.5 * errors_at_held_out_values(straight)


@pytest.mark.parametrize("skew", [0.0, 2.0])
def test_straight_law_takes_lines(skew):
    choice = choose(moving((0.0, 0.2, 0.5, 0.8, 1.0), "linear", skew, deterministic=True), True, SurrogateConfig())
    assert (choice.config.variant, choice.config.interpolation) == ("K_I", "linear")


def test_noise_of_the_networks_takes_lines():
    # Slopes from neighbours carry their noise into the interval.
    choice = choose(quantiles(noise=0.3), True, SurrogateConfig())
    assert choice.config.interpolation == "linear"
    record = {c.name: c for c in choice.candidates}
    assert record[PCHIP].error > record["K_I"].error


def test_three_anchors_do_not_compare_it_and_say_so():
    choice = choose(quantiles((0.01, 0.5, 0.99)), True, SurrogateConfig())
    assert choice.config.interpolation == "linear"
    (candidate,) = (c for c in choice.candidates if c.name == PCHIP)
    assert candidate.error is None
    assert candidate.remark == "not compared: needs 4 anchors"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"variant": "K_I"}, "linear"),
        ({"interpolation": "linear"}, "linear"),
        ({"interpolation": "pchip"}, "pchip"),
        ({"variant": "K_I", "interpolation": "pchip"}, "pchip"),
    ],
)
def test_named_settings_stay(settings, expected):
    choice = choose(quantiles(), True, SurrogateConfig(**settings))
    assert (choice.config.variant, choice.config.interpolation) == ("K_I", expected)
    assert not any(c.name == PCHIP and not c.chosen for c in choice.candidates)


def test_named_clock_is_kept():
    choice = choose(quantiles(), True, SurrogateConfig(clock="probit"))
    assert choice.config.interpolation == "pchip"
    assert choice.clock.clock.label == "probit"


def test_pchip_of_another_variant_is_refused():
    with pytest.raises(ValueError, match=r"interpolation = 'pchip' with variant = 'K_theta': use variant K_I, or auto"):
        SurrogateConfig(variant="K_theta", interpolation="pchip")


def test_draws_are_matched_across_the_anchors_that_are_compared():
    # One draw's curve is smooth, its number differs from anchor to anchor: without matching PCHIP would be noise.
    rng, x = np.random.default_rng(0), np.repeat(np.linspace(-1, 1, 6)[:, None], 40, axis=0)
    anchors, z = (0.0, 0.25, 0.5, 0.75, 1.0), rng.normal(size=(240, 1))
    ys = []
    for a in anchors:
        order = np.concatenate([40 * g + rng.permutation(40) for g in range(6)])
        bent = np.concatenate([4 * a + 0 * z, 4 * a * (1 - a) + 0 * z], axis=1)
        ys.append(bent + np.concatenate([z, x], axis=1)[order] * (0.5 + 0.1 * a))
    harvest = Harvest.from_arrays(anchors, ys, [x] * 5, deterministic=False)
    record = {c.name: c for c in choose(harvest, False, SurrogateConfig()).candidates}
    assert record[PCHIP].error < 0.7 * record["K_I"].error


# Samples.


@pytest.mark.parametrize("settings", [{"clock": "logit"}, {"clock": "auto"}, {"clock": "learnt"}])
@pytest.mark.parametrize("rows", [7, 1100])  # few rows run on NumPy arrays, many on tensors
def test_samples_are_on_scipy_s_curve_in_the_clock_s_coordinate(settings, rows):
    surrogate = Surrogate.fit(quantiles(), moment(variant="K_I", interpolation="pchip", **settings))
    x = np.linspace(-1.4, 1.4, rows)[:, None]
    clock = surrogate._fit.clock
    gamma = clock.skew(surrogate._parts.scaling.condition(surrogate._trajectories.given(x)))[:, 0].double().numpy()
    assert (np.ptp(gamma) > 0.1) == (surrogate.clock.endswith("by condition"))
    at_anchors = np.stack([Quantile(a).outputs(x, 1, 0)[:, 0] for a in FIVE]).astype(np.float64)
    for value in (0.02, 0.3, 0.8, 0.97):
        found = surrogate.sample(x, value)[:, 0]
        for i in range(rows):
            v = Clock(clock.base, FIVE).coordinates([*FIVE, value])
            c = np.expm1(gamma[i] * v) / gamma[i] if abs(gamma[i]) > 1e-3 else v
            np.testing.assert_allclose(found[i], PchipInterpolator(c[:-1], at_anchors[:, i])(c[-1]), rtol=2e-5)


def test_quantiles_that_rise_over_the_anchors_rise_throughout():
    surrogate = Surrogate.fit(quantiles(), moment(variant="K_I", interpolation="pchip"))
    values = np.linspace(0.01, 0.99, 99)
    curve = np.stack([surrogate.sample(X[::20], v)[:, 0] for v in values])
    assert (np.diff(curve, axis=0) > 0).all()


def test_transport_stays_on_lines():
    smooth, straight = (
        Surrogate.fit(quantiles(), moment(variant="K_I", clock="probit", interpolation=i)) for i in ("pchip", "linear")
    )
    y = quantile(X, FIVE[0])
    np.testing.assert_array_equal(smooth.transport(y, X, 0.01, 0.3), straight.transport(y, X, 0.01, 0.3))
    assert np.abs(smooth.sample(X, 0.3) - straight.sample(X, 0.3)).max() > 1e-3


def test_bundle_keeps_the_interpolation(tmp_path):
    x = np.linspace(-1, 1, 40)[:, None]
    anchors = (0.0, 0.3, 0.6, 1.0)
    harvest = Harvest.from_arrays(anchors, [np.exp(a * (2 + x)) for a in anchors], [x] * 4, deterministic=True)
    surrogate = Surrogate.fit(harvest, moment(variant="K_I", interpolation="pchip"))
    surrogate.save(tmp_path / "s")
    again = Surrogate.load(tmp_path / "s")
    assert again.config.interpolation == "pchip"
    with pytest.warns(UserWarning, match="carries no networks"):
        np.testing.assert_array_equal(again.sample(x, 0.4), surrogate.sample(x, 0.4))
