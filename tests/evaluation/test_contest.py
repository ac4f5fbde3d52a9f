"""A candidate beside the champion: who wins, and when the two cannot be compared."""

import re

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.evaluation.contest import contest
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig

VALUES = (0.0, 0.25, 0.5, 0.75, 1.0)
LINES = SurrogateConfig(variant="K_I", clock="linear")


def harvest(values=VALUES, shift=0.0, columns=1, seed=0, noise=0.1, deterministic=False, count=40):
    """Samples around (λ + shift, …) at three categories."""
    rng, categories = np.random.default_rng(seed), np.repeat(np.arange(3.0), count)[:, None]
    outputs = [v + shift + noise * rng.standard_normal((len(categories), columns)) for v in values]
    schema = Schema(
        hyperparameter=Column(name="level"),
        outputs=tuple(Column(name=f"out{i}") for i in range(columns)),
        conditions=(Column(name="kind", kind="categorical", lower=0, upper=2),),
        deterministic=deterministic,
    )
    return Harvest.from_arrays(values, outputs, [categories] * len(values), schema=schema)


def surrogate(anchors=(0.0, 0.5, 1.0), **options):
    return Surrogate.fit(harvest(anchors, **options), LINES, seed=0)


@pytest.fixture(scope="module")
def score():
    return harvest(seed=9)


@pytest.mark.parametrize(
    ("own", "other", "won", "said"),
    [
        (0.0, 1.0, True, "it is better than champion 7"),
        (1.0, 0.0, False, "it is worse than champion 7"),
    ],
)
def test_the_smaller_error_wins(score, own, other, won, said):
    found = contest(surrogate(shift=own), surrogate(shift=other), 7, score)
    assert (found.won, found.version) == (won, 7)
    assert found.sentence.startswith(said)
    assert "in the mean over 0.25; 0.75)" in found.sentence
    # W₂² of two equal clouds a distance 1 apart is 1, and what the noise of draws adds.
    errors = [float(figure) for figure in re.findall(r"\d\.\d+", found.sentence.partition("in the mean")[0])]
    assert max(errors) == pytest.approx(1, abs=0.1)


def test_equal_surrogates_cannot_be_told_apart_and_the_newer_one_wins(score):
    candidate = surrogate()
    found = contest(candidate, candidate, 1, score)
    assert found.won
    assert found.sentence.startswith("it cannot be told from champion 1")


def test_only_values_that_are_held_out_from_both_count(score):
    found = contest(surrogate(), surrogate((0.0, 0.25, 0.5)), 1, score)
    assert (
        "no value outside broken intervals is held out from both" in found.sentence
    )  # 0.75 lies outside the champion's anchors
    assert found.won
    assert "in the mean over 0.75)" in contest(surrogate(), surrogate((0.0, 0.25, 1.0)), 1, score).sentence


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"columns": 2}, "its columns are others"), ({"deterministic": True, "count": 1}, "only one of them has draws")],
)
def test_what_cannot_be_compared_is_said(score, options, reason):
    found = contest(surrogate(), surrogate(**options), 3, score)
    assert found.won
    assert found.sentence == f"it cannot be compared with champion 3: {reason}"
