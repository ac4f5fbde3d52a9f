import numpy as np
import pytest
from scipy.stats import norm

from pipeline.errors import ConfigurationError
from pipeline.harvest import Harvest
from pipeline.surrogate.clock import CLOCKS, Clock, candidates, choose_clock, place

PROBABILITIES = (0.01, 0.5, 0.99)


@pytest.mark.parametrize("name", CLOCKS)
def test_clock_is_monotone_from_zero_to_one(name):
    values = np.linspace(0.01, 0.99, 99)
    places = [place(name, 0.01, 0.99, v) for v in values]
    assert places[0] == 0
    assert places[-1] == 1
    assert (np.diff(places) > 0).all()


@pytest.mark.parametrize("name", CLOCKS)
def test_anchors_are_the_ends_of_their_intervals(name):
    clock = Clock(name, PROBABILITIES)
    for k in (0, 1):
        assert clock.place(k, PROBABILITIES[k]) == 0
        assert clock.place(k, PROBABILITIES[k + 1]) == 1


@pytest.mark.parametrize("name", CLOCKS)
def test_clock_mirrored_at_one_half_runs_backwards(name):
    for value in (0.1, 0.25, 0.6, 0.95):
        assert place(name, 0.01, 0.99, value) == pytest.approx(1 - place(name, 0.01, 0.99, 1 - value), abs=1e-12)


def test_linear_clock_is_the_share_of_the_interval():
    assert place("linear", 2.0, 6.0, 3.0) == 0.25


def test_probit_clock_is_the_standard_normal_s_quantile():
    z = norm.ppf([0.01, 0.1, 0.5])
    assert place("probit", 0.01, 0.5, 0.1) == pytest.approx((z[1] - z[0]) / (z[2] - z[0]))
    assert place("probit", 0.01, 0.99, 0.5) == pytest.approx(0.5)


@pytest.mark.parametrize("anchors", [(0.0, 0.5, 1.0), (-1.0, 2.0), (1.0, 5.0)])
def test_probit_is_no_candidate_beyond_probabilities(anchors):
    assert candidates(anchors) == ["linear"]
    with pytest.raises(ConfigurationError, match=r"clock = 'probit' is not finite on the anchors .*'linear'"):
        Clock("probit", anchors)


def test_unknown_clock_is_named():
    with pytest.raises(ConfigurationError, match=r"clock = 'sundial' is unknown; known are"):
        Clock("sundial", (0.0, 1.0))


def moving(anchors, rule, *, deterministic, draws=1, dimension=2) -> Harvest:
    """Samples that move on a straight line, where rule(λ) says."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(20, 1)), draws, axis=0)
    base = x + (0 if deterministic else rng.normal(0, 0.2, (len(x), dimension)))
    direction = np.linspace(1, 2, dimension)
    ys = [base + rule(a) * direction for a in anchors]
    return Harvest.from_arrays(anchors, ys, [x] * len(anchors), deterministic=deterministic)


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("name", ["linear", "probit"])
def test_left_out_anchor_tells_the_clock(name, deterministic):
    harvest = moving((0.01, 0.2, 0.99), CLOCKS[name], deterministic=deterministic, draws=1 if deterministic else 6)
    chosen, errors = choose_clock(harvest, deterministic)
    assert chosen == name
    assert set(errors) == {"linear", "probit"}
    # The true clock foretells the anchor; samples do not cross, so that the coupling is the true one.
    assert errors[name] < 1e-10 < errors["linear" if name == "probit" else "probit"]


def test_every_interior_anchor_counts():
    harvest = moving((0.01, 0.2, 0.6, 0.99), CLOCKS["probit"], deterministic=True)
    chosen, errors = choose_clock(harvest, True)
    assert chosen == "probit"
    assert errors["probit"] == pytest.approx(0, abs=1e-12)


def test_symmetric_anchors_and_two_anchors_leave_the_prior():
    symmetric, errors = choose_clock(moving(PROBABILITIES, CLOCKS["linear"], deterministic=True), True)
    assert symmetric == "probit"
    assert errors["linear"] == pytest.approx(errors["probit"], abs=1e-9)
    assert choose_clock(moving((0.01, 0.99), CLOCKS["linear"], deterministic=True), True) == ("probit", {})


def test_conditions_that_are_not_shared_leave_the_prior():
    rng = np.random.default_rng(0)
    anchors = (0.1, 0.2, 0.9)
    harvest = Harvest.from_arrays(
        anchors, [rng.normal(size=(5, 2)) for _ in anchors], [rng.normal(size=(5, 1)) for _ in anchors]
    )
    assert choose_clock(harvest, False) == ("probit", {})


def test_samples_of_different_numbers_are_compared():
    rng = np.random.default_rng(0)
    anchors, rows = (0.1, 0.2, 0.9), (5, 7, 6)
    harvest = Harvest.from_arrays(
        anchors,
        [rng.normal(size=(n, 2)) + CLOCKS["linear"](a) * 30 for a, n in zip(anchors, rows, strict=True)],
        [np.zeros((n, 0)) for n in rows],
    )
    chosen, errors = choose_clock(harvest, False)
    assert chosen == "linear"
    assert errors["linear"] < errors["probit"]


def test_columns_of_other_units_do_not_outvote_the_rest():
    anchors = (0.01, 0.2, 0.99)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 1))
    noise = [1e6 * rng.normal(size=(40, 1)) for _ in anchors]  # says nothing, in a small unit
    moved = [x + CLOCKS["probit"](a) * 100 for a in anchors]
    ys = [np.concatenate(pair, 1) for pair in zip(moved, noise, strict=True)]
    harvest = Harvest.from_arrays(anchors, ys, [x] * 3, units={"y0": "m", "y1": "µs"}, deterministic=True)
    chosen, errors = choose_clock(harvest, True)
    scaled = Harvest.from_arrays(
        anchors, [y * [1, 1e-6] for y in ys], [x] * 3, units={"y0": "m", "y1": "s"}, deterministic=True
    )
    again, same = choose_clock(scaled, True)
    assert chosen == again
    assert errors == pytest.approx(same)


def test_many_draws_are_judged_in_a_moment():
    rng = np.random.default_rng(0)
    anchors = (0.1, 0.2, 0.9)
    ys = [
        rng.normal(size=(n, 2)) + CLOCKS["linear"](a) * 30
        for a, n in zip(anchors, (20_000, 5_000, 30_000), strict=True)
    ]
    harvest = Harvest.from_arrays(anchors, ys, [np.zeros((len(y), 0)) for y in ys])
    assert choose_clock(harvest, False)[0] == "linear"
