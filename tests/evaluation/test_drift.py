import math

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.drift import Drift
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import Record
from pipeline.evaluation.scores import Evaluation, Score


def score(value, errors, spread=1.0, redraws=()):
    """The surrogate's score whose errors by condition are these."""
    return Score(
        value, "surrogate", sum(errors) / len(errors), 1.0, spread, by_condition=tuple(errors), by_redraw=redraws
    )


def evaluation(*scores, anchors=(), measure="MSE"):
    return Evaluation("matched", measure, 1, tuple(scores), tuple(anchors))


@pytest.fixture
def registered(fitted_surrogate, small_harvest):
    def record(*scores, **more):
        facts = Facts.of("small", fitted_surrogate, small_harvest, small_harvest)
        return Record.of(Judgement(evaluation(*scores, **more), UNDECIDED, facts))

    return record


def test_equal_errors_are_no_drift(registered):
    then = registered(score(0.25, [1.0] * 20))
    found = Drift.of(then, evaluation(score(0.25, [1.0] * 20)))
    assert [figure.ratio for figure in found.figures] == [1.0]
    assert not found.drifted


@pytest.mark.parametrize(("error", "drifted"), [(1.49, False), (1.51, True)])
def test_drift_begins_at_the_threshold(registered, error, drifted):
    then = registered(score(0.25, [1.0] * 20))
    assert Drift.of(then, evaluation(score(0.25, [error] * 20)), threshold=1.5).drifted is drifted


def test_one_bad_condition_of_many_is_chance(registered):
    then = registered(score(0.25, [1.0] * 20))
    fresh = evaluation(score(0.25, [0.5] * 19 + [60.0]))
    (figure,) = Drift.of(then, fresh).figures
    assert figure.ratio > 3
    assert figure.margin > figure.fresh - figure.registered
    assert not figure.drifted


def test_where_data_are_few_the_ratio_decides_alone(registered):
    (figure,) = Drift.of(registered(score(0.25, [1.0])), evaluation(score(0.25, [2.0]))).figures
    assert figure.margin is None
    assert figure.drifted


def test_chance_is_students_margin_of_two_means_of_as_many_conditions(registered):
    errors = np.random.default_rng(0).exponential(size=20)
    (figure,) = Drift.of(registered(score(0.25, [1.0])), evaluation(score(0.25, errors.tolist()))).figures
    assert figure.margin == pytest.approx(2.093 * errors.std(ddof=1) * math.sqrt(2 / 20), rel=1e-3)  # t of 19, a table


def test_of_few_conditions_redraws_say_what_chance_is_and_one_registered_redraw_is_a_noisy_one(registered):
    then = registered(score(0.25, [1.0]))  # recorded with one redraw
    (figure,) = Drift.of(then, evaluation(score(0.25, [1.6], redraws=(1.3, 1.6, 1.9)))).figures
    assert figure.margin == pytest.approx(4.303 * 0.3 * math.sqrt(1 / 3 + 1), rel=1e-3)  # t of 2, a table
    assert not figure.drifted


@pytest.mark.parametrize("parts", [10, 100])
def test_without_drift_an_alarm_is_rare(registered, parts):
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(200):
        then = registered(score(0.25, rng.exponential(size=parts).tolist()))
        alarms += Drift.of(then, evaluation(score(0.25, rng.exponential(size=parts).tolist())), threshold=1.0).drifted
    assert alarms <= 200 * 0.08  # 2.5 % of errors that are Gaussian, a little more of skew ones


def test_every_value_is_judged_by_itself_and_values_that_only_one_has_are_left_out(registered):
    then = registered(score(0.25, [1.0] * 20), score(0.5, [1.0] * 20), score(0.6, [1.0]))
    found = Drift.of(then, evaluation(score(0.75, [9.0]), score(0.5, [3.0] * 20), score(0.25, [1.0] * 20)))
    assert [(f.value, f.drifted) for f in found.figures] == [("0.25", False), ("0.5", True)]
    assert "has drifted at 0.5: its MSE is at most 3 times what was registered, at 0.5" in found.verdict


def test_without_held_out_values_the_anchors_are_judged(registered):
    then = registered(anchors=[score(1.0, [1.0] * 20)])
    assert Drift.of(then, evaluation(anchors=[score(1.0, [2.0] * 20)])).drifted


def test_rounding_is_no_drift(registered):
    then = registered(score(0.25, [0.0] * 20))
    (figure,) = Drift.of(then, evaluation(score(0.25, [1e-12] * 20))).figures
    assert math.isinf(figure.ratio)
    assert not figure.drifted
    assert Drift.of(then, evaluation(score(0.25, [1e-3] * 20))).drifted


def test_the_spread_of_the_truth_is_set_beside(registered):
    then = registered(score(0.25, [1.0], spread=2.0))
    (figure,) = Drift.of(then, evaluation(score(0.25, [1.0], spread=3.0))).figures
    assert figure.spread == 1.5


def test_errors_of_another_kind_are_refused(registered):
    with pytest.raises(DataError, match="errors were registered as MSE, the fresh ones are W₂²"):
        Drift.of(registered(score(0.25, [1.0])), evaluation(score(0.25, [1.0]), measure="W₂²"))


def test_no_common_value_is_refused(registered):
    with pytest.raises(DataError, match="share no λ"):
        Drift.of(registered(score(0.25, [1.0])), evaluation(score(0.75, [1.0])))
