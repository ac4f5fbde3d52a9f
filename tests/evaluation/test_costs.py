"""What answers take: of whom it is measured, and that a fit that nobody makes takes nothing."""

import time

import numpy as np
import pytest

from pipeline.errors import BundleError
from pipeline.evaluation.costs import costs_of
from pipeline.evaluation.rivals import ASKED, Court, timed
from pipeline.stages.fit import read_seconds
from pipeline.surrogate import Surrogate
from tests.conftest import ANCHORS, QUICK


def test_a_call_takes_the_time_that_it_takes_after_one_that_does_not_count():
    seen: list[int] = []

    def slow_at_first(rows):
        time.sleep(0.02 if seen else 0.3)
        seen.append(len(rows))

    assert 0.02 <= timed(slow_at_first, np.zeros((ASKED, 1))) < 0.25
    assert seen == [1, ASKED]


def test_the_surrogate_and_whoever_answers_without_a_fit(small_harvest):
    inner = small_harvest.select([0.0, 1.0])
    court = Court.of(inner, small_harvest, deterministic=False)
    assert court.asked[1].shape == (ASKED, 1)
    found = {cost.method: cost for cost in costs_of(Surrogate.fit(inner, QUICK), court, 2.5)}
    assert found.pop("surrogate").fit == 2.5
    assert set(found) >= {"left_anchor", "nearest_anchor", "straight_line"}  # their networks travel along
    assert {cost.fit for cost in found.values()} == {0.0}
    assert all(cost.ask > 0 for cost in found.values())


def test_nothing_held_out_is_not_timed(small_harvest, fitted_surrogate):
    court = Court.of(small_harvest, small_harvest, deterministic=False)
    assert set(small_harvest.values) == set(ANCHORS)
    assert costs_of(fitted_surrogate, court, 1.0) == ()


@pytest.mark.parametrize("text", ["{}", '{"seconds": "long"}', "[1]"])
def test_a_corrupted_time_of_the_fit_is_refused(text, tmp_path):
    with pytest.raises(BundleError, match=r"fit.json is missing"):
        read_seconds(tmp_path)
    (tmp_path / "fit.json").write_text(text)
    with pytest.raises(BundleError, match=r"fit.json is corrupted .*; run stage fit again"):
        read_seconds(tmp_path)
