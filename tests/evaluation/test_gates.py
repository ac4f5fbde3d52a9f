import pytest

from pipeline.evaluation.evaluate import BASELINES, FLOOR, SURROGATE, Evaluation, Score
from pipeline.evaluation.gates import decide


def _evaluation(**errors):
    """Errors by method, one for each of the held-out values 0.25 and 0.75."""
    scores = [
        Score(value, method, error, 0.0, 1.0, 1.0)
        for method, pair in errors.items()
        for value, error in zip((0.25, 0.75), pair, strict=False)
    ]
    return Evaluation("conditional", "W₂²", 1, tuple(scores), ())


BEATEN = {method: (3.0, 5.0) for method in BASELINES}


def test_a_surrogate_that_beats_every_baseline_in_the_mean_is_promoted():
    decision = decide(_evaluation(surrogate=(3.5, 1.5), **BEATEN))  # worse at 0.25, better in the mean
    assert decision.promote
    assert decision.reason == (
        "Promoted: the surrogate's mean W₂² over 2 held-out values is 2.5, below every plain baseline "
        "(straight line, linear clock: 4; nearest anchor: 4; left anchor, unmoved: 4)."
    )


@pytest.mark.parametrize("unbeaten", BASELINES)
@pytest.mark.parametrize("error", [1.0, 2.0])
def test_one_baseline_that_is_as_good_bars_the_promotion(unbeaten, error):
    decision = decide(_evaluation(surrogate=(2.0, 2.0), **BEATEN | {unbeaten: (error, error)}))
    assert not decision.promote
    assert f"which does not beat {dict(zip(BASELINES, ('straight', 'nearest', 'left'), strict=True))[unbeaten]}" in (
        decision.reason
    )
    assert "4" not in decision.reason  # those that it beats go unnamed


def test_the_floor_is_no_baseline():
    assert decide(_evaluation(**{SURROGATE: (2.0, 2.0), FLOOR: (0.1, 0.1)}, **BEATEN)).promote


def test_without_held_out_values_nothing_is_promoted():
    decision = decide(Evaluation("paired", "MSE", 1, (), ()))
    assert not decision.promote
    assert "no held-out hyperparameter value" in decision.reason
