"""Central bands: coverage of forecasters whose quantiles are known."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.evaluation.bands import COVERAGE, band_tables, coverage
from pipeline.families.protocol import Data
from tests.evaluation.oracles import ConstantVelocity

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Normal:
    """The true quantile of N(x, 1), times `width`."""

    level: float
    width: float = 1.0
    family: str = "tests.evaluation.test_bands:Normal"

    def outputs(self, conditions, draws, seed):
        return np.repeat(conditions[:, None, :1] + self.width * norm.ppf(self.level), draws, axis=1)

    def save(self, folder):
        (folder / "normal.txt").touch()


class Outcomes:
    """A family of nothing but outcomes: x plus a standard normal number."""

    def test_outcomes(self, data):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((100_000, 1))
        return x, x + rng.standard_normal(x.shape)


@dataclass(frozen=True)
class Exact(ConstantVelocity):
    """A surrogate whose quantiles are the true ones, times `width`."""

    width: float = 1.0

    def sample(self, conditions, hyperparameter, draws=1, seed=0):
        return Normal(hyperparameter, self.width).outputs(conditions, draws, seed)


def sweep(levels=LEVELS, monotone="increasing"):
    x = np.linspace(-1, 1, 5)[:, None]
    networks = [Normal(q) for q in levels]
    schema = Schema(
        hyperparameter=Column(name="quantile", lower=0, upper=1),
        outputs=(Column(name="y"),),
        conditions=(Column(name="x"),),
        deterministic=True,
        monotone=monotone,
    )
    outputs = [n.outputs(x, 1, 0)[:, 0] for n in networks]
    return Harvest.from_arrays(levels, outputs, [x] * len(levels), schema=schema, networks=networks)


def table(width=1.0, score=None):
    score = sweep() if score is None else score
    surrogate = Exact(anchors=(0.1, 0.5, 0.9), schema=score.schema, deterministic=True, networks=(1, 2, 3), width=width)
    return band_tables(Outcomes(), Data(), surrogate, score, 0)


def test_bands_of_true_quantiles_cover_what_they_say():
    (found,) = table()
    assert found.name == COVERAGE
    assert [value for value, _ in found.rows] == [0.1, 0.25]
    for _, scores in found.rows:
        assert scores["surrogate"] == pytest.approx(0, abs=0.005)
        assert scores["trained"] == pytest.approx(0, abs=0.005)


def test_a_band_that_is_too_narrow_covers_less_by_the_closed_form_and_anchors_are_the_networks():
    (found,) = table(width=0.5)
    anchors, between = (scores for _, scores in found.rows)
    assert len(set(anchors.values())) == 1
    assert between["surrogate"] == pytest.approx(2 * norm.cdf(0.5 * norm.ppf(0.75)) - 1 - 0.5, abs=0.005)
    assert between["trained"] == pytest.approx(0, abs=0.005)


def test_only_increasing_sweeps_with_pairs_and_networks_have_bands():
    assert table(score=sweep(monotone=None)) == ()
    assert table(score=sweep((0.1, 0.3, 0.5, 0.9))) != ()  # 0.1 and 0.9 still are a pair
    assert table(score=replace(sweep(), networks=None)) == ()


def test_a_band_whose_ends_have_crossed_covers_nothing():
    low, outcomes = np.ones((4, 1)), np.linspace(-2, 2, 4)[:, None]
    assert coverage(low, -low, outcomes) == 0
    assert coverage(-low, low, outcomes) == 0.5
