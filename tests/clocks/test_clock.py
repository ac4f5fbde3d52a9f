from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from pipeline.clocks.bases import BASES, HOLD, Base, candidates, check_base, prior_base
from pipeline.clocks.clock import Clock
from pipeline.clocks.config import ClockName, ClockPrior
from pipeline.clocks.formulas import FLAT, LARGEST, position
from pipeline.clocks.skew import Skew
from pipeline.errors import ConfigurationError
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.frozen import frozen
from tests.moving import positions

PROBABILITIES = (0.01, 0.5, 0.99)
INSIDE = np.linspace(0.01, 0.99, 99)

skews = st.floats(-12, 12)
shares = st.floats(0, 1)


# Bases.


@pytest.mark.parametrize("name", BASES)
def test_base_ascends_from_zero_at_the_first_anchor_to_one_at_the_last(name):
    v = Clock(name, PROBABILITIES).coordinates(INSIDE)
    assert v[0] == 0
    assert v[-1] == 1
    assert (np.diff(v) > 0).all()


@pytest.mark.parametrize("skew", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("name", [*BASES, HOLD])
def test_anchors_are_the_ends_of_their_intervals(name, skew):
    clock = Clock(name, PROBABILITIES)
    for k in (0, 1):
        np.testing.assert_array_equal(positions(clock, k, PROBABILITIES[k : k + 2], skew), [0, 1])


@pytest.mark.parametrize("name", ["logit", "probit", "linear"])
def test_symmetric_bases_mirrored_at_one_half_run_backwards(name):
    clock = Clock(name, (0.01, 0.99))
    for skew in (0.0, 2.0):
        np.testing.assert_allclose(
            positions(clock, 0, INSIDE, skew), 1 - positions(clock, 0, 1 - INSIDE, -skew), rtol=0, atol=1e-12
        )


def test_mirror_log_is_the_logarithm_of_the_mirrored_value():
    mirrored, log = Clock("mirror_log", (0.1, 0.9)), Clock("log", (0.1, 0.9))
    np.testing.assert_allclose(mirrored.coordinates(INSIDE), 1 - log.coordinates(1 - INSIDE), rtol=0, atol=1e-12)


def test_linear_clock_is_the_share_of_the_interval():
    assert positions(Clock("linear", (2.0, 6.0)), 0, [3.0]) == 0.25
    assert positions(Clock("linear", (0.0, 2.0, 6.0)), 1, [3.0]) == pytest.approx(0.25)


def test_probit_clock_is_the_standard_normal_s_quantile():
    z = norm.ppf([0.01, 0.1, 0.5])
    clock = Clock("probit", PROBABILITIES)
    assert positions(clock, 0, [0.1]) == pytest.approx((z[1] - z[0]) / (z[2] - z[0]))
    assert clock.coordinates([0.5]) == pytest.approx(0.5)


def test_logit_clock_is_the_logistic_distribution_s_quantile():
    # Outputs that are quantiles of a logistic distribution move at its pace.
    at = np.array([-3.0, -1.0, 3.0])
    low, inside, high = expit(at)
    assert positions(Clock("logit", (low, high)), 0, [inside]) == pytest.approx(2 / 6)


def test_log_clock_counts_decades():
    assert positions(Clock("log", (1e-4, 1e-1)), 0, [1e-3]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("g", [0.5, 1.0, 2.0, -1.5])
def test_skewed_mirror_log_is_a_power_of_one_over_one_minus_lambda(g):
    anchors = (0.05, 0.5, 0.95)
    clock = Clock("mirror_log", anchors)
    width = np.log((1 - anchors[0]) / (1 - anchors[-1]))  # v = 1 is so many units of the base
    values = np.linspace(0.5, 0.95, 10)
    power = (1 - values) ** -g
    np.testing.assert_allclose(
        positions(clock, 1, values, g * width), (power - power[0]) / (power[-1] - power[0]), rtol=0, atol=1e-12
    )


def test_values_outside_are_taken_as_the_ends():
    clock = Clock("logit", PROBABILITIES)
    np.testing.assert_array_equal(clock.coordinates([0.0, 0.001, 1.0]), [0, 0, 1])
    np.testing.assert_array_equal(positions(clock, 0, [0.001, 0.7]), [0, 1])


# The skew.


@given(skews, shares, shares)
def test_position_ascends_from_zero_to_one(skew, first, second):
    low, high = sorted((first, second))
    found = position(np.array([0.0, low, high, 1.0]), 1.0, skew)
    assert found[0] == 0
    assert found[-1] == 1
    assert (np.diff(found) >= 0).all()
    if high - low > 1e-6 and abs(skew) <= 6:
        assert found[1] < found[2]


@given(skews, shares, st.floats(1e-3, 1))
def test_negative_skew_is_the_way_back(skew, share, whole):
    assert position(share * whole, whole, -skew) == pytest.approx(
        1 - position(whole - share * whole, whole, skew), abs=1e-9
    )


@given(shares, st.floats(1e-3, 1), st.floats(-2 * FLAT, 2 * FLAT))
def test_skew_towards_zero_is_no_skew(share, whole, skew):
    # |∂s/∂γ| ≤ whole / 8 at γ = 0: the step at FLAT is no larger than that slope makes it.
    assert position(share * whole, whole, skew) == pytest.approx(share, abs=abs(skew) * whole / 8 + 1e-6)


@given(shares, shares, shares)
def test_larger_skew_is_later(share, first, second):
    low, high = sorted((first, second))
    assert position(share, 1.0, 24 * high - 12) <= position(share, 1.0, 24 * low - 12) + 1e-12


@pytest.mark.parametrize("skew", [-4.0, 0.5, 7.0])
def test_middle_of_the_way_has_a_closed_form(skew):
    assert position(0.5, 1.0, skew) == pytest.approx(1 / (1 + np.exp(skew / 2)))


@given(skews, shares, shares)
def test_positions_of_an_interval_s_parts_compose(skew, first, second):
    cut, inside = sorted((first, second), reverse=True)
    assume(1e-6 < cut < 1 - 1e-6)
    at_cut = position(cut, 1.0, skew)
    before = position(inside, cut, skew) * at_cut
    assert before == pytest.approx(position(inside, 1.0, skew), abs=1e-9)
    # Beyond the cut: spans are counted from it.
    share = inside / cut
    after = at_cut + (1 - at_cut) * position(share * (1 - cut), 1 - cut, skew)
    assert after == pytest.approx(position(cut + share * (1 - cut), 1.0, skew), abs=1e-9)


@pytest.mark.parametrize("skew", [0.0, -5.0, 2.5])
@pytest.mark.parametrize("name", BASES)
def test_intervals_of_a_clock_make_up_the_clock_over_their_union(name, skew):
    parts, union = Clock(name, (0.05, 0.3, 0.8)), Clock(name, (0.05, 0.8))
    values = np.linspace(0.05, 0.8, 31)
    whole = positions(union, 0, values, skew)
    cut = positions(union, 0, [0.3], skew)
    joined = np.where(
        values < 0.3, positions(parts, 0, values, skew) * cut, cut + positions(parts, 1, values, skew) * (1 - cut)
    )
    np.testing.assert_allclose(joined, whole, rtol=0, atol=1e-12)
    assert (np.diff(joined) > 0).all()


@given(st.floats(-100, 100), st.floats(0.01, 100), skews)
def test_affine_change_of_a_linear_hyperparameter_changes_no_position(shift, scale, skew):
    anchors, values = np.array([0.0, 0.3, 1.0]), np.array([0.3, 0.5, 0.9])
    moved = positions(Clock("linear", tuple(shift + scale * anchors)), 1, shift + scale * values, skew)
    np.testing.assert_allclose(moved, positions(Clock("linear", tuple(anchors)), 1, values, skew), rtol=0, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-3, 7.0])
def test_unit_of_a_logarithmic_hyperparameter_changes_no_position(unit):
    values = np.array([0.01, 0.1, 0.5])
    found = positions(Clock("log", (0.01 * unit, 1.0 * unit)), 0, unit * values, 3.0)
    np.testing.assert_allclose(found, positions(Clock("log", (0.01, 1.0)), 0, values, 3.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("affine", [lambda u: 3 * u - 7, lambda u: 0.1 * u + 2])
def test_affine_change_of_a_base_changes_no_coordinate(monkeypatch, affine):
    changed = Base("changed", lambda values: affine(BASES["logit"].function(values)), "both")
    monkeypatch.setitem(BASES, "changed", changed)
    changed_clock, plain_clock = Clock("changed", PROBABILITIES), Clock("logit", PROBABILITIES)
    np.testing.assert_allclose(changed_clock.coordinates(INSIDE), plain_clock.coordinates(INSIDE), rtol=0, atol=1e-12)


def test_arguments_broadcast():
    found = position(np.array([[0.2], [0.4]]), 0.5, np.array([-1.0, 0.0, 1.0]))
    assert found.shape == (2, 3)
    np.testing.assert_array_equal(found[:, 1], [0.4, 0.8])
    assert found[1, 2] == pytest.approx(np.expm1(0.4) / np.expm1(0.5))


# By condition.


def on_line(x: np.ndarray) -> Condition:
    return Condition(torch.tensor(x, dtype=torch.float32)[:, None], torch.zeros(len(x), 0, dtype=torch.long))


def skewed_by_condition() -> Clock:
    x = np.linspace(-2, 2, 300)
    return Clock("logit", PROBABILITIES, Skew.of(ConditionShape(1, ()), on_line(x).values, 3 * x, 1.0))


def test_positions_follow_the_skew_of_every_condition():
    clock, condition, values = skewed_by_condition(), on_line(np.linspace(-2, 2, 9)), np.array([0.01, 0.1, 0.3, 0.5])
    gamma = clock.skew(condition).double().numpy()
    assert np.ptp(gamma) > 5
    found = clock.positions(0, values, condition)
    np.testing.assert_allclose(found, position(*clock.spans(0, values), gamma), rtol=0, atol=1e-6)
    assert (found[:, 0] == 0).all()
    assert (found[:, -1] == 1).all()
    # λ of each row's own.
    own = np.linspace(0.01, 0.5, 9)[:, None]
    found = clock.positions(0, own, condition)
    np.testing.assert_allclose(found, position(*clock.spans(0, own), gamma), rtol=0, atol=1e-6)


def test_knots_are_the_clock_at_the_anchors():
    condition = on_line(np.linspace(-2, 2, 9))
    np.testing.assert_allclose(Clock("logit", PROBABILITIES).knots(condition), [0, 0.5, 1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        Clock("logit", PROBABILITIES, 2.0).knots(condition), [0, 1 / (1 + np.e), 1], rtol=0, atol=1e-12
    )
    clock = skewed_by_condition()
    gamma = clock.skew(condition)[:, 0].double().numpy()
    expected = np.stack([np.zeros(9), 1 / (1 + np.exp(gamma / 2)), np.ones(9)], axis=1)
    np.testing.assert_allclose(clock.knots(condition), expected, rtol=0, atol=1e-9)


def test_positions_are_shares_between_knots():
    union, clock = Clock("logit", (0.01, 0.99), 1.5), Clock("logit", PROBABILITIES, 1.5)
    condition = on_line(np.zeros(1))
    knots, s = clock.knots(condition), clock.positions(1, [0.8], condition).numpy()
    whole = union.positions(0, [0.8], condition).numpy()
    np.testing.assert_allclose(knots[1] + s * (knots[2] - knots[1]), whole, rtol=0, atol=1e-6)


def test_frozen_clock_has_the_same_positions():
    x = np.linspace(-2, 2, 9)
    arrays = Condition(*(part.numpy() for part in (on_line(x).values, on_line(x).codes)))
    for clock in (skewed_by_condition(), Clock("logit", PROBABILITIES, 2.0), Clock(HOLD, PROBABILITIES)):
        found, expected = (
            frozen(clock).positions(1, [0.5, 0.7, 0.99], arrays),
            clock.positions(1, [0.5, 0.7, 0.99], on_line(x)),
        )
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("gamma", [-LARGEST, -2 * FLAT, -0.5 * FLAT, 0.0, 0.5 * FLAT, 2 * FLAT, LARGEST])
def test_positions_in_single_precision_run_from_zero_to_one_whatever_the_skew(gamma):
    spans = torch.linspace(0, 0.4, 21)
    found = position(spans, float(spans[-1]), torch.full((2, 1), gamma))
    np.testing.assert_array_equal(found[:, 0], [0, 0])
    np.testing.assert_array_equal(found[:, -1], [1, 1])
    assert (found.diff(dim=1) > 0).all()
    # float32 leaves expm1 of −12 … 12 seven digits.
    np.testing.assert_allclose(found[0], position(spans.double().numpy(), 0.4, gamma), rtol=0, atol=1e-5)


def test_label_says_the_base_and_the_skew():
    assert Clock("logit", PROBABILITIES).label == "logit"
    assert Clock("logit", PROBABILITIES, -1.0).label == "skewed logit"
    assert skewed_by_condition().label == "skewed logit by condition"
    assert Clock(HOLD, PROBABILITIES).label == "hold"


# hold.


@pytest.mark.parametrize("skew", [0.0, -4.0])
def test_hold_stays_until_the_right_anchor(skew):
    clock = Clock(HOLD, (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(positions(clock, 0, [0.0, 0.2, 0.499999], skew), 0)
    np.testing.assert_array_equal(positions(clock, 1, [0.5, 0.7, 0.999999], skew), 0)
    np.testing.assert_array_equal(positions(clock, 0, [0.5], skew), 1)
    np.testing.assert_array_equal(positions(clock, 1, [1.0], skew), 1)


# Candidates.


@pytest.mark.parametrize(
    ("anchors", "expected"),
    [
        ((0.01, 0.5, 0.99), "logit"),
        ((0.001, 0.01), "logit"),
        ((0.01, 0.1, 1.0), "log"),
        ((1.0, 10.0), "log"),
        ((1.0, 9.0), "linear"),
        ((0.0, 0.5, 0.99), "mirror_log"),
        ((0.0, 0.89), "linear"),
        ((0.0, 1.0), "linear"),
        ((0.0, 100.0), "linear"),
        ((-1.0, 2.0), "linear"),
        ((-30.0, 0.0), "linear"),
        ((-5.0, 0.5), "linear"),
        ((-6.0, -1.0), "linear"),
    ],
)
def test_prior_base_follows_from_the_anchors_range(anchors, expected):
    assert prior_base(anchors) == expected
    assert candidates(anchors)[0] == expected


@pytest.mark.parametrize(
    ("anchors", "expected"),
    [
        (PROBABILITIES, {*BASES}),
        ((0.0, 0.5, 0.9), {"linear", "mirror_log", "reciprocal"}),
        ((0.0, 0.5, 1.0), {"linear"}),
        ((1.0, 5.0), {"linear", "log"}),
        ((-1.0, 2.0), {"linear"}),
    ],
)
def test_candidates_are_finite_on_all_anchors(anchors, expected):
    names = candidates(anchors)
    assert set(names) == expected
    assert len(names) == len(expected)
    for name in names:
        assert BASES[name].finite(anchors)
        assert np.isfinite(Clock(name, anchors).coordinates(anchors)).all()


@pytest.mark.parametrize("anchors", [(0.0, 0.5, 1.0), (-1.0, 2.0), (1.0, 5.0)])
def test_base_that_is_not_finite_is_refused(anchors):
    with pytest.raises(ConfigurationError, match=r"clock = 'probit' is not finite on the anchors .*'linear'.*'hold'"):
        Clock("probit", anchors)


@pytest.mark.parametrize("anchors", [(0.0, 1.0), (-3.0, 1e6)])
def test_hold_is_defined_for_all_anchors(anchors):
    assert positions(Clock(HOLD, anchors), 0, [anchors[0], anchors[1]]).tolist() == [0, 1]


def test_unknown_clock_is_named():
    with pytest.raises(ConfigurationError, match=r"clock = 'sundial' is unknown; known are .*'hold'"):
        Clock("sundial", (0.0, 1.0))


def test_prior_cannot_be_held():
    check_base(HOLD, (0.0, 1.0))
    with pytest.raises(ConfigurationError, match=r"^clock_prior = 'hold' is unknown; known are \['linear', "):
        check_base(HOLD, (0.0, 1.0), "clock_prior")


def test_configuration_knows_every_base():
    assert {*get_args(ClockName)} == {*BASES, HOLD, "auto", "calibrated", "learnt"}
    assert {*get_args(ClockPrior)} == {*BASES, "auto"}
