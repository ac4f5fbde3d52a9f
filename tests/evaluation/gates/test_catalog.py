"""The decision of the default gates, and of gates that somebody writes, on scores that are made up."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.findings import Cost
from pipeline.evaluation.gates.catalog import all_metrics, decide
from pipeline.evaluation.gates.config import DEFAULT_GATES, GateSection, metric_names
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.methods.catalog import baselines
from pipeline.evaluation.resampling import ratio_interval
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score
from pipeline.evaluation.task_table import TaskTable
from pipeline.evaluation.trust import Trust
from pipeline.evaluation.uncertainty import Uncertainty
from tests.evaluation.oracles import ConstantVelocity, forecast_harvest

QUICK = [method for method in baselines() if method.cost == "quick"]
ANCHORS = {method.name: method.label for method in QUICK if method.unmoved}
LINES = {method.name: method.label for method in QUICK if not method.unmoved}
VALUES = (0.25, 0.75)
BEATEN = {method.name: (3.0, 5.0) for method in QUICK}


def scores(conditions=None, values=VALUES, bounds=0.0, **errors):
    """Errors by method, one for each λ, and by condition where they are given."""
    return tuple(
        Score(value, method, error, 1.0, 1.0, {"outside_bounds": bounds}, (conditions or {}).get(method, ()))
        for method, pair in errors.items()
        for value, error in zip(values, pair, strict=False)
    )


def judged(held_out, **more):
    harvest = forecast_harvest()
    surrogate = ConstantVelocity(schema=harvest.schema, deterministic=True)
    evaluation = Evaluation("conditional", "W₂²", 1, held_out, (), names=("dropout",))
    return Judgement(evaluation, UNDECIDED, Facts.of("sweep", surrogate, harvest, harvest), **more)


def decided(conditions=None, **errors):
    return judged(scores(conditions, **errors)).decided().decision


def failed(decision):
    return [verdict.gate for verdict in decision.verdicts if not verdict.passed]


def test_a_surrogate_that_nothing_beats_is_promoted():
    decision = decided(surrogate=(3.5, 1.5), **BEATEN)  # worse at 0.25, better in the mean
    assert decision.promote
    assert [(v.gate, v.passed, v.figure) for v in decision.verdicts] == [
        ("tested_values", True, 2),
        ("anchor_ratio", True, 2.5 / 4),
        ("error_ratio", True, 2.5 / 4),
        ("error_ratio", True, 3.5 / 3),
        ("outside_bounds", True, 0),
    ]
    assert decision.verdicts[1].sentence == (
        "the error over that of the best unmoved anchor in the mean is 0.625 (W₂² 2.5; left anchor, unmoved: 4), "
        "below 1"
    )
    assert decision.reason.startswith("Promoted: all 5 gates are passed; the error over that of the best quick method ")


@pytest.mark.parametrize("unbeaten", ANCHORS)
@pytest.mark.parametrize("error", [1.0, 2.0])
def test_an_anchor_left_as_it_is_that_is_as_good_bars_the_promotion(unbeaten, error):
    decision = decided(surrogate=(2.0, 2.0), **BEATEN | {unbeaten: (error, error)})
    assert not decision.promote
    assert f"{ANCHORS[unbeaten]}: {error:g}), not below 1" in decision.reason
    assert "outside their bounds" not in decision.reason  # gates that it passes go unnamed


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(("error", "promoted"), [(2.0, True), (1.95, True), (1.9, False), (0.1, False)])
def test_a_quick_method_may_be_better_by_three_per_cent(line, error, promoted):
    decision = decided(surrogate=(2.0, 2.0), **BEATEN | {line: (error, error)})
    assert decision.promote is promoted
    assert promoted or f"{LINES[line]}: {error:g}), not at most 1.03" in decision.reason


def test_one_value_much_worse_than_a_rival_bars_what_the_mean_would_let_through():
    decision = decided(surrogate=(1.6, 1.0), **BEATEN | {"straight_line": (1.0, 4.0)})
    assert failed(decision) == ["error_ratio"]
    assert "at worst is 1.6 at 0.25 (W₂² 1.6; straight line, linear clock: 1), not at most 1.5" in decision.reason


@pytest.mark.parametrize(("noise", "promoted"), [(0.05, False), (2.0, True)])
def test_a_difference_within_its_bootstrap_interval_is_no_reason_to_refuse(noise, promoted):
    rng = np.random.default_rng(0)
    own, line = np.full(20, 2.0), 1.8 + noise * rng.standard_normal(20)
    line += 1.8 - line.mean()
    held_out = scores(
        {SURROGATE: tuple(own), "straight_line": tuple(line)},
        surrogate=(2.0, 2.0),
        **BEATEN | {"straight_line": (1.8, 1.8)},
    )
    judgement = judged(held_out)
    # The ratio 2 / 1.8 of the means: its error, to first order, is that of the line's mean times 2 / 1.8².
    half = 1.96 * line.std() / np.sqrt(20) * 2 / 1.8**2
    low, high = ratio_interval(judgement.evaluation, SURROGATE, "straight_line")
    assert (low, high) == pytest.approx((2 / 1.8 - half, 2 / 1.8 + half), abs=0.1 * noise)
    assert judgement.decided().decision.promote is promoted


def test_an_advantage_over_an_anchor_within_the_noise_is_no_win():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(20)
    conditions = {SURROGATE: tuple(4.0 + noise - noise.mean()), "left_anchor": (4.6,) * 20}
    errors = {name: (4.6, 4.6) for name in BEATEN}
    assert failed(decided(conditions, surrogate=(4.0, 4.0), **errors)) == []
    conditions[SURROGATE] = tuple(4.0 + 3 * (noise - noise.mean()))
    assert failed(decided(conditions, surrogate=(4.0, 4.0), **errors)) == ["anchor_ratio"]


def test_errors_that_are_hard_for_both_cancel_in_the_paired_interval():
    hard = np.linspace(1, 100, 20)
    conditions = {SURROGATE: tuple(2 * hard), "straight_line": tuple(hard)}
    mean = hard.mean()
    evaluation = judged(scores(conditions, surrogate=(2 * mean,) * 2, straight_line=(mean,) * 2)).evaluation
    assert ratio_interval(evaluation, SURROGATE, "straight_line") == pytest.approx((2.0, 2.0))


def test_a_surrogate_at_the_floor_is_behind_no_line():
    errors = BEATEN | {"straight_line": (1.0, 1.0)}
    assert not decided(surrogate=(2.0, 2.0), floor=(1.9, 1.9), **errors).promote
    assert decided(surrogate=(2.0, 2.0), floor=(2.1, 2.1), **errors).promote
    anchor = BEATEN | {"nearest_anchor": (1.0, 1.0)}
    assert not decided(surrogate=(2.0, 2.0), floor=(2.1, 2.1), **anchor).promote


def test_references_and_dear_methods_bar_nothing():
    unasked = {name: (0.1, 0.1) for name in ("floor", "transport", "retrained", "flow_matching", "K_theta-U")}
    assert decided(surrogate=(2.0, 2.0), **unasked, **BEATEN).promote


def test_outputs_outside_their_bounds_bar_the_promotion():
    decision = judged(scores(bounds=0.01, surrogate=(2.0, 2.0), **BEATEN)).decided().decision
    assert failed(decision) == ["outside_bounds"]


def test_without_held_out_values_left_out_anchors_decide():
    judgement = judged(())
    decision = judgement.decided().decision
    assert failed(decision) == ["tested_values"]
    assert "nothing is held out, and no anchor could be left out; hold out a value" in decision.reason
    for own, promoted in ((1.0, True), (4.0, False)):
        left_out = scores(values=(0.5,), surrogate=(own,), **BEATEN)
        left = replace(judgement, evaluation=replace(judgement.evaluation, left_out=left_out))
        decision = left.decided().decision
        assert decision.promote is promoted
        assert "1 (left-out anchors, since nothing is held out), at least 1" in decision.verdicts[0].sentence


def test_held_out_values_in_broken_intervals_are_not_compared():
    # At 0.25 an anchor is served on purpose; the line that comes nearer to the truth there is ruinous.
    errors = {"surrogate": (9.0, 1.0)} | {name: (2.0, 3.0) for name in BEATEN}
    assert not decided(**errors).promote

    def broken(at, **errors):
        judgement = judged(scores(**errors))
        return replace(judgement, evaluation=replace(judgement.evaluation, broken=at)).decided().decision

    assert broken((0.25,), **errors).promote
    assert not broken((0.25,), **errors | {"straight_line": (9.0, 0.5)}).promote
    nothing = broken(VALUES, surrogate=(1.0, 1.0), **BEATEN)
    assert failed(nothing) == ["tested_values"]
    assert "all held-out values lie in broken intervals" in nothing.reason


def episodes(own, left=(5.0, 6.0, 7.0), right=(4.0, 5.5, 6.0)):
    of = {SURROGATE: np.array(own), "left_anchor": np.array(left), "right_anchor": np.array(right)}
    means = {name: float(found.mean()) for name, found in of.items()}
    return TaskTable("reward", ((0.25, means), (0.75, means)), {value: of for value in VALUES})


def test_a_policy_that_falls_below_both_anchors_is_not_promoted_whatever_its_distances():
    ruinous = judged(scores(surrogate=(0.1, 0.1), **BEATEN), task=(episodes((1.0, 2.0, 2.5)),)).decided().decision
    assert failed(ruinous) == ["task_shortfall"]
    assert "(in standard errors, of the reward), not at most 2" in ruinous.reason
    for harmless in ((4.5, 5.5, 6.0), (9.0, 9.0, 9.0)):  # as good as one of them, but for noise; better than both
        task = (episodes(harmless),)
        assert judged(scores(surrogate=(0.1, 0.1), **BEATEN), task=task).decided().decision.promote


def test_shortfalls_of_equal_episodes_are_nought():
    (verdict,) = decide(
        [GateSection(metric="task_shortfall", comparison="<=", limit=2, scope="worst")],
        judged((*scores(surrogate=(1.0, 1.0)),), task=(episodes((5.0, 6.0, 7.0)),)),
    ).verdicts
    assert verdict.figure < 0  # better than the right anchor, equal to the left


def test_coverage_time_and_size_have_limits():
    trust = Trust(Uncertainty((0.1,), 0.25, True, 1, True), ((0.25, 0.9), (0.75, 0.5)))
    judgement = judged(
        scores(surrogate=(1.0, 1.0), **BEATEN),
        trust=trust,
        costs=(Cost(SURROGATE, 3.0, 12.5),),
        bundle_bytes=600 * 2**20,
    )
    decision = judgement.decided().decision
    assert failed(decision) == ["coverage", "answer_seconds", "bundle_mib"]
    assert [v.figure for v in decision.verdicts if not v.passed] == [0.7, 12.5, 600]
    assert "the seconds for 1,000 answers is 12.5, not at most 10" in decision.reason


def test_a_region_asks_the_values_inside_it():
    judgement = judged(scores(surrogate=(1.6, 1.0), **BEATEN | {"straight_line": (1.0, 4.0)}))

    def passes(scope):
        gate = GateSection(metric="error_ratio", comparison="<=", limit=1.5, scope=scope)
        return decide([gate], judgement)

    assert not passes((0.0, 0.5)).promote
    assert passes((0.5, 1.0)).promote
    nowhere = passes((0.3, 0.6))
    assert not nowhere.promote
    assert "has no tested value at worst from 0.3 to 0.6: change the region" in nowhere.reason


@pytest.mark.parametrize(
    ("comparison", "value", "interval", "passes"),
    [
        ("<=", 1.1, None, False),
        ("<=", 1.1, (0.9, 1.3), True),
        ("<=", 1.1, (1.05, 1.3), False),
        ("<", 0.9, None, True),
        ("<", 1.0, None, False),
        ("<", 0.9, (0.7, 1.1), False),
        (">=", 0.9, None, False),
        (">=", 0.9, (0.7, 1.1), True),
        (">", 1.1, (0.9, 1.3), False),
        (">", 1.1, (1.05, 1.3), True),
    ],
)
def test_intervals_neither_bar_nor_win(comparison, value, interval, passes):
    assert GateSection(metric="error_ratio", comparison=comparison, limit=1).passes(value, interval) is passes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"metric": "mood"}, "there is no metric 'mood'; choose one of anchor_ratio, answer_seconds, "),
        ({"comparison": "=="}, "Input should be '<', '<=', '>' or '>='"),
        ({"scope": [0.5, 0.1]}, r"scope = \[0.5, 0.1\] of metric 'error_ratio': write \[low, high\], ascending"),
        ({"limit": float("nan")}, "finite number"),
    ],
)
def test_a_faulty_gate_is_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        GateSection.model_validate({"metric": "error_ratio", "comparison": "<=", "limit": 1.0} | changed)


def test_every_metric_is_named_as_its_module_and_asked_by_default():
    assert set(metric_names()) == set(all_metrics()) == {gate.metric for gate in DEFAULT_GATES}


def test_where_the_interval_decides_the_sentence_says_so():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(20)
    noise -= noise.mean()
    errors = {name: (2.0, 2.0) for name in BEATEN} | {"straight_line": (1.8, 1.8)}
    conditions = {
        SURROGATE: (2.0,) * 20,
        "straight_line": tuple(1.8 + 2 * noise),
        "left_anchor": tuple(2.1 + 5 * noise),
    }
    verdicts = decided(conditions, surrogate=(2.0, 2.0), **errors | {"left_anchor": (2.1, 2.1)}).verdicts
    mean = next(v for v in verdicts if v.gate == "error_ratio")
    assert (mean.passed, mean.sentence.endswith("within the noise of the limit, at most 1.03")) == (True, True)


def test_several_scores_count_by_the_worst_of_each_value():
    tables = (episodes((1.0, 2.0, 2.5)), episodes((9.0, 9.0, 9.0)))
    gate = GateSection(metric="task_shortfall", comparison="<=", limit=2)
    (verdict,) = decide([gate], judged(scores(surrogate=(0.1, 0.1)), task=tables)).verdicts
    (alone,) = decide([gate], judged(scores(surrogate=(0.1, 0.1)), task=tables[:1])).verdicts
    assert (verdict.passed, verdict.figure) == (False, alone.figure)
