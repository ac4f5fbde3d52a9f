import json

import numpy as np
import pytest

from pipeline.surrogate.barriers import SHARES, Barrier, Mixture
from pipeline.surrogate.chains import Choice, Judged, changes, choose

ANCHORS = (0.0, 5.0, 10.0)
EPISODES = np.random.default_rng(0).normal(100, 20, (3, 50))
"""Episodes differ by far more than chains do: only paired differences tell."""


def interval(left: float, right: float, mixture: float) -> Barrier:
    """Both ends score 100 everywhere, and mixtures `mixture`, without noise."""
    mixtures = tuple(Mixture(s, left + s * (right - left), mixture, 100.0, 100.0, 0.0) for s in SHARES)
    return Barrier((left, right), "reward", 50, mixtures, (0.0, 0.0) if mixture < 100 else None)


def judged(chain: str, shift: float = 0.0, mixtures: tuple[float, float] = (100.0, 100.0)) -> Judged:
    """A chain whose middle anchor scores `shift` more than the own one in the mean, ± 1 in single episodes."""
    noise = np.resize([1.0, -1.0], EPISODES.shape[1])
    episodes = EPISODES + np.outer([0.0, 1.0, 0.0], shift + noise * (chain != "own"))
    barriers = (interval(0.0, 5.0, mixtures[0]), interval(5.0, 10.0, mixtures[1]))
    names = tuple(f"{chain}_{a}" for a in ANCHORS)
    return Judged(chain, names, ANCHORS, "reward", tuple(map(tuple, episodes.tolist())), barriers)


def test_a_change_is_a_paired_difference():
    own, up = judged("own"), judged("up", shift=-0.5)
    change = changes(own, up)[1]
    assert change.chain - change.own == pytest.approx(-0.5)
    assert change.standard_error == pytest.approx(1 / 7)  # ±1 in 50 episodes, divided by 49
    assert change.fell
    assert [c.fell for c in changes(own, up)] == [False, True, False]


def test_two_standard_errors_decide():
    assert not changes(judged("own"), judged("up", shift=-0.28))[1].fell
    assert changes(judged("own"), judged("up", shift=-0.29))[1].fell


def test_a_chain_whose_scores_fall_is_not_taken_however_good_its_mixtures():
    choice = choose(judged("own", mixtures=(-50.0, -50.0)), [judged("up", shift=-1.0)])
    assert choice.chosen == "own"
    assert "up: reward at 5 fell from" in choice.reason


def test_equal_networks_are_a_tie_which_a_chain_wins():
    assert choose(judged("own"), [judged("up"), judged("down")]).chosen == "up"


def test_fewest_broken_intervals_come_first_then_the_best_mixtures():
    own = judged("own", mixtures=(-50.0, 300.0))
    one, none = judged("up", mixtures=(99.0, 900.0)), judged("down", mixtures=(100.0, 100.0))
    assert choose(own, [one, none]).chosen == "down"
    assert choose(own, [one]).chosen == "up"
    assert choose(judged("own", mixtures=(101.0, 101.0)), [none]).chosen == "own"


def test_without_mixtures_scores_alone_decide():
    bare = [Judged(**{**vars(judged(c, shift=s)), "barriers": ()}) for c, s in (("own", 0), ("up", -1), ("down", 0))]
    assert choose(bare[0], bare[1:]).chosen == "down"
    assert bare[0].mixtures == 0


def test_records_are_json_and_come_back():
    own, up = judged("own", mixtures=(90.0, 100.0)), judged("up")
    assert Judged.of(json.loads(json.dumps(own.document()))) == own
    document = json.loads(json.dumps(choose(own, [up]).document()))
    assert Choice(**document).chosen == "up"
    assert document["compared"]["own"]["broken"] == 1
    assert document["compared"]["up"]["scores"]["5"] == pytest.approx(EPISODES[1].mean())
