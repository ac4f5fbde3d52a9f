"""Scoring at held-out λ: positions, oracles and the rows of a sweep whose networks are known."""

import numpy as np
import pytest
from scipy.special import logit, ndtri

from benchmarks.held_out import Case, least, plain_errors, position, surrogate_mean
from benchmarks.truth import Sweep
from pipeline.families.protocol import IngestSection
from pipeline.surrogate.config import SurrogateConfig

ANCHORS = (0.01, 0.5, 0.99)


@pytest.fixture
def circles(tmp_path):
    """Semicircles as a sweep: nothing is trained, two seeds are the same truth."""
    source = tmp_path / "source"
    source.touch()
    return Sweep("semicircles", {}, source, IngestSection(source="x"), (0.0, 0.25, 0.5, 1.0), 4, 4, 60, tmp_path / "c")


def test_position_is_the_clock_between_the_anchors():
    assert position(lambda v: v, (0.0, 1.0), 0.25) == 0.25
    assert position(ndtri, (0.01, 0.99), 0.5) == pytest.approx(0.5)
    assert position(ndtri, ANCHORS, 0.25) == pytest.approx(1 - ndtri(0.75) / ndtri(0.99))
    assert position(logit, ANCHORS, 0.75) == pytest.approx(np.log(3) / np.log(99))


def test_position_is_none_where_the_clock_is_not_finite():
    assert position(ndtri, (0.0, 0.5, 0.99), 0.25) is None
    assert position(logit, (0.5, 1.0), 0.75) is None


@pytest.mark.parametrize("best", [0.0, 0.025, 0.4321, 1.0])
def test_least_finds_the_minimum_of_a_parabola(best):
    assert least(lambda s: (s - best) ** 2 + 2.0) == pytest.approx(2.0, abs=1e-6)


def test_cached_networks_answer_as_those_that_were_trained(circles):
    first = circles.trained(0.25)
    assert (circles.cache / "0" / "0.25").is_dir()
    again = circles.trained(0.25)
    x = np.array([[0.0], [3.0]])
    np.testing.assert_array_equal(first.outputs(x, 3, 1), again.outputs(x, 3, 1))


def test_cache_is_another_for_other_settings(circles, tmp_path):
    other = Sweep("semicircles", {}, circles.source, circles.ingest, circles.values, 4, 4, 60, tmp_path / "elsewhere")
    assert circles.cache.name == other.cache.name
    forecasts = Sweep.of_preset("quantiles")
    changed = Sweep.of_preset("quantiles", settings={**forecasts.settings, "learning_rate": 0.5})
    assert forecasts.cache.name != changed.cache.name


def test_harvests_of_two_seeds_share_conditions_and_no_outputs(circles):
    first, other = circles.harvest("fit", (0.0, 1.0), 0), circles.harvest("fit", (0.0, 1.0), 1)
    np.testing.assert_array_equal(first.conditions[0], other.conditions[0])
    assert not np.isclose(first.outputs[0], other.outputs[0]).all(axis=1).any()
    assert first.networks is not None


def test_oracle_beats_the_line_and_networks_of_the_same_law_are_the_floor(circles):
    case = Case("three", circles, (0.0, 0.5, 1.0), (0.25,))
    rows = plain_errors(case, 0)
    assert set(rows) == {"best speed", "retrained"}  # neither probit nor logit is finite at 0
    assert rows["best speed"]["mean"] == rows["best speed"]["0.25"]
    assert rows["retrained"]["mean"] < 0.5 * rows["best speed"]["mean"]


@pytest.mark.slow
def test_clock_is_chosen_by_name(circles, monkeypatch):
    quick = {"variant": "K_I", "map_steps": 300, "density_samples": 50}
    made = SurrogateConfig.model_validate
    monkeypatch.setattr("benchmarks.held_out.SurrogateConfig.model_validate", lambda fields: made(quick | fields))
    case = Case("c", circles, (0.0, 0.5, 1.0), (0.25,))
    assert surrogate_mean(case, "hold", 0) > 2 * surrogate_mean(case, "linear", 0)
