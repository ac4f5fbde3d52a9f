from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from pipeline.clocks.bases import BASES, Base
from pipeline.clocks.clock import FLAT, HOLD, Clock, candidates, place, prior_base
from pipeline.clocks.config import ClockName, ClockPrior
from pipeline.errors import ConfigurationError

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
        np.testing.assert_array_equal(clock.places(k, PROBABILITIES[k : k + 2], skew), [0, 1])


@pytest.mark.parametrize("name", ["logit", "probit", "linear"])
def test_symmetric_bases_mirrored_at_one_half_run_backwards(name):
    clock = Clock(name, (0.01, 0.99))
    for skew in (0.0, 2.0):
        np.testing.assert_allclose(
            clock.places(0, INSIDE, skew), 1 - clock.places(0, 1 - INSIDE, -skew), rtol=0, atol=1e-12
        )


def test_mirror_log_is_the_logarithm_of_the_mirrored_value():
    mirrored, log = Clock("mirror_log", (0.1, 0.9)), Clock("log", (0.1, 0.9))
    np.testing.assert_allclose(mirrored.coordinates(INSIDE), 1 - log.coordinates(1 - INSIDE), rtol=0, atol=1e-12)


def test_linear_clock_is_the_share_of_the_interval():
    assert Clock("linear", (2.0, 6.0)).places(0, [3.0]) == 0.25
    assert Clock("linear", (0.0, 2.0, 6.0)).places(1, [3.0]) == pytest.approx(0.25)


def test_probit_clock_is_the_standard_normal_s_quantile():
    z = norm.ppf([0.01, 0.1, 0.5])
    clock = Clock("probit", PROBABILITIES)
    assert clock.places(0, [0.1]) == pytest.approx((z[1] - z[0]) / (z[2] - z[0]))
    assert clock.coordinates([0.5]) == pytest.approx(0.5)


def test_logit_clock_is_the_logistic_distribution_s_quantile():
    # Outputs that are quantiles of a logistic distribution move at its pace.
    at = np.array([-3.0, -1.0, 3.0])
    low, inside, high = expit(at)
    assert Clock("logit", (low, high)).places(0, [inside]) == pytest.approx(2 / 6)


def test_log_clock_counts_decades():
    assert Clock("log", (1e-4, 1e-1)).places(0, [1e-3]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("g", [0.5, 1.0, 2.0, -1.5])
def test_skewed_mirror_log_is_a_power_of_one_over_one_minus_lambda(g):
    anchors = (0.05, 0.5, 0.95)
    clock = Clock("mirror_log", anchors)
    width = np.log((1 - anchors[0]) / (1 - anchors[-1]))  # v = 1 is so many units of the base
    values = np.linspace(0.5, 0.95, 10)
    power = (1 - values) ** -g
    np.testing.assert_allclose(
        clock.places(1, values, g * width), (power - power[0]) / (power[-1] - power[0]), rtol=0, atol=1e-12
    )


def test_values_outside_are_taken_as_the_ends():
    clock = Clock("logit", PROBABILITIES)
    np.testing.assert_array_equal(clock.coordinates([0.0, 0.001, 1.0]), [0, 0, 1])
    np.testing.assert_array_equal(clock.places(0, [0.001, 0.7]), [0, 1])


# The skew.


@given(skews, shares, shares)
def test_place_ascends_from_zero_to_one(skew, first, second):
    low, high = sorted((first, second))
    found = place(np.array([0.0, low, high, 1.0]), 1.0, skew)
    assert found[0] == 0
    assert found[-1] == 1
    assert (np.diff(found) >= 0).all()
    if high - low > 1e-6 and abs(skew) <= 6:
        assert found[1] < found[2]


@given(skews, shares, st.floats(1e-3, 1))
def test_negative_skew_is_the_way_back(skew, share, whole):
    assert place(share * whole, whole, -skew) == pytest.approx(1 - place(whole - share * whole, whole, skew), abs=1e-9)


@given(shares, st.floats(1e-3, 1), st.floats(-2 * FLAT, 2 * FLAT))
def test_skew_towards_zero_is_no_skew(share, whole, skew):
    # |∂s/∂γ| ≤ whole / 8 at γ = 0: the step at FLAT is no larger than that slope makes it.
    assert place(share * whole, whole, skew) == pytest.approx(share, abs=abs(skew) * whole / 8 + 1e-6)


@given(shares, shares, shares)
def test_larger_skew_is_later(share, first, second):
    low, high = sorted((first, second))
    assert place(share, 1.0, 24 * high - 12) <= place(share, 1.0, 24 * low - 12) + 1e-12


@pytest.mark.parametrize("skew", [-4.0, 0.5, 7.0])
def test_middle_of_the_way_has_a_closed_form(skew):
    assert place(0.5, 1.0, skew) == pytest.approx(1 / (1 + np.exp(skew / 2)))


@given(skews, shares, shares)
def test_places_of_an_interval_s_parts_compose(skew, first, second):
    cut, inside = sorted((first, second), reverse=True)
    assume(1e-6 < cut < 1 - 1e-6)
    at_cut = place(cut, 1.0, skew)
    before = place(inside, cut, skew) * at_cut
    assert before == pytest.approx(place(inside, 1.0, skew), abs=1e-9)
    # Beyond the cut: spans are counted from it.
    share = inside / cut
    after = at_cut + (1 - at_cut) * place(share * (1 - cut), 1 - cut, skew)
    assert after == pytest.approx(place(cut + share * (1 - cut), 1.0, skew), abs=1e-9)


@pytest.mark.parametrize("skew", [0.0, -5.0, 2.5])
@pytest.mark.parametrize("name", BASES)
def test_intervals_of_a_clock_make_up_the_clock_over_their_union(name, skew):
    parts, union = Clock(name, (0.05, 0.3, 0.8)), Clock(name, (0.05, 0.8))
    values = np.linspace(0.05, 0.8, 31)
    whole = union.places(0, values, skew)
    cut = union.places(0, [0.3], skew)
    joined = np.where(
        values < 0.3, parts.places(0, values, skew) * cut, cut + parts.places(1, values, skew) * (1 - cut)
    )
    np.testing.assert_allclose(joined, whole, rtol=0, atol=1e-12)
    assert (np.diff(joined) > 0).all()


@given(st.floats(-100, 100), st.floats(0.01, 100), skews)
def test_affine_change_of_a_linear_hyperparameter_changes_no_place(shift, scale, skew):
    anchors, values = np.array([0.0, 0.3, 1.0]), np.array([0.3, 0.5, 0.9])
    moved = Clock("linear", tuple(shift + scale * anchors)).places(1, shift + scale * values, skew)
    np.testing.assert_allclose(moved, Clock("linear", tuple(anchors)).places(1, values, skew), rtol=0, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-3, 7.0])
def test_unit_of_a_logarithmic_hyperparameter_changes_no_place(unit):
    values = np.array([0.01, 0.1, 0.5])
    found = Clock("log", (0.01 * unit, 1.0 * unit)).places(0, unit * values, 3.0)
    np.testing.assert_allclose(found, Clock("log", (0.01, 1.0)).places(0, values, 3.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("affine", [lambda u: 3 * u - 7, lambda u: 0.1 * u + 2])
def test_affine_change_of_a_base_changes_no_coordinate(monkeypatch, affine):
    changed = Base("changed", lambda values: affine(BASES["logit"].function(values)), "both")
    monkeypatch.setitem(BASES, "changed", changed)
    changed_clock, plain_clock = Clock("changed", PROBABILITIES), Clock("logit", PROBABILITIES)
    np.testing.assert_allclose(changed_clock.coordinates(INSIDE), plain_clock.coordinates(INSIDE), rtol=0, atol=1e-12)


def test_arguments_broadcast():
    found = place(np.array([[0.2], [0.4]]), 0.5, np.array([-1.0, 0.0, 1.0]))
    assert found.shape == (2, 3)
    np.testing.assert_array_equal(found[:, 1], [0.4, 0.8])
    assert found[1, 2] == pytest.approx(np.expm1(0.4) / np.expm1(0.5))


# hold.


@pytest.mark.parametrize("skew", [0.0, -4.0])
def test_hold_stays_until_the_right_anchor(skew):
    clock = Clock(HOLD, (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(clock.places(0, [0.0, 0.2, 0.499999], skew), 0)
    np.testing.assert_array_equal(clock.places(1, [0.5, 0.7, 0.999999], skew), 0)
    np.testing.assert_array_equal(clock.places(0, [0.5], skew), 1)
    np.testing.assert_array_equal(clock.places(1, [1.0], skew), 1)


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
    assert Clock(HOLD, anchors).places(0, [anchors[0], anchors[1]]).tolist() == [0, 1]


def test_unknown_clock_is_named():
    with pytest.raises(ConfigurationError, match=r"clock = 'sundial' is unknown; known are .*'hold'"):
        Clock("sundial", (0.0, 1.0))


def test_configuration_knows_every_base():
    assert {*get_args(ClockName)} == {*BASES, HOLD, "auto", "learnt"}
    assert {*get_args(ClockPrior)} == {*BASES, "auto"}
