from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import DataError, FitError, HyperparameterError
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.methods.catalog import baselines
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.served import served_by
from pipeline.families.semicircles.family import SemicircleNetwork
from tests.evaluation.oracles import VALUES, VELOCITY, ConstantVelocity, Shifting, forecast_harvest, stochastic_harvest

SPEED_SQUARED = 25.0
BASELINES = tuple(method.name for method in baselines() if method.sample is not None)
LINES = ("straight_line", "straight_line_own_clock")


def test_errors_of_a_translation_are_known_for_every_method():
    evaluation = evaluate(ConstantVelocity(), stochastic_harvest())
    assert evaluation.measure == "W₂²"
    assert evaluation.hyperparameters == (0.25, 0.75)
    assert evaluation.methods == (SURROGATE, *BASELINES)
    for value in (0.25, 0.75):
        errors = {method: evaluation.at(method, value).error for method in evaluation.methods}
        unmoved = SPEED_SQUARED * 0.25**2
        assert errors == pytest.approx(
            dict.fromkeys((SURROGATE, *LINES, "pchip"), 0) | {"nearest_anchor": unmoved, "left_anchor": unmoved},
            abs=1e-9,
        )
        score = evaluation.at("left_anchor", value)
        assert score.spread == pytest.approx(score.truth_spread)


def test_the_error_of_a_wrong_velocity_is_its_displacement_squared():
    wrong = ConstantVelocity(velocity=np.array([3.0, 0.0]))
    evaluation = evaluate(wrong, stochastic_harvest())
    assert evaluation.mean_error(SURROGATE) == pytest.approx((4.0 * 0.25) ** 2)
    assert [(s.hyperparameter, s.method) for s in evaluation.anchors] == [
        (0.5, SURROGATE),
        (0.5, "transport"),
        (0.5, "left_anchor"),
        (1.0, SURROGATE),
        (1.0, "transport"),
        (1.0, "left_anchor"),
    ]
    assert evaluation.anchors[1].error == pytest.approx((4.0 * 0.5) ** 2)
    assert evaluation.anchors[2].error == pytest.approx(SPEED_SQUARED * 0.5**2)


def test_deterministic_outputs_are_compared_row_by_row():
    harvest = forecast_harvest(values=(0.0, 0.1, 0.4, 0.5, 1.0))
    evaluation = evaluate(ConstantVelocity(deterministic=True), harvest, redraws=5)
    assert evaluation.measure == "MSE"
    assert evaluation.redraws == 1
    # The MSE is a mean over both columns, W₂² would be their sum.
    assert evaluation.at("left_anchor", 0.4).error == pytest.approx(SPEED_SQUARED / 2 * 0.4**2)
    assert evaluation.at("nearest_anchor", 0.4).error == pytest.approx(SPEED_SQUARED / 2 * 0.1**2)
    assert evaluation.at("nearest_anchor", 0.1).error == pytest.approx(SPEED_SQUARED / 2 * 0.1**2)
    assert evaluation.mean_error(SURROGATE) == pytest.approx(0, abs=1e-12)
    assert all(evaluation.mean_error(line) == pytest.approx(0, abs=1e-12) for line in LINES)
    assert len(evaluation.by_condition("left_anchor")) == 9


def test_networks_give_redraws_and_a_floor():
    harvest = stochastic_harvest(draws=40, networks=True)
    surrogate = ConstantVelocity()
    evaluation = evaluate(surrogate, harvest, redraws=3, seed=1)
    assert evaluation.redraws == 3
    assert evaluation.methods == (SURROGATE, *BASELINES, "floor")
    floor, own = evaluation.mean_error("floor"), evaluation.mean_error(SURROGATE)
    assert 0 < floor < evaluation.mean_error("left_anchor")
    # An exact surrogate is a fresh sample of the truth; but the harvest's own draws, in the first round, are one cloud.
    assert own == pytest.approx(2 / 3 * floor, rel=0.35)
    assert evaluate(ConstantVelocity(), harvest, redraws=3, seed=1) == evaluation
    assert evaluate(ConstantVelocity(), harvest, redraws=3, seed=2) != evaluation


def test_the_first_draw_is_the_harvest_itself():
    # The harvest's clouds are translations of one another, which fresh draws of its networks are not.
    evaluation = evaluate(ConstantVelocity(), stochastic_harvest(networks=True), redraws=1)
    assert evaluation.mean_error(SURROGATE) == pytest.approx(0, abs=1e-9)


def test_sizes_may_differ_between_values():
    rng = np.random.default_rng(0)
    sizes = (8, 12, 10, 9, 8)
    outputs = [rng.standard_normal((n, 2)) for n in sizes]
    harvest = Harvest.from_arrays(VALUES, outputs, [np.zeros((n, 1)) for n in sizes], "categorical")
    evaluation = evaluate(ConstantVelocity(), harvest)
    assert evaluation.comparison == "conditional"
    assert all(np.isfinite([s.error for s in evaluation.held_out]))


def test_a_harvest_of_anchors_alone_gives_no_held_out_scores():
    evaluation = evaluate(ConstantVelocity(), stochastic_harvest(values=(0.0, 0.5, 1.0)))
    assert evaluation.held_out == ()
    assert evaluation.hyperparameters == ()
    assert len(evaluation.anchors) == 6


def test_a_missing_anchor_is_named():
    with pytest.raises(DataError, match=r"lacks the anchors \[0.5\]"):
        evaluate(ConstantVelocity(), stochastic_harvest(values=(0.0, 0.25, 1.0)))


def test_a_value_outside_the_anchors_is_refused():
    with pytest.raises(HyperparameterError, match=r"1.5 lies outside the anchors' range \[0.0, 1.0\]"):
        evaluate(ConstantVelocity(), stochastic_harvest(values=(0.0, 0.5, 1.0, 1.5)))


def test_a_surrogate_that_is_not_finite_is_refused():
    with pytest.raises(FitError, match=r"at hyperparameter 0.25, from 0.0, are not finite"):
        evaluate(ConstantVelocity(velocity=np.array([np.inf, 0.0])), stochastic_harvest())


def served(score, **options):
    return ConstantVelocity(schema=score.schema, networks=score.networks and score.networks[::2], **options)


def test_a_surrogate_with_networks_is_scored_by_its_samples_beside_its_transport():
    score = stochastic_harvest(draws=40, networks=True)
    half = served(score, velocity=VELOCITY / 2)
    evaluation = evaluate(half, score, redraws=2)
    assert evaluation.served == "sample"
    assert evaluation.methods == (SURROGATE, "transport", *BASELINES, "floor")
    # Its samples start at λ = 0, its transport at the left anchor.
    assert evaluation.at(SURROGATE, 0.75).error == pytest.approx((5 * 0.75 / 2) ** 2, rel=0.2)
    assert evaluation.at("transport", 0.75).error < 1


def test_a_step_at_an_anchor_is_an_error_of_the_surrogate_there():
    class Stepping(ConstantVelocity):
        def sample(self, conditions, hyperparameter, draws=1, seed=0):
            return super().sample(conditions, hyperparameter, draws, seed) + 2.0 * (hyperparameter < 0.5)

    score = forecast_harvest()
    score = replace(score, networks=tuple(Shifting(VELOCITY * value) for value in VALUES))
    options = {"schema": score.schema, "deterministic": True, "networks": score.networks[::2]}
    steady, stepping = (evaluate(kind(**options), score) for kind in (ConstantVelocity, Stepping))
    assert [s.error for s in steady.anchors if s.method == SURROGATE] == pytest.approx([0, 0], abs=1e-8)
    assert [s.error for s in stepping.anchors if s.method == SURROGATE] == pytest.approx([4, 0], abs=1e-4)


def test_without_networks_samples_are_scored_only_at_conditions_that_the_surrogate_knows():
    score = stochastic_harvest()
    known = tuple(score.conditions[k] for k in (0, 2, 4))
    assert served_by(served(score, sampled_conditions=known), score) == "sample"
    fewer = tuple(x[:-12] for x in known)  # a category is missing
    assert served_by(served(score, sampled_conditions=fewer), score) == "transport"
    assert evaluate(served(score, sampled_conditions=fewer), score).served == "transport"


def test_a_line_on_the_surrogates_own_clock_moves_as_it_does():
    class Late(ConstantVelocity):
        def positions(self, conditions, hyperparameter):
            return 0.1 + 0.05 * np.arange(len(conditions))

    score = forecast_harvest(values=(0.0, 0.25, 0.5, 1.0))
    evaluation = evaluate(Late(schema=score.schema, deterministic=True), score)
    away = 0.1 + 0.05 * np.arange(9) - 0.5
    expected = (SPEED_SQUARED / 2 * 0.5**2 * away**2).mean()
    assert evaluation.at("straight_line_own_clock", 0.25).error == pytest.approx(expected)


def test_a_line_between_networks_that_draw_is_the_straight_surrogate_of_its_clock(fitted_surrogate, small_harvest):
    # Between two samples of the harvest it would average their noise away, and beat the surrogate that it is.
    values, categories = (0.0, 0.25, 0.5, 1.0), np.arange(4.0)[:, None]
    networks = [SemicircleNetwork(value) for value in values]
    score = Harvest.from_arrays(
        values,
        [network.outputs(categories, 10, 1).reshape(-1, 2) for network in networks],
        [np.repeat(categories, 10, axis=0)] * len(values),
        networks=networks,
        schema=small_harvest.schema,
    )
    found = evaluate(fitted_surrogate, score, redraws=2)  # variant K_I, linear clock
    own = found.at(SURROGATE, 0.25).error
    assert found.at("straight_line", 0.25).error == pytest.approx(own, rel=1e-3)
    assert found.at("straight_line_own_clock", 0.25).error == pytest.approx(own, rel=1e-3)


def test_matched_draws_are_those_of_the_surrogate_at_its_anchors(fitted_surrogate):
    categories = np.arange(4.0)[:, None]
    drawn = fitted_surrogate.matched(categories, [0, 1, 2], draws=3, seed=5)
    for value, own in zip((0.0, 0.5, 1.0), drawn, strict=True):
        np.testing.assert_allclose(own, fitted_surrogate.sample(categories, value, draws=3, seed=5), atol=1e-5)
