from itertools import permutations

import numpy as np
import pytest
import torch

from pipeline.clocks.bases import BASES, HOLD, candidates
from pipeline.clocks.clock import Clock
from pipeline.clocks.formulas import position
from pipeline.clocks.leave_one_out import POSITIONS, LeftOut, leave_anchors_out
from pipeline.clocks.select import SKEWS, ChosenClock, _judge, choose_clock, skew_errors
from pipeline.clocks.skew import Skew
from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.standardise import Standardiser
from tests.moving import by_condition, chosen_for, moving, positions, skew_at

PROBABILITIES = (0.05, 0.3, 0.95)
FOUR = (0.05, 0.2, 0.6, 0.95)
STEP = SKEWS[1] - SKEWS[0]
DEFAULT = SurrogateConfig()


# One interior anchor tells the skew.


@pytest.mark.parametrize("skew", [0.0, 1.0, -2.5, 4.0, 1.43, -0.3])
@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize(
    ("anchors", "base"), [(PROBABILITIES, "logit"), ((1.0, 30.0, 100.0), "log"), ((0.0, 0.3, 1.0), "linear")]
)
def test_one_interior_anchor_tells_the_skew_of_the_prior_base(anchors, base, deterministic, skew):
    chosen = chosen_for(moving(anchors, base, skew, deterministic=deterministic))
    assert (chosen.clock.base, chosen.clock.anchors) == (base, anchors)
    assert chosen.clock.skew.constant == pytest.approx(skew, abs=STEP)
    if skew % STEP == 0:
        assert chosen.clock.skew.constant == skew
        assert chosen.errors[f"skewed {base}"] == pytest.approx(0, abs=1e-10)


def test_dropout_s_power_of_one_over_one_minus_lambda_is_found():
    anchors = (0.0, 0.6, 0.95)
    width = np.log(1 / 0.05)
    chosen = chosen_for(moving(anchors, "mirror_log", 1.0 * width, deterministic=True))
    assert (chosen.clock.base, chosen.clock.skew.constant) == ("reciprocal", 0.0)  # the same clock, which needs no skew
    declared = chosen_for(moving(anchors, "mirror_log", 1.0 * width, deterministic=True), clock_prior="mirror_log")
    assert declared.clock.base == "mirror_log"
    assert declared.clock.skew.constant / width == pytest.approx(1, abs=STEP / width)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_scale_of_the_outputs_and_order_of_the_samples_do_not_matter(scale):
    harvest = moving(PROBABILITIES, "logit", 2.0, deterministic=True)
    order = np.random.default_rng(1).permutation(len(harvest.outputs[0]))
    ys, xs = [scale * y[order] for y in harvest.outputs], [x[order] for x in harvest.conditions]
    other = chosen_for(Harvest.from_arrays(PROBABILITIES, ys, xs, deterministic=True))
    chosen = chosen_for(harvest)
    assert (other.clock.base, other.clock.skew.constant) == (chosen.clock.base, chosen.clock.skew.constant)


@pytest.mark.parametrize("deterministic", [True, False])
def test_few_conditions_tell_the_skew_too(deterministic):
    harvest = moving(PROBABILITIES, "logit", 2.0, deterministic=deterministic, contexts=4)
    assert chosen_for(harvest).clock.skew.constant == 2.0


def test_unconditional_draws_tell_the_skew():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(60, 2))
    ys = [start + 5 * positions(Clock("logit", (0.05, 0.95)), 0, [a], 1.5) for a in PROBABILITIES]
    harvest = Harvest.from_arrays(PROBABILITIES, ys, [np.zeros((60, 0))] * 3, deterministic=False)
    assert chosen_for(harvest).clock.skew.constant == 1.5


@pytest.mark.parametrize(("offset", "skewed"), [(0.02, False), (0.2, True)])
def test_skew_is_taken_where_it_gains_more_than_one_standard_error(offset, skewed):
    # Positions 0.5 + offset + noise of deviation σ in n conditions: the gain offset² has the standard error
    # 2 offset σ / √n, so that no skew is as good as the best one up to offset = 2 σ / √n = 0.03.
    anchors, rng = (0.0, 0.5, 1.0), np.random.default_rng(0)
    x = np.linspace(-1, 1, 400)[:, None]
    noise = rng.normal(0, 1, (200, 1))
    noise *= 0.3 / np.sqrt(np.mean(noise**2))
    middle = x + 0.5 + offset + np.concatenate([noise, -noise])[rng.permutation(400)]
    harvest = Harvest.from_arrays(anchors, [x, middle, x + 1], [x] * 3, deterministic=True)
    automatic, learnt = chosen_for(harvest), chosen_for(harvest, clock="learnt")
    best = skew_errors(Clock("linear", anchors), leave_anchors_out(harvest, True)).mean(0).argmin()
    assert SKEWS[best] < 0  # there is something to be tempted by
    assert learnt.clock.skew.constant == SKEWS[best]
    assert automatic.clock.base == "linear"
    if skewed:  # the least that is as good: it falls short of the best by 2 σ / √n at most
        assert SKEWS[best] < automatic.clock.skew.constant < 0
        first, second = (
            positions(Clock("linear", (0.0, 1.0)), 0, [0.5], c.clock.skew.constant) for c in (automatic, learnt)
        )
        assert abs(second - first) <= 2 * 0.3 / np.sqrt(200)
    else:
        assert automatic.clock.skew.constant == 0.0


def test_errors_are_those_of_the_candidates_without_skew():
    harvest = moving(PROBABILITIES, "logit", 2.0, deterministic=True)
    chosen = chosen_for(harvest)
    assert set(chosen.errors) == {*candidates(PROBABILITIES), HOLD, "skewed logit"}
    (curve,) = leave_anchors_out(harvest, True)
    for name in BASES:
        expected = curve.at(positions(Clock(name, (0.05, 0.95)), 0, [0.3])).mean()
        assert chosen.errors[name] == pytest.approx(expected)
    assert chosen.errors[HOLD] == pytest.approx(curve.errors[:, 0].mean())


@pytest.mark.parametrize("name", BASES)
def test_skew_errors_are_read_off_at_the_clock_s_positions(name):
    left_out = leave_anchors_out(moving(FOUR, "linear", deterministic=True), True)
    clock = Clock(name, FOUR)
    errors = skew_errors(clock, left_out)
    assert errors.shape == (40, len(SKEWS))
    for i in (0, 90, 96, 120):
        expected = np.zeros(40)
        for curve in left_out:
            k = curve.anchor
            neighbours = Clock(name, (FOUR[0], FOUR[-1])).coordinates(FOUR[k - 1 : k + 2])
            c = np.expm1(SKEWS[i] * neighbours) / SKEWS[i] if SKEWS[i] else neighbours
            expected += curve.at((c[1:2] - c[0]) / (c[2] - c[0]))[:, 0]
        np.testing.assert_allclose(errors[:, i], expected, rtol=1e-6, atol=1e-9)


# Two interior anchors tell the base.


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("base", BASES)
def test_two_interior_anchors_tell_the_base(base, deterministic):
    chosen = chosen_for(moving(FOUR, base, deterministic=deterministic))
    assert chosen.clock.base == base
    assert chosen.clock.skew.constant == 0.0
    assert chosen.errors[base] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("base", ["logit", "mirror_log"])
def test_two_interior_anchors_tell_base_and_skew(base):
    chosen = chosen_for(moving(FOUR, base, 2.0, deterministic=True), clock="learnt")
    assert (chosen.clock.base, chosen.clock.skew.constant) == (base, 2.0)


def test_one_interior_anchor_leaves_the_base_to_the_prior():
    chosen = chosen_for(moving(PROBABILITIES, "linear", deterministic=True))
    assert chosen.clock.base == "logit"
    # Skewed, it puts the anchor where the true base does, up to the grid's step.
    true = Clock("linear", PROBABILITIES).coordinates([0.3])
    ends = Clock("logit", (PROBABILITIES[0], PROBABILITIES[-1]))
    assert positions(ends, 0, [0.3], chosen.clock.skew.constant) == pytest.approx(true, abs=STEP / 8)


def judged(anchors: tuple[float, ...], names: list[str], truth: str, noise: float) -> ChosenClock:
    """The choice from 20 conditions that put two left-out anchors at the truth's positions, ± noise.

    A clock that misses these positions by δ is as good as the best, which misses nothing, up to |δ| = 2 noise / √20:
    the conditions' differences are Σ δ² ± 2 noise δ_1 ± 2 noise δ_2.
    """
    signs = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]] * 5)
    left_out = []
    for k in (1, 2):
        before, here, after = Clock(truth, anchors).coordinates(anchors[k - 1 : k + 2])
        at = (here - before) / (after - before) + noise * signs[:, k - 1 : k]
        left_out.append(LeftOut(k, (POSITIONS - at) ** 2, np.arange(20)))
    shape = moving(anchors, truth, deterministic=True)
    return _judge(anchors, names, left_out, Standardiser.of(shape), learnt=False)


@pytest.mark.parametrize(("noise", "name"), [(0.0, "linear"), (0.4, "linear"), (1.0, "logit")])
def test_of_bases_that_are_as_good_the_least_skewed_is_taken(noise, name):
    anchors = (0.01, 0.2, 0.35, 0.5)
    # Without a skew the logit, the prior, misses the positions by 0.25; with one by less than 2 · 0.4 / √20 = 0.18.
    v = Clock("logit", anchors).coordinates(anchors)
    missed = [position(v[k] - v[k - 1], v[k + 1] - v[k - 1], SKEWS) - p for k, p in ((1, 0.19 / 0.34), (2, 0.5))]
    distance = np.hypot(*missed)
    assert distance.min() < 0.17
    assert 0.18 < distance[SKEWS == 0] < 0.44
    chosen = judged(anchors, ["logit", "linear"], "linear", noise)
    assert (chosen.clock.base, chosen.clock.skew.constant) == (name, 0.0)


@pytest.mark.parametrize("names", list(permutations(["logit", "probit", "linear"])))
@pytest.mark.parametrize("truth", ["logit", "probit", "linear"])
def test_of_bases_alike_in_skew_the_first_is_taken(names, truth):
    chosen = judged((0.1, 0.45, 0.55, 0.9), list(names), truth, 1.0)
    assert (chosen.clock.base, chosen.clock.skew.constant) == (names[0], 0.0)


@pytest.mark.parametrize(("steps", "name"), [(1, "logit"), (2, "logit"), (3, "linear")])
def test_prior_may_be_skewed_a_little_more_than_another_base(steps, name):
    anchors, middle = (0.01, 0.2, 0.35, 0.5), len(SKEWS) // 2
    v = Clock("logit", anchors).coordinates(anchors)
    missed = [position(v[k] - v[k - 1], v[k + 1] - v[k - 1], SKEWS) - p for k, p in ((1, 0.19 / 0.34), (2, 0.5))]
    distance = np.hypot(*missed)[middle:]  # less and less, for a while, with larger skews
    assert (np.diff(distance[:5]) < 0).all()
    # Noise within which the logit is as good with that many steps of skew, but not with one less.
    noise = np.sqrt(20) / 2 * distance[steps - 1 : steps + 1].mean()
    chosen = judged(anchors, ["logit", "linear"], "linear", noise)
    assert (chosen.clock.base, chosen.clock.skew.constant) == (name, steps * STEP if name == "logit" else 0.0)


# hold.


@pytest.mark.parametrize("deterministic", [True, False])
def test_outputs_that_stand_still_and_then_jump_are_held(deterministic):
    anchors = (0.0, 0.25, 0.5, 1.0)
    harvest = moving(anchors, "linear", deterministic=deterministic)
    ys = [harvest.outputs[0]] * 3 + [harvest.outputs[-1]]
    still = Harvest.from_arrays(anchors, ys, harvest.conditions, deterministic=deterministic)
    chosen = chosen_for(still)
    assert (chosen.clock.base, chosen.clock.anchors) == (HOLD, anchors)
    assert chosen.clock.skew.constant == 0.0
    assert chosen.errors[HOLD] == pytest.approx(0, abs=1e-12)


def test_learnt_clock_holds_nothing():
    harvest = moving((0.0, 0.5, 1.0), "linear", deterministic=True)
    ys = [harvest.outputs[0]] * 2 + [harvest.outputs[-1]]
    still = Harvest.from_arrays((0.0, 0.5, 1.0), ys, harvest.conditions, deterministic=True)
    chosen = chosen_for(still, clock="learnt")
    assert (chosen.clock.base, chosen.clock.skew.constant) == ("linear", SKEWS[-1])  # the latest that a skew can be


def test_outputs_that_never_move_have_no_skew():
    x = np.linspace(-1, 1, 50)[:, None]
    harvest = Harvest.from_arrays((0.1, 0.2, 0.9), [x] * 3, [x] * 3, deterministic=True)
    chosen = chosen_for(harvest)
    assert (chosen.clock.base, chosen.clock.skew.constant) == ("logit", 0.0)


# What the anchors cannot tell.


@pytest.mark.parametrize(
    ("anchors", "base"),
    [((0.01, 0.99), "logit"), ((1e-3, 10.0), "log"), ((0.0, 0.95), "mirror_log"), ((0.0, 1.0), "linear")],
)
def test_two_anchors_leave_the_prior(anchors, base):
    for deterministic in (True, False):
        chosen = chosen_for(moving(anchors, "linear", 2.0, deterministic=deterministic), persistence=False)
        assert (chosen.clock.base, chosen.clock.anchors) == (base, anchors)
        assert chosen.clock.skew.constant == 0.0
        assert chosen.errors == {}


def test_conditions_that_are_not_shared_leave_the_prior():
    rng = np.random.default_rng(0)
    ys, xs = ([rng.normal(size=(5, width)) for _ in PROBABILITIES] for width in (2, 1))
    chosen = choose_clock(Harvest.from_arrays(PROBABILITIES, ys, xs), False, DEFAULT)
    assert (chosen.clock.base, chosen.clock.skew.constant, chosen.errors) == ("logit", 0.0, {})


# What the configuration says.


@pytest.mark.parametrize("name", [*BASES, HOLD])
def test_named_clock_is_taken_without_skew(name):
    chosen = chosen_for(moving(FOUR, "logit", 3.0, deterministic=True), clock=name)
    assert (chosen.clock.base, chosen.clock.skew.constant, chosen.errors) == (name, 0.0, {})


@pytest.mark.parametrize("anchors", [PROBABILITIES, (0.05, 0.95)])
@pytest.mark.parametrize("name", BASES)
def test_declared_prior_is_respected(name, anchors):
    harvest = moving(anchors, "log", deterministic=True)
    assert chosen_for(harvest, clock_prior=name, persistence=False).clock.base == name


def test_declared_prior_gives_way_to_what_two_interior_anchors_tell():
    assert chosen_for(moving(FOUR, "log", deterministic=True), clock_prior="probit").clock.base == "log"


@pytest.mark.parametrize("field", ["clock", "clock_prior"])
@pytest.mark.parametrize("anchors", [(0.0, 0.5, 1.0), (0.0, 1.0)])
def test_clock_that_is_not_finite_on_the_anchors_is_refused(field, anchors):
    harvest = moving(anchors, "linear", deterministic=True)
    with pytest.raises(
        ConfigurationError, match=rf"^{field} = 'probit' is not finite on the anchors \[0.0, .*'linear'"
    ):
        chosen_for(harvest, **{field: "probit"})


def test_learnt_clock_takes_two_neighbours():
    two = moving((0.1, 0.9), "logit", deterministic=True)
    message = r"clock = 'learnt' needs three or more anchors that share their conditions; .* 2 anchors: .*'hold'\]"
    with pytest.raises(ConfigurationError, match=message):
        chosen_for(two, clock="learnt")
    rng = np.random.default_rng(0)
    ys, xs = ([rng.normal(size=(5, width)) for _ in PROBABILITIES] for width in (2, 1))
    with pytest.raises(ConfigurationError, match="share their conditions; the harvest has 3 anchors"):
        choose_clock(Harvest.from_arrays(PROBABILITIES, ys, xs), False, SurrogateConfig(clock="learnt"))


# What must not matter.


def test_samples_of_different_numbers_are_compared():
    rng = np.random.default_rng(0)
    rows = (50, 70, 60)
    progress = Clock("logit", PROBABILITIES).coordinates(PROBABILITIES)
    ys = [rng.normal(size=(n, 2)) + 300 * p for n, p in zip(rows, progress, strict=True)]
    harvest = Harvest.from_arrays(PROBABILITIES, ys, [np.zeros((n, 0)) for n in rows], deterministic=False)
    assert chosen_for(harvest).clock.skew.constant == pytest.approx(0, abs=STEP)


@pytest.mark.parametrize("deterministic", [True, False])
def test_order_of_samples_and_unit_of_outputs_change_no_clock(deterministic):
    harvest = moving(PROBABILITIES, "logit", by_condition, deterministic=deterministic, contexts=60)
    rng = np.random.default_rng(1)
    orders = [rng.permutation(len(y)) for y in harvest.outputs]
    other = Harvest.from_arrays(
        PROBABILITIES,
        [1e3 * y[o] - 7 for y, o in zip(harvest.outputs, orders, strict=True)],
        [x[o] for x, o in zip(harvest.conditions, orders, strict=True)],
        deterministic=deterministic,
    )
    expected, found = chosen_for(harvest), chosen_for(other)
    assert found.clock.base == expected.clock.base
    assert found.errors == pytest.approx(expected.errors, rel=1e-3, abs=1e-6)
    x = np.linspace(-1.4, 1.4, 15)
    np.testing.assert_allclose(skew_at(found, other, x), skew_at(expected, harvest, x), rtol=0, atol=0.15)


def test_columns_of_other_units_do_not_outvote_the_rest():
    anchors, rng = (0.01, 0.2, 0.99), np.random.default_rng(0)
    x = rng.normal(size=(40, 1))
    noise = [rng.normal(size=(40, 1)) for _ in anchors]  # says nothing, in a small unit
    moved = [x + Clock("logit", anchors).coordinates([a]) * 100 for a in anchors]
    found, same = (
        chosen_for(
            Harvest.from_arrays(
                anchors,
                [np.concatenate([m, unit * n], 1) for m, n in zip(moved, noise, strict=True)],
                [x] * 3,
                units={"y0": "m", "y1": "µs"},
                deterministic=True,
            )
        )
        for unit in (1e6, 1.0)
    )
    assert found.clock.base == same.clock.base
    assert found.clock.skew.constant == same.clock.skew.constant
    assert found.errors == pytest.approx(same.errors)


def test_the_same_harvest_gives_the_same_clock():
    harvest = moving(PROBABILITIES, "logit", by_condition, deterministic=False, contexts=60)
    first, again = chosen_for(harvest), chosen_for(harvest)
    assert first.errors == again.errors
    for name, tensor in first.clock.skew.state_dict().items():
        assert torch.equal(tensor, again.clock.skew.state_dict()[name])


def test_chosen_skew_fits_the_surrogate_s_conditions():
    harvest = moving(PROBABILITIES, "logit", deterministic=True)
    chosen = chosen_for(harvest)
    assert isinstance(chosen.clock.skew, Skew)
    assert chosen.clock.skew.shape == Standardiser.of(harvest).shape
