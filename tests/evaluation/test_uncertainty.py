"""The uncertainty of the surrogate: closed forms, calibration on left-out anchors, and whether it keeps its word."""

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.retrained import Retrained, Samples
from pipeline.errors import BundleError
from pipeline.evaluation.left_out import LeftOut, Plan, distinct, leave_out, training_noise, truth_at
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.trust import Trust
from pipeline.evaluation.uncertainty import (
    CARRIED,
    NORMAL,
    PRIOR,
    Ends,
    Movement,
    Uncertainty,
    distance_ratio,
    squared_distances,
    variance_over_trainings,
)
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from tests.evaluation.oracles import ANCHORS, VELOCITY, ConstantVelocity, Shifting, forecast_harvest, stochastic_harvest

PLAN = Plan(SurrogateConfig(variant="K_I", clock="linear", map_steps=50))


def movement(rows=500, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return Movement(rng.uniform(0.05, 0.95, (rows, 1)), rng.uniform(0.5, 4.0, (rows, outputs)))


def test_it_is_the_noise_alone_at_the_ends_and_largest_half_way():
    known = Uncertainty((0.25,), 0.5, True, 1, True)
    squared = known.squared(Movement(np.array([[0.0], [0.5], [1.0]]), np.full((3, 1), 4.0)))[:, 0]
    # At an end the network of λ and that end are two trainings; half way the surrogate averages two ends.
    assert squared == pytest.approx([2 * 0.25, 1.5 * 0.25 + 0.25 * 4.0, 2 * 0.25])


def test_a_band_covers_nine_in_ten_of_normal_errors():
    known, moved = Uncertainty((0.1, 0.4), 0.3, True, 1, True), movement(20_000)
    errors = known.squared(moved) * np.random.default_rng(1).standard_normal((20_000, 2)) ** 2
    assert known.covers(moved, errors).mean() == pytest.approx(0.9, abs=0.01)
    assert known.bound(moved) == pytest.approx(NORMAL * np.sqrt(known.squared(moved)))


def test_calibration_finds_the_share_of_the_way_that_covers_nine_in_ten():
    moved = movement()
    share = np.random.default_rng(2).uniform(0, 0.5, moved.squared.shape)  # nine tenths of them below 0.45
    found = Uncertainty.calibrated(
        [(moved, (NORMAL * share) ** 2 * moved.reach)], np.zeros(2), deterministic=True, retrained=False
    )
    assert found.timing == pytest.approx(CARRIED * 0.45, abs=0.02)
    assert (found.left_out, found.noise) == (1, (0.0, 0.0))


def test_errors_that_the_noise_explains_say_nothing_of_timing():
    moved = movement()
    noise = np.array([1.0, 1.0])
    found = Uncertainty.calibrated([(moved, np.full((500, 2), 0.5))], noise, deterministic=True, retrained=True)
    assert found.timing == 0


@pytest.mark.parametrize("scale", [1e-3, 1e6])
def test_units_of_the_outputs_do_not_matter(scale):
    moved, errors = movement(), np.random.default_rng(3).exponential(1.0, (500, 2))
    noise = np.array([0.1, 0.2])
    larger = Movement(moved.position, scale**2 * moved.squared)
    one = Uncertainty.calibrated([(moved, errors)], noise, deterministic=True, retrained=True)
    other = Uncertainty.calibrated([(larger, scale**2 * errors)], scale**2 * noise, deterministic=True, retrained=True)
    assert other.timing == pytest.approx(one.timing)
    assert other.bound(larger) == pytest.approx(scale * one.bound(moved))


def test_reversing_lambda_changes_nothing():
    known, moved = Uncertainty((0.2, 0.3), 0.3, True, 1, True), movement()
    assert known.squared(Movement(1 - moved.position, moved.squared)) == pytest.approx(known.squared(moved))


def test_of_draws_it_bounds_the_distance():
    known = Uncertainty((0.25,), 0.5, False, 1, True)
    moved = Movement(np.array([[0.5]]), np.array([[4.0]]))
    assert known.bound(moved) == pytest.approx(np.array([[0.25 + 0.25 * 4.0]]))
    assert known.covers(moved, np.array([[1.25]])).all()
    assert not known.covers(moved, np.array([[1.26]])).any()


def test_without_a_left_out_anchor_it_is_a_prior_that_says_so():
    found = Uncertainty.calibrated([], np.zeros(1), deterministic=True, retrained=False)
    assert found.timing == PRIOR
    assert found.sentence == (
        "c = 0.25 of the way between the ends, a prior, since no anchor can be left out; no retrained network: the "
        "noise of training is missing"
    )


def test_noise_is_the_variance_over_trainings():
    rng = np.random.default_rng(4)
    one, other = (rng.normal(3.0, [0.5, 2.0], (20_000, 2))[:, None] for _ in range(2))
    assert variance_over_trainings(one, other) == pytest.approx([0.25, 4.0], rel=0.05)


def test_noise_of_draws_is_kept_by_nine_conditions_in_ten():
    cloud = np.random.default_rng(5).standard_normal((11, 40, 2))
    shift = np.stack([np.arange(11.0), np.zeros(11)], axis=1)  # distances 0, 1, 4, …, 100
    again, more = cloud + shift[:, None], cloud + np.array([0.0, 3.0])
    assert distance_ratio(cloud, more, again) == pytest.approx([81.0 / 9.0])
    assert distance_ratio(10 * cloud, 10 * more, 10 * again) == pytest.approx([9.0])


def test_draws_that_do_not_vary_have_no_noise_to_measure_by():
    one = np.zeros((3, 5, 2))
    assert distance_ratio(one, one, one + 1) == pytest.approx([0.0])


def test_the_noise_of_draws_follows_their_spread():
    known = Uncertainty((2.0,), 0.0, False, 1, True)
    own = np.array([[[1.0], [9.0]], [[4.0], [9.0]]])  # of the left ends and the right ends at two conditions
    moved = Ends(np.zeros((2, 1)), own).movement(np.array([[0.25], [0.5]]))
    assert known.bound(moved) == pytest.approx(np.array([[2 * 1.75], [2 * 9.0]]))


def test_distances_of_draws_are_of_each_condition():
    cloud = np.random.default_rng(5).standard_normal((3, 40, 2))
    shift = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    assert squared_distances(cloud, cloud + shift[:, None]) == pytest.approx(np.array([[25.0], [0.0], [1.0]]))


def test_angles_differ_the_short_way_round():
    one, other = np.array([[[3.0, 3.0]]]), np.array([[[-3.0, -3.0]]])
    short = 2 * np.pi - 6
    assert squared_distances(one, other, (2 * np.pi, 0.0)) == pytest.approx(np.array([[short**2, 36.0]]))
    draws = squared_distances(np.repeat(one, 3, axis=1), np.repeat(other, 3, axis=1), (2 * np.pi, 0.0))
    assert draws == pytest.approx(np.array([[(2 * np.sin(short / 2)) ** 2 + 36.0]]))


def test_a_law_that_is_linear_in_lambda_is_predicted_without_its_middle():
    score = forecast_harvest(rows=40)
    found = leave_out(score.select(ANCHORS), score, (), PLAN, deterministic=True)
    assert {s.hyperparameter for s in found.scores} == {0.5}
    errors = {s.method: s.error for s in found.scores}
    assert errors[SURROGATE] == pytest.approx(0, abs=1e-8)
    assert errors["left_anchor"] == pytest.approx(np.mean((VELOCITY * 0.5) ** 2))
    assert found.uncertainty.timing == pytest.approx(0, abs=1e-3)
    assert found.uncertainty.noise == (0.0, 0.0)


def test_a_bend_in_lambda_is_seen_without_its_middle():
    score = forecast_harvest(rows=40)
    bent = [y + (0.3 * VELOCITY if value == 0.5 else 0) for y, value in zip(score.outputs, score.values, strict=True)]
    score = Harvest.from_arrays(score.values, bent, list(score.conditions), schema=score.schema)
    found = leave_out(score.select(ANCHORS), score, (), PLAN, deterministic=True)
    # 0.3 of the whole way off: c · 1.645 = 0.3 would cover it.
    assert found.uncertainty.timing == pytest.approx(CARRIED * 0.3 / NORMAL, rel=1e-3)


def test_two_anchors_and_several_hyperparameters_leave_nothing_out():
    score = forecast_harvest(rows=40, values=(0.0, 0.5, 1.0))
    found = leave_out(score.select([0.0, 1.0]), score, (), PLAN, deterministic=True)
    assert found.scores == ()
    assert (found.uncertainty.left_out, found.uncertainty.timing) == (0, PRIOR)
    values = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    outputs = [np.full((4, 1), sum(value)) for value in values]
    grid = Harvest.from_arrays(np.array(values), outputs, [np.arange(4.0)[:, None]] * 4, deterministic=True)
    assert leave_out(grid, grid, (), PLAN, deterministic=True) == LeftOut()


def test_noise_of_training_comes_from_the_retrained_anchor():
    score = forecast_harvest(rows=40)

    class Moved(Shifting):
        def outputs(self, conditions, draws, seed):
            own = conditions.mean(axis=1)[:, None, None] + VELOCITY * 0.5
            return np.repeat(own + np.array([2.0, 1.0]), draws, axis=1)

    k = score.values.index(0.5)
    samples = Samples(score.outputs[k], score.conditions[k])
    again = Retrained(0.5, 1, samples, samples, Moved(VELOCITY))
    assert training_noise(score, (again,), deterministic=True) == pytest.approx([2.0, 0.5], rel=1e-5)
    elsewhere = Retrained(0.6, 1, samples, samples, Moved(VELOCITY))  # of a held-out λ: that would be telling
    assert training_noise(score.select(ANCHORS), (elsewhere,), deterministic=True) == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("networks", [False, True])
def test_without_a_second_training_the_noise_is_that_of_two_samples(networks):
    noise = training_noise(stochastic_harvest(draws=200, networks=networks), (), deterministic=False)
    assert 1 <= noise[0] < 3  # nine in ten keep more than the mean distance


def test_draws_that_are_single_are_not_compared():
    rows = np.arange(20.0)[:, None]
    score = Harvest.from_arrays(ANCHORS, [rows, rows + 1, rows + 2], [rows] * 3, deterministic=False)
    assert truth_at(score, 0.5, deterministic=False) is None
    found = leave_out(score, score, (), PLAN, deterministic=False)
    assert found.uncertainty is None
    assert {s.hyperparameter for s in found.scores} == {0.5}


def test_some_conditions_are_enough_for_draws():
    rows = np.arange(1000.0)[:, None]
    assert len(distinct(np.repeat(rows, 2, axis=0), deterministic=True)) == 1000
    assert 100 <= len(distinct(rows, deterministic=False)) <= 200


def test_findings_survive_the_disk(tmp_path):
    score = forecast_harvest(rows=40)
    found = leave_out(score.select(ANCHORS), score, (), PLAN, deterministic=True)
    found.write(tmp_path / "left_out.json")
    assert LeftOut.read(tmp_path / "left_out.json") == found
    (tmp_path / "left_out.json").write_text('{"scores": 1}')
    with pytest.raises(BundleError, match="run stage leave_out again"):
        LeftOut.read(tmp_path / "left_out.json")


def test_trust_says_how_much_was_covered_and_how_errors_were_ranked():
    score = forecast_harvest(rows=40)
    exact = ConstantVelocity(schema=score.schema, deterministic=True)
    trust = Trust.of(Uncertainty((0.0, 0.0), 0.1, True, 1, False), exact, score)
    assert trust.coverage == ((0.25, 1.0), (0.75, 1.0))
    assert trust.mean_coverage == 1.0
    # Half way between anchors that are 0.5 apart: c |y_1 − y_0| of both outputs, root mean square.
    assert dict(trust.predicted)[0.25] == pytest.approx(0.1 * np.sqrt(np.mean((VELOCITY / 2) ** 2)))
    assert trust.rank_correlation is None  # all errors are 0
    wrong = ConstantVelocity(schema=score.schema, deterministic=True, velocity=VELOCITY + 10)
    assert Trust.of(Uncertainty((0.0, 0.0), 0.0, True, 1, False), wrong, score).mean_coverage == 0.0


@pytest.mark.slow
def test_nine_in_ten_are_covered_on_a_law_whose_clock_is_unknown():
    # y = a(x) λ^p(x): the clock's power differs by condition, which no clock of all conditions can know.
    rng = np.random.default_rng(6)
    x = rng.uniform(0, 1, (300, 2))
    values = (0.0, 0.25, 0.5, 0.75, 1.0)
    outputs = [((1 + x[:, :1]) * v ** (0.7 + x[:, 1:])) for v in values]
    score = Harvest.from_arrays(values, outputs, [x] * 5, deterministic=True)
    plan = Plan(SurrogateConfig(variant="K_I"))
    found = leave_out(score.select(ANCHORS), score, (), plan, deterministic=True)
    surrogate = Surrogate.fit(score.select(ANCHORS), plan.settings)
    trust = Trust.of(found.uncertainty, surrogate, score)
    assert 0.8 <= trust.mean_coverage <= 1.0
