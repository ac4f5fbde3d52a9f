"""Skews that depend on the condition: from left-out anchors, and from a forecaster's past."""

import numpy as np
import pytest
import torch

from pipeline.clocks.clock import Clock
from pipeline.clocks.select import FEWEST_CONDITIONS, PERSISTENCE_SHRINKAGE, SHRINKAGE, SKEWS, choose_clock
from pipeline.data.harvest import Harvest
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.standardise import Standardiser
from tests.moving import by_condition, chosen_for, moving, positions, skew_at

PROBABILITIES = (0.05, 0.3, 0.95)
STEP = SKEWS[1] - SKEWS[0]


# By condition.


@pytest.mark.parametrize("deterministic", [True, False])
def test_skew_that_depends_on_the_condition_is_found(deterministic):
    harvest = moving(PROBABILITIES, "logit", by_condition, deterministic=deterministic, contexts=200)
    chosen = chosen_for(harvest, clock="learnt")
    assert chosen.clock.base == "logit"
    assert chosen.clock.skew.constant is None
    assert chosen.errors["skewed logit by condition"] < 0.05 * chosen.errors["skewed logit"]
    x = np.linspace(-1.2, 1.2, 25)  # the kernel has neighbours on both sides
    np.testing.assert_allclose(skew_at(chosen, harvest, x), by_condition(x), rtol=0, atol=0.3)
    # One anchor's network errs by the condition, too: without being told to learn all of it, half is taken.
    half = skew_at(chosen_for(harvest), harvest, x)
    full = skew_at(chosen, harvest, x)
    np.testing.assert_allclose(
        half, float(chosen.clock.skew.mean) + SHRINKAGE * (full - float(chosen.clock.skew.mean)), rtol=0, atol=1e-3
    )


def test_skew_by_category_is_found():
    codes = np.repeat(np.arange(3.0), 40)
    other = np.tile(np.linspace(-1.5, 1.5, 40), 3)
    gamma = np.array([-3.0, 0.0, 2.0])[codes.astype(int)]
    x = np.stack([codes, other], 1)
    clock = Clock("logit", (PROBABILITIES[0], PROBABILITIES[-1]))
    ys = [
        other[:, None] + 4 * np.array([float(positions(clock, 0, [a], g)[0]) for g in gamma])[:, None]
        for a in PROBABILITIES
    ]
    harvest = Harvest.from_arrays(PROBABILITIES, ys, [x] * 3, ["categorical", "continuous"], deterministic=True)
    chosen = chosen_for(harvest, clock="learnt")
    assert chosen.clock.skew.constant is None
    found = chosen.clock.skew(Standardiser.of(harvest).condition(torch.tensor(x)))[:, 0].numpy()
    # Every row is nearer to its own category's skew than to another's.
    np.testing.assert_array_equal(np.abs(found[:, None] - [-3.0, 0.0, 2.0]).argmin(1), codes)


@pytest.mark.parametrize("skew", [0.0, 3.0, 1.43])
@pytest.mark.parametrize("deterministic", [True, False])
def test_one_skew_for_all_stays_one(deterministic, skew):
    chosen = chosen_for(moving(PROBABILITIES, "logit", skew, deterministic=deterministic, contexts=100))
    assert chosen.clock.skew.constant == pytest.approx(skew, abs=STEP)
    assert not any("by condition" in name for name in chosen.errors)


def test_too_few_conditions_have_one_skew():
    contexts = FEWEST_CONDITIONS - 1
    chosen = chosen_for(moving(PROBABILITIES, "logit", by_condition, deterministic=False, contexts=contexts))
    assert chosen.clock.skew.constant is not None


# Two anchors, and a past.


def forecaster(below: np.ndarray, above: np.ndarray, anchors: tuple[float, ...] = (0.01, 0.99)) -> Harvest:
    """Quantiles of a quantity whose past is the condition's first column: so far below it, and so far above."""
    past = np.linspace(-3, 3, len(below))
    x = np.stack([past, np.cos(past)], 1)
    ys = [(past - below)[:, None], (past + above)[:, None]]
    return Harvest.from_arrays(anchors, ys, [x, x], deterministic=True)


@pytest.mark.parametrize("rows", [10, 80])
@pytest.mark.parametrize(("below", "above"), [(1.0, 1.0), (1.0, 3.0), (0.5, 0.1)])
def test_two_anchors_put_one_half_at_the_past(below, above, rows):
    harvest = forecaster(np.full(rows, below), np.full(rows, above))
    chosen = chosen_for(harvest)
    assert chosen.clock.base == "logit"
    assert chosen.errors == {}
    for gamma in skew_at(chosen, harvest, harvest.conditions[0]):
        found = positions(chosen.clock, 0, [0.5], float(gamma))[0]
        assert found == pytest.approx(below / (below + above), abs=STEP**2 / 8)
    again = chosen_for(harvest, clock_prior="probit")
    assert again.clock.base == "probit"
    np.testing.assert_allclose(
        again.clock.skew.mean, chosen.clock.skew.mean, rtol=1e-5, atol=1e-6
    )  # v(½) = ½ in either


def test_position_between_asymmetric_anchors_is_the_past_too():
    harvest = forecaster(np.full(20, 1.0), np.full(20, 1.5), (0.1, 0.95))
    chosen = chosen_for(harvest)
    assert positions(chosen.clock, 0, [0.5], chosen.clock.skew.constant)[0] == pytest.approx(0.4, abs=2e-3)


def test_single_conditions_count_by_their_share():
    below = 1 + 0.4 * np.tanh(np.linspace(-3, 3, 200) / 2)  # slow: single conditions are smoothed
    harvest = forecaster(below, 2 - below)
    chosen = chosen_for(harvest)
    # At whole = 1 and span = ½ the skew of a position s is 2 log(1 / s − 1).
    single = 2 * np.log(2 / below - 1)
    common = 2 * np.log(2 / below.mean() - 1)
    expected = common + PERSISTENCE_SHRINKAGE * (single - common)
    assert np.ptp(expected) > 1
    assert chosen.clock.skew.constant is None
    np.testing.assert_allclose(skew_at(chosen, harvest, harvest.conditions[0]), expected, rtol=0, atol=0.1)


def test_few_conditions_have_one_position():
    below = 1 + 0.3 * np.sin(np.linspace(-3, 3, FEWEST_CONDITIONS - 1))
    assert chosen_for(forecaster(below, 2 - below)).clock.skew.constant == pytest.approx(
        2 * np.log(2 / below.mean() - 1), abs=STEP
    )


def test_persistence_may_be_switched_off():
    harvest = forecaster(np.full(50, 1.0), np.full(50, 3.0))
    assert chosen_for(harvest, persistence=False).clock.skew.constant == 0.0
    assert chosen_for(harvest, clock="logit").clock.skew.constant == 0.0
    assert choose_clock(harvest, False, SurrogateConfig()).clock.skew.constant == 0.0  # draws are not a forecast


@pytest.mark.parametrize("anchors", [(0.6, 0.99), (0.01, 0.4), (0.01, 0.5), (0.5, 0.99)])
def test_one_half_outside_the_anchors_tells_nothing(anchors):
    assert chosen_for(forecaster(np.full(50, 1.0), np.full(50, 3.0), anchors)).clock.skew.constant == 0.0


@pytest.mark.parametrize("anchors", [(0.0, 1.0), (0.1, 10.0), (0.0, 0.99)])
def test_hyperparameter_that_is_no_probability_has_no_past(anchors):
    assert chosen_for(forecaster(np.full(50, 1.0), np.full(50, 3.0), anchors)).clock.skew.constant == 0.0
