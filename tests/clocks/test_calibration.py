"""Clocks calibrated by outcomes: closed forms, invariances, and what is said where outcomes do not suffice."""

import logging
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import expon, norm

from pipeline.clocks.calibration import FEWEST, WEIGHT, calibrate
from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError, DataError
from pipeline.surrogate import Surrogate
from tests.clouds import moment

ANCHORS = (0.01, 0.5, 0.99)
INSIDE = (0.05, 0.1, 0.25, 0.75, 0.9, 0.95)


def forecasts(law=norm, *, rows=4000, anchors=ANCHORS, scale=1.0, shift=0.0, with_outcomes=True, order=None) -> Harvest:
    """Quantiles of x + (1 + x²) t with t of the law, and as outcomes one draw of it at each condition."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (rows, 1))
    spread = 1 + x**2
    outcomes = scale * (x + spread * law.ppf(rng.uniform(size=(rows, 1)))) + shift
    kept = np.arange(rows) if order is None else order
    return Harvest.from_arrays(
        anchors,
        [scale * (x + spread * law.ppf(level)) + shift for level in anchors],
        [x] * len(anchors),
        outcomes=(x[kept], outcomes[kept]) if with_outcomes else None,
        deterministic=True,
    )


@pytest.mark.parametrize("law", [norm, expon])
@pytest.mark.parametrize("anchors", [ANCHORS, (0.01, 0.99), (0.1, 0.3, 0.6, 0.9)])
def test_the_clock_is_the_law_s_quantile_function_shrunk_towards_the_prior(law, anchors):
    found = calibrate(forecasts(law, anchors=anchors, rows=20_000), True)
    whole = law.ppf(anchors[-1]) - law.ppf(anchors[0])
    for left, right in pairwise(anchors):
        levels = np.array([v for v in INSIDE if left < v < right])
        truth, prior = ((f(levels) - f(left)) / (f(right) - f(left)) for f in (law.ppf, lambda v: np.log(v / (1 - v))))
        expected = WEIGHT * truth + (1 - WEIGHT) * prior
        width = (law.ppf(right) - law.ppf(left)) / whole
        at_left = (law.ppf(left) - law.ppf(anchors[0])) / whole
        np.testing.assert_allclose(found(levels), at_left + width * expected, rtol=0, atol=0.02)
    np.testing.assert_array_equal(found(np.array([anchors[0], anchors[-1]])), [0.0, 1.0])
    assert (np.diff(found.coordinates) > 0).all()


def test_held_out_quantiles_are_met():
    surrogate = Surrogate.fit(forecasts(expon), moment())
    assert surrogate.clock == "calibrated"
    x = np.linspace(-0.9, 0.9, 25)[:, None]
    errors = []
    for level in INSIDE:
        truth = x + (1 + x**2) * expon.ppf(level)
        moved = surrogate.transport(x + (1 + x**2) * expon.ppf(ANCHORS[0]), x, ANCHORS[0], level)
        errors.append(np.abs(moved - truth).mean())
    by_range, without = Surrogate.fit(forecasts(expon, with_outcomes=False), moment(clock="logit")), []
    for level in INSIDE:
        truth = x + (1 + x**2) * expon.ppf(level)
        without.append(np.abs(by_range.transport(x + (1 + x**2) * expon.ppf(0.01), x, 0.01, level) - truth).mean())
    assert np.mean(errors) < 0.4 * np.mean(without)


def test_order_unit_and_origin_of_outputs_change_nothing():
    plain = calibrate(forecasts(), True)
    order = np.random.default_rng(1).permutation(4000)
    for other in (forecasts(order=order), forecasts(scale=1e-3, shift=5.0), forecasts(scale=1e4)):
        np.testing.assert_allclose(calibrate(other, True).coordinates, plain.coordinates, rtol=0, atol=1e-6)


def test_reversed_levels_reverse_the_clock():
    # Of −t, the outputs at 1 − λ are minus those at λ.
    harvest = forecasts(expon)
    mirrored = Harvest.from_arrays(
        [1 - v for v in reversed(ANCHORS)],
        [-y for y in reversed(harvest.outputs)],
        list(reversed(harvest.conditions)),
        outcomes=(harvest.outcomes.conditions, -harvest.outcomes.values),
        deterministic=True,
    )
    forward, backward = calibrate(harvest, True), calibrate(mirrored, True)
    levels = np.linspace(0.01, 0.99, 41)
    np.testing.assert_allclose(backward(1 - levels), 1 - forward(levels), rtol=0, atol=1e-3)


def test_too_few_outcomes_are_said_and_not_used(caplog):
    harvest = forecasts(rows=FEWEST)
    with caplog.at_level(logging.WARNING):
        assert calibrate(harvest, True) is None
    assert f"at least {FEWEST} are needed: the clock is not calibrated" in caplog.text
    assert "calibrated" not in Surrogate.fit(harvest, moment()).clock


def test_unknown_conditions_without_networks_are_said(caplog):
    harvest = forecasts()
    elsewhere = Harvest.from_arrays(
        ANCHORS,
        harvest.outputs,
        harvest.conditions,
        outcomes=(harvest.outcomes.conditions + 10, harvest.outcomes.values),
        deterministic=True,
    )
    with caplog.at_level(logging.WARNING):
        assert calibrate(elsewhere, True) is None
    assert "no networks to evaluate there" in caplog.text


def test_a_declared_prior_or_a_named_clock_stands_above_outcomes():
    assert "probit" in Surrogate.fit(forecasts(), moment(clock_prior="probit")).clock
    assert Surrogate.fit(forecasts(), moment(clock="linear")).clock == "linear"
    assert Surrogate.fit(forecasts(), moment(clock="calibrated")).clock == "calibrated"


def test_a_named_calibration_without_outcomes_is_refused():
    with pytest.raises(ConfigurationError, match="clock = 'calibrated' needs outcomes"):
        Surrogate.fit(forecasts(with_outcomes=False), moment(clock="calibrated"))


def test_a_calibrated_clock_is_saved_with_the_surrogate(tmp_path):
    surrogate = Surrogate.fit(forecasts(), moment())
    surrogate.save(tmp_path / "s")
    again = Surrogate.load(tmp_path / "s")
    x = np.linspace(-1, 1, 9)[:, None]
    np.testing.assert_array_equal(again.positions(x, 0.2), surrogate.positions(x, 0.2))
    assert (again.clock, again.digest) == (surrogate.clock, surrogate.digest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hyperparameter": (0.01, 0.5, 2.0)}, r"outcomes: anchors \[0.01, 0.5, 2.0\] are not probability levels"),
        ({"outcomes": (np.zeros((5, 2)), np.zeros((5, 1)))}, "outcomes: conditions have 2 columns; the harvest has 1"),
        ({"outcomes": (np.zeros((5, 1)), np.zeros((5, 3)))}, "outcomes: values have 3 columns; the harvest has 1"),
        ({"outcomes": (np.zeros((5, 1)), np.zeros((4, 1)))}, "outcomes: 4 rows of values but 5 of conditions"),
        ({"outcomes": (np.zeros((5, 1)), np.full((5, 1), np.nan))}, "NaN"),
    ],
)
def test_outcomes_that_cannot_be_used_are_refused(change, message):
    given = {"hyperparameter": ANCHORS, "outcomes": (np.zeros((5, 1)), np.zeros((5, 1)))} | change
    with pytest.raises(DataError, match=message):
        Harvest.from_arrays(
            given["hyperparameter"], [np.eye(1)] * 3, [np.eye(1)] * 3, outcomes=given["outcomes"], deterministic=True
        )


def test_a_harvest_keeps_its_outcomes_on_disk_and_when_selected(tmp_path):
    harvest = forecasts()
    harvest.save(tmp_path / "h")
    again = Harvest.load(tmp_path / "h")
    np.testing.assert_array_equal(again.outcomes.values, harvest.outcomes.values)
    np.testing.assert_array_equal(again.outcomes.conditions, harvest.outcomes.conditions)
    assert again.digest == harvest.digest != forecasts(with_outcomes=False).digest
    assert again.select((0.01, 0.99)).outcomes is not None
