"""The one table: means, worst values, and which differences are real."""

import numpy as np
import pytest

from pipeline.evaluation.findings import Cost
from pipeline.evaluation.resampling import bootstrap, difference_interval, mean_interval
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score
from pipeline.evaluation.standings import standings


def evaluation(rows, redraws=(), values=(0.25, 0.75)):
    """Errors by condition (n,), alike at every held-out λ but for a factor, by method; or by redraw."""
    scores = []
    for k, value in enumerate(values):
        for method, errors in rows.items():
            own = np.array(errors, float) * (k + 1)
            again = np.array(dict(redraws).get(method, ()), float)
            scores.append(Score(value, method, own.mean(), 1.0, 1.0, {}, tuple(own), tuple(again)))
    return Evaluation("conditional", "W₂²", 1, tuple(scores), ())


def test_mean_and_worst_value():
    (own,) = standings(evaluation({SURROGATE: [1.0, 3.0]}))
    assert (own.mean, own.worst, own.worst_at, own.verdict) == (3.0, 4.0, 0.75, "")


def test_a_difference_is_real_where_its_paired_interval_excludes_nought():
    hard = np.linspace(0, 100, 40)
    noise = np.random.default_rng(0).standard_normal(40)
    rows = {SURROGATE: hard, "worse": hard + 0.1, "better": hard - 0.1, "like": hard + noise - noise.mean()}
    found = {s.method: s for s in standings(evaluation(rows))}
    verdicts = {name: s.verdict for name, s in found.items()}
    assert verdicts == {SURROGATE: "", "worse": "worse", "better": "better", "like": "not distinguishable"}
    assert found["worse"].difference == pytest.approx((0.15, 0.15))  # what is hard for both cancels
    low, high = found["worse"].interval
    assert high - low > 20  # and does not cancel in the interval of one method's own mean


def test_the_interval_of_a_mean_is_that_of_a_normal_mean():
    sample = np.random.default_rng(1).standard_normal(400)
    error = sample.std() / 20
    assert bootstrap(sample) == pytest.approx((sample.mean() - 1.96 * error, sample.mean() + 1.96 * error), abs=0.01)


def test_few_redraws_of_few_conditions_give_students_interval():
    redraws = {SURROGATE: (1.0, 2.0, 3.0), "line": (2.0, 3.0, 5.0)}
    found = evaluation({SURROGATE: [2.0], "line": [3.0]}, redraws)
    # Differences 1, 1, 2: mean 4/3, deviation 1/√3, t of two degrees of freedom 4.30265.
    half = 4.30265 / np.sqrt(3) / np.sqrt(3)
    assert difference_interval(found, "line", SURROGATE) == pytest.approx((4 / 3 - half, 4 / 3 + half), rel=1e-3)


def test_without_repetitions_there_is_no_interval():
    rows = {SURROGATE: [2.0], "line": [3.0]}
    found = {s.method: s for s in standings(evaluation(rows))}
    assert mean_interval(evaluation(rows), "line") is None
    assert found["line"].verdict == "too few draws"


def test_costs_stand_beside_the_methods_that_were_timed():
    rows = {SURROGATE: [2.0], "line": [3.0]}
    found = {s.method: s.cost for s in standings(evaluation(rows), [Cost("line", 1.5, 0.25)])}
    assert found == {SURROGATE: None, "line": Cost("line", 1.5, 0.25)}
