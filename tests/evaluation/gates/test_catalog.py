from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.gates.catalog import decide
from pipeline.evaluation.methods.catalog import baselines
from pipeline.evaluation.resampling import difference_interval
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score

QUICK = [method for method in baselines() if method.cost == "quick"]
ANCHORS = {method.name: method.label for method in QUICK if method.allowance is None}
LINES = {method.name: method.label for method in QUICK if method.allowance is not None}


def _evaluation(conditions=None, **errors):
    """Errors by method, one for each of the held-out values 0.25 and 0.75, and by condition where they are given."""
    scores = [
        Score(value, method, error, 1.0, 1.0, {}, (conditions or {}).get(method, ()))
        for method, pair in errors.items()
        for value, error in zip((0.25, 0.75), pair, strict=False)
    ]
    return Evaluation("conditional", "W₂²", 1, tuple(scores), ())


REDRAWN = {SURROGATE: tuple(np.linspace(1, 3, 10)), "straight_line": tuple(np.linspace(3, 1, 10))}
BEATEN = {method.name: (3.0, 5.0) for method in QUICK}


def test_a_surrogate_that_no_baseline_beats_is_promoted():
    decision = decide(_evaluation(surrogate=(3.5, 1.5), **BEATEN))  # worse at 0.25, better in the mean
    assert decision.promote
    named = "; ".join(f"{method.label}: 4" for method in QUICK)
    assert "straight line, linear clock: 4" in named
    assert decision.reason == (
        "Promoted: the surrogate's mean W₂² over 2 held-out values is 2.5, and no baseline is better beyond the "
        f"noise ({named})."
    )
    assert [(verdict.gate, verdict.passed) for verdict in decision.verdicts] == [("baselines", True)]


@pytest.mark.parametrize("unbeaten", ANCHORS)
@pytest.mark.parametrize("error", [1.0, 2.0])
def test_an_anchor_left_as_it_is_that_is_as_good_bars_the_promotion(unbeaten, error):
    decision = decide(_evaluation(surrogate=(2.0, 2.0), **BEATEN | {unbeaten: (error, error)}))
    assert not decision.promote
    assert f"which does not beat {ANCHORS[unbeaten]}: {error:g}." in decision.reason
    assert "4" not in decision.reason  # those that it beats go unnamed


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(("error", "promoted"), [(2.0, True), (1.95, True), (1.9, False), (0.1, False)])
def test_a_straight_line_may_be_better_by_three_per_cent(line, error, promoted):
    decision = decide(_evaluation(surrogate=(2.0, 2.0), **BEATEN | {line: (error, error)}))
    assert decision.promote is promoted
    assert promoted or f"which is beaten by {LINES[line]}: {error:g}." in decision.reason


@pytest.mark.parametrize(("noise", "promoted"), [(0.05, False), (2.0, True)])
def test_a_difference_within_its_bootstrap_interval_is_no_reason_to_refuse(noise, promoted):
    rng = np.random.default_rng(0)
    own, line = np.full(20, 2.0), 1.8 + noise * rng.standard_normal(20)
    line += 1.8 - line.mean()
    conditions = {SURROGATE: tuple(own), "straight_line": tuple(line)}
    evaluation = _evaluation(conditions, surrogate=(2.0, 2.0), **BEATEN | {"straight_line": (1.8, 1.8)})
    low, high = difference_interval(evaluation, SURROGATE, "straight_line")
    standard_error = line.std() / np.sqrt(20)
    assert (low, high) == pytest.approx((0.2 - 1.96 * standard_error, 0.2 + 1.96 * standard_error), abs=0.1 * noise)
    assert decide(evaluation).promote is promoted


def test_errors_that_are_hard_for_both_cancel_in_the_paired_interval():
    hard = np.linspace(0, 100, 20)
    conditions = {SURROGATE: tuple(hard + 0.2), "straight_line": tuple(hard)}
    evaluation = _evaluation(conditions, surrogate=(2.0, 2.0), straight_line=(1.8, 1.8))
    assert difference_interval(evaluation, SURROGATE, "straight_line") == pytest.approx((0.2, 0.2))


def test_where_conditions_are_few_redraws_make_the_interval():
    scores = [Score(0.5, name, 2.0, 1.0, 1.0, {}, (2.0,) * 3, rows) for name, rows in REDRAWN.items()]
    low, high = difference_interval(Evaluation("conditional", "W₂²", 10, tuple(scores), ()), SURROGATE, "straight_line")
    assert low < 0 < high


def test_a_surrogate_at_the_floor_is_behind_no_line():
    errors = BEATEN | {"straight_line": (1.0, 1.0)}
    assert not decide(_evaluation(surrogate=(2.0, 2.0), floor=(1.9, 1.9), **errors)).promote
    assert decide(_evaluation(surrogate=(2.0, 2.0), floor=(2.1, 2.1), **errors)).promote
    anchor = BEATEN | {"nearest_anchor": (1.0, 1.0)}
    assert not decide(_evaluation(surrogate=(2.0, 2.0), floor=(2.1, 2.1), **anchor)).promote


def test_references_and_dear_methods_bar_nothing():
    unasked = {name: (0.1, 0.1) for name in ("floor", "transport", "retrained", "flow_matching", "K_theta-U")}
    assert decide(_evaluation(surrogate=(2.0, 2.0), **unasked, **BEATEN)).promote


def test_without_held_out_values_nothing_is_promoted():
    decision = decide(Evaluation("matched", "MSE", 1, (), ()))
    assert not decision.promote
    assert "no held-out hyperparameter value" in decision.reason


def test_held_out_values_in_broken_intervals_are_not_compared():
    # At 0.25 an anchor is served on purpose; the line that comes nearer to the truth there is ruinous.
    errors = {"surrogate": (9.0, 1.0)} | {name: (2.0, 3.0) for name in BEATEN}
    assert not decide(_evaluation(**errors)).promote
    decision = decide(replace(_evaluation(**errors), broken=(0.25,)))
    assert decision.promote
    assert "mean W₂² over 1 held-out value outside broken intervals is 1, and" in decision.reason
    behind = errors | {"straight_line": (9.0, 0.5)}
    assert not decide(replace(_evaluation(**behind), broken=(0.25,))).promote


def test_nothing_is_promoted_by_broken_intervals_alone():
    errors = {"surrogate": (1.0, 1.0)} | BEATEN
    decision = decide(replace(_evaluation(**errors), broken=(0.25, 0.75)))
    assert not decision.promote
    assert "every held-out value lies in a broken interval" in decision.reason
