"""Warnings of a page are those of a question at every pair of a condition and a λ."""

import warnings

import numpy as np
import pytest

from pipeline import Harvest, Surrogate, SurrogateConfig
from pipeline.data.schema import Column, Schema
from pipeline.page.warned import warned
from pipeline.surrogate.barriers import Barrier, Mixture
from pipeline.surrogate.regions import Cluster, Doubt, Region

LEFT, RIGHT = (
    Cluster(name, (centre, 0.0), ((-centre, 0.0),), (1.0, 0.0)) for name, centre in (("low a", -0.5), ("high a", 0.5))
)
REGIONS = (
    Region(0.0, 0.4, "trusted", ("tested",), (Doubt(LEFT, ("errors are large",)),)),
    Region(0.4, 1.0, "trusted", ("tested",), (Doubt(RIGHT, ("coverage is low",)),)),
    Region(1.0, 2.0, "untested", ("nothing is held out",)),
)
RIDGE = Mixture(0.5, 0.5, 0.0, 9.0, 9.0, 0.1)
BARRIERS = (Barrier((0.0, 1.0), "reward", 2, (RIDGE,), (1.0, -1.0)), Barrier((1.0, 2.0), "reward", 2, ()))
VALUES = (0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0)
CONDITIONS = np.array([[-0.9, 0.0], [0.9, 0.0], [0.9, 50.0], [-70.0, 0.0], [80.0, -80.0]])


class Line:
    """y = λ + a."""

    family = "line"

    def __init__(self, value):
        self.value = value

    def outputs(self, conditions, draws, seed):
        return np.repeat((conditions[:, None, :1] + self.value).astype(np.float32), draws, axis=1)

    def save(self, folder):
        raise NotImplementedError


@pytest.fixture(scope="module")
def plain():
    x = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    networks = [Line(0.0), Line(1.0), Line(2.0)]
    schema = Schema(
        hyperparameter=Column(name="level"),
        outputs=(Column(name="y"),),
        conditions=(Column(name="a"), Column(name="b")),
        deterministic=True,
    )
    outputs = [network.outputs(x, 1, 0)[:, 0] for network in networks]
    harvest = Harvest.from_arrays([0.0, 1.0, 2.0], outputs, [x] * 3, networks=networks, schema=schema)
    return Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clock="linear"))


def asked_at(surrogate, condition, value):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        surrogate.sample(condition[None], value)
    return {str(warning.message) for warning in caught}


@pytest.mark.parametrize("regions", [(), REGIONS])
@pytest.mark.parametrize("barriers", [(), BARRIERS])
def test_they_are_those_of_every_pair(plain, regions, barriers):
    surrogate = plain.certified(regions)
    surrogate = surrogate.with_barriers(barriers) if barriers else surrogate
    found = warned(surrogate, CONDITIONS, VALUES)
    every = [[asked_at(surrogate, condition, value) for value in VALUES] for condition in CONDITIONS]
    assert [[set(texts) for texts in some] for some in found] == every
    assert sum(len(texts) for some in found for texts in some) == sum(len(texts) for some in every for texts in some)


def test_it_asks_once_a_condition_and_once_a_value(plain, monkeypatch):
    calls, sample = [], Surrogate.sample

    def counted(self, *arguments, **options):
        calls.append(arguments)
        return sample(self, *arguments, **options)

    monkeypatch.setattr(Surrogate, "sample", counted)
    warned(plain.certified(REGIONS), CONDITIONS, VALUES)
    assert len(calls) == len(CONDITIONS) + len(VALUES)
