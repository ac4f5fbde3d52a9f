import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import DataError, FitError, HyperparameterError
from pipeline.evaluation.evaluate import BASELINES, FLOOR, LABELS, SURROGATE, evaluate
from tests.evaluation.oracles import VALUES, ConstantVelocity, forecast_harvest, stochastic_harvest

SPEED_SQUARED = 25.0


def test_errors_of_a_translation_are_known_for_every_method():
    evaluation = evaluate(ConstantVelocity(), stochastic_harvest())
    assert evaluation.measure == "W₂²"
    assert evaluation.hyperparameters == (0.25, 0.75)
    assert evaluation.methods == (SURROGATE, *BASELINES)
    for value in (0.25, 0.75):
        errors = {method: evaluation.at(method, value).error for method in evaluation.methods}
        unmoved = SPEED_SQUARED * 0.25**2
        assert errors == pytest.approx(
            {SURROGATE: 0, "straight_line": 0, "nearest_anchor": unmoved, "left_anchor": unmoved}, abs=1e-9
        )
        score = evaluation.at("left_anchor", value)
        assert score.spread == pytest.approx(score.truth_spread)


def test_the_error_of_a_wrong_velocity_is_its_displacement_squared():
    wrong = ConstantVelocity(velocity=np.array([3.0, 0.0]))
    evaluation = evaluate(wrong, stochastic_harvest())
    assert evaluation.mean_error(SURROGATE) == pytest.approx((4.0 * 0.25) ** 2)
    assert [(s.hyperparameter, s.method) for s in evaluation.anchors] == [
        (0.5, SURROGATE),
        (0.5, "left_anchor"),
        (1.0, SURROGATE),
        (1.0, "left_anchor"),
    ]
    assert evaluation.anchors[0].error == pytest.approx((4.0 * 0.5) ** 2)
    assert evaluation.anchors[1].error == pytest.approx(SPEED_SQUARED * 0.5**2)


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
    assert evaluation.mean_error("straight_line") == pytest.approx(0, abs=1e-12)


def test_networks_give_redraws_and_a_floor():
    harvest = stochastic_harvest(draws=40, networks=True)
    evaluation = evaluate(ConstantVelocity(), harvest, redraws=3, seed=1)
    assert evaluation.redraws == 3
    assert evaluation.methods == tuple(LABELS)
    floor, own = evaluation.mean_error(FLOOR), evaluation.mean_error(SURROGATE)
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
    assert len(evaluation.anchors) == 4


def test_a_missing_anchor_is_named():
    with pytest.raises(DataError, match=r"lacks the anchors \[0.5\]"):
        evaluate(ConstantVelocity(), stochastic_harvest(values=(0.0, 0.25, 1.0)))


def test_a_value_outside_the_anchors_is_refused():
    with pytest.raises(HyperparameterError, match=r"1.5 lies outside the anchors' range \[0.0, 1.0\]"):
        evaluate(ConstantVelocity(), stochastic_harvest(values=(0.0, 0.5, 1.0, 1.5)))


def test_a_surrogate_that_is_not_finite_is_refused():
    with pytest.raises(FitError, match=r"at hyperparameter 0.25, from 0.0, are not finite"):
        evaluate(ConstantVelocity(velocity=np.array([np.inf, 0.0])), stochastic_harvest())
