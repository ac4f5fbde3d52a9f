"""Where along λ a surrogate can be trusted: every rule, on scores that are made up."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.certificate import certify
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import Record
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score
from pipeline.evaluation.task_table import TaskTable
from pipeline.evaluation.trust import Trust
from pipeline.evaluation.uncertainty import Uncertainty
from tests.evaluation.oracles import ConstantVelocity, forecast_harvest

VALUES = (0.25, 0.75)


def score(value, method, error, **distances):
    return Score(value, method, error, 1.0, 1.0, distances, (error,), (error,))


def judged(own=(1.0, 1.0), line=(1.0, 1.0), *, values=VALUES, floor=None, left_out=(), task=(), trust=None, bounds=0.0):
    rows = [score(v, SURROGATE, e, outside_bounds=bounds) for v, e in zip(values, own, strict=True)]
    rows += [score(v, "straight_line", e) for v, e in zip(values, line, strict=True)]
    rows += [] if floor is None else [score(v, "floor", floor) for v in values]
    left = [score(0.5, method, error) for method, error in left_out]
    harvest = forecast_harvest()
    evaluation = Evaluation("matched", "MSE", 1, tuple(rows), (), names=("dropout",), left_out=tuple(left))
    surrogate = ConstantVelocity(schema=harvest.schema, deterministic=True)
    facts = Facts.of("sweep", surrogate, harvest, harvest)
    return Judgement(evaluation, Decision(True, "so"), facts, task, trust=trust)


def statuses(judgement):
    return [(region.low, region.high, region.status) for region in certify(judgement)]


def test_what_passes_every_test_is_trusted_from_anchor_to_anchor():
    (region,) = certify(judged())
    assert (region.low, region.high, region.status) == (0.0, 1.0, "trusted")
    assert region.reasons == ("tested at 0.25, 0.75",)


def test_a_held_out_value_that_fails_takes_its_surroundings_with_it():
    found = certify(judged(own=(1.0, 1.6)))
    assert [(r.low, r.high, r.status) for r in found] == [(0.0, 0.5, "trusted"), (0.5, 1.0, "not trusted")]
    assert found[1].reasons == (
        "at 0.75 the error is 1.6 times that of the best quick method (MSE 1.6; straight line, linear clock: 1)",
    )


@pytest.mark.parametrize(("own", "status"), [(1.5, "trusted"), (1.51, "not trusted")])
def test_half_more_than_the_best_rival_is_allowed(own, status):
    assert statuses(judged(own=(1.0, own)))[-1][2] == status


def test_an_error_at_the_floor_is_no_fault():
    assert statuses(judged(own=(1.0, 4.0), floor=4.0)) == [(0.0, 1.0, "trusted")]


def test_a_stretch_without_a_held_out_value_is_untested():
    assert statuses(judged(own=(1.0,), line=(1.0,), values=(0.25,))) == [(0.0, 0.5, "trusted"), (0.5, 1.0, "untested")]


def test_a_left_out_anchor_that_was_predicted_speaks_for_both_sides():
    good = [(SURROGATE, 1.0), ("straight_line", 1.0)]
    found = certify(judged(own=(), line=(), values=(), left_out=good))
    assert [(r.low, r.high, r.status) for r in found] == [(0.0, 1.0, "trusted")]
    assert found[0].reasons == ("anchor 0.5 was predicted without itself",)
    bad = [(SURROGATE, 3.0), ("straight_line", 1.0)]
    (region,) = certify(judged(own=(), line=(), values=(), left_out=bad))
    assert region.status == "untested"  # it was reached from farther away than anything in use
    assert region.reasons[1].startswith("without itself, at 0.5 the error is 3 times that of")


def test_outputs_outside_their_bounds_are_not_trusted():
    found = certify(judged(bounds=0.02))
    assert statuses(judged(bounds=0.02)) == [(0.0, 1.0, "not trusted")]
    assert found[0].reasons[0] == "at 0.25 2 % of the outputs leave their bounds"


@pytest.mark.parametrize(("covered", "status"), [(0.76, "trusted"), (0.7, "not trusted")])
def test_an_uncertainty_that_does_not_keep_its_word_is_not_trusted(covered, status):
    known = Uncertainty((0.0,), 0.1, True, 1, True)
    trust = Trust(known, ((0.25, covered), (0.75, 0.9)))
    assert statuses(judged(trust=trust))[0][2] == status


def episodes(own, left, right):
    luck = np.random.default_rng(0).standard_normal(40)
    scores = {SURROGATE: own + luck, "left_anchor": left + luck, "right_anchor": right + luck}
    alike = {name: np.full(40, 1.0) for name in scores}
    rows = tuple((v, {n: float(e.mean()) for n, e in of.items()}) for v, of in ((0.25, scores), (0.75, alike)))
    return (TaskTable("reward", rows, {0.25: scores, 0.75: alike}),)


@pytest.mark.parametrize(("left", "right", "status"), [(2.0, 3.0, "not trusted"), (2.0, 0.5, "trusted")])
def test_a_policy_that_falls_below_both_anchors_is_never_certified(left, right, status):
    # However near its actions come to the truth's; and one that lies between its anchors is.
    found = statuses(judged(own=(0.0, 0.0), task=episodes(1.0, left, right)))
    assert found[0] == (0.0, 0.5 if status == "not trusted" else 1.0, status)


def test_a_fall_within_the_noise_of_the_episodes_is_no_fault():
    noise = np.random.default_rng(1).standard_normal((3, 40))
    rows = {name: e for name, e in zip((SURROGATE, "left_anchor", "right_anchor"), noise, strict=True)}
    rows[SURROGATE] = rows[SURROGATE] - rows[SURROGATE].mean() - 0.1
    table = TaskTable("reward", ((0.25, dict.fromkeys(rows, 0.0)),), {0.25: rows})
    assert statuses(judged(task=(table,))) == [(0.0, 1.0, "trusted")]


def test_in_a_broken_interval_only_scores_count():
    broken = judged(own=(9.0, 1.0))
    broken = replace(broken, evaluation=replace(broken.evaluation, broken=(0.25,)))
    assert statuses(broken) == [(0.0, 1.0, "trusted")]
    ruinous = replace(broken, task=episodes(1.0, 2.0, 3.0))
    assert statuses(ruinous)[0] == (0.0, 0.5, "not trusted")


def test_several_hyperparameters_have_no_regions():
    found = judged()
    assert certify(replace(found, evaluation=replace(found.evaluation, names=("a", "b")))) == ()


def test_the_certificate_is_in_the_record(tmp_path):
    Record.of(judged(own=(1.0, 1.6))).write(tmp_path / "metrics.json")
    regions = Record.read(tmp_path / "metrics.json").certificate
    assert [(r.low, r.high, r.status) for r in regions] == [(0.0, 0.5, "trusted"), (0.5, 1.0, "not trusted")]
