"""What the figures recommend, on scores that are made up."""

import pytest

from pipeline.evaluation.recommendation import recommend
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score


def evaluation(redraws=10, **errors):
    """The error of every method at one λ, the same in every redraw."""
    scores = [Score(0.5, name, e, 1.0, 1.0, {}, (), (e,) * redraws) for name, e in errors.items()]
    return Evaluation("conditional", "W₂²", redraws, tuple(scores), ())


def recommended(**errors):
    return recommend(evaluation(**{SURROGATE: 1.0, "left_anchor": 3.0, "pchip": 2.0} | errors)).method


def test_the_surrogate_where_every_quick_method_is_worse():
    found = recommend(evaluation(surrogate=1.0, left_anchor=3.0, pchip=2.0))
    assert (found.method, found.sentence) == (
        SURROGATE,
        "The surrogate is recommended: every quick method is worse.",
    )


@pytest.mark.parametrize("redraws", [1, 10])
def test_a_quick_method_that_is_better_with_and_without_an_interval(redraws):
    assert recommended(pchip=0.1, redraws=redraws) == "pchip"


@pytest.mark.parametrize("redraws", [1, 10])
def test_a_smaller_error_that_hardly_matters_is_no_reason(redraws):
    found = recommend(evaluation(redraws, surrogate=1.0, left_anchor=3.0, pchip=0.98))
    assert found.method == SURROGATE
    assert found.sentence.startswith("The surrogate is recommended; as good, as far as these data tell: PCHIP")


def test_a_surrogate_at_the_floor_is_behind_nothing():
    assert recommended(pchip=0.9, floor=1.1) == SURROGATE
    assert recommended(pchip=0.9, floor=0.95) == "pchip"


def test_dear_methods_and_references_are_not_recommended():
    assert recommended(flow_matching=0.1, retrained=0.1) == SURROGATE


def test_an_anchor_that_cannot_be_told_from_the_surrogate_costs_nothing():
    assert recommended(left_anchor=1.0) == "left_anchor"


def test_without_tested_values_there_is_none():
    assert recommend(Evaluation("matched", "MSE", 1, (), ())) is None
