import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.evaluation.methods.starts import Starts
from pipeline.families.semicircles.family import SemicircleNetwork
from pipeline.transport.standardise import Standardiser
from tests.evaluation.oracles import Shifting, forecast_harvest, stochastic_harvest


def starts(harvest, *, deterministic=False):
    return Starts(harvest, Standardiser.of(harvest), deterministic)


def test_as_many_draws_as_the_harvest_has_are_a_permutation_of_them():
    harvest = stochastic_harvest(draws=12)
    found = starts(harvest).at(1, np.array([[0.0], [2.0]]), 12, 0)
    for code, draws in zip((0, 2), found, strict=True):
        own = harvest.outputs[1][harvest.conditions[1][:, 0] == code]
        np.testing.assert_array_equal(draws[np.lexsort(draws.T)], own[np.lexsort(own.T)])


def test_rows_of_one_condition_are_further_draws_of_it():
    harvest = stochastic_harvest(draws=12)
    found = starts(harvest).at(0, np.zeros((4, 1)), 3, 0).reshape(-1, 2)
    assert len(np.unique(found, axis=0)) == 12


def test_a_condition_that_was_not_harvested_has_the_draws_of_the_nearest():
    harvest = forecast_harvest()
    near = harvest.conditions[2][[4, 1]] + 1e-3
    found = starts(harvest, deterministic=True).at(2, near, 2, 0)
    np.testing.assert_array_equal(found, np.repeat(harvest.outputs[2][[4, 1], None], 2, axis=1))


def test_networks_answer_at_the_condition_where_there_are_any():
    harvest = stochastic_harvest(networks=True)
    x = np.array([[1.0], [1.0]])
    expected = Shifting(np.array([1.5, 2.0])).outputs(x, 5, 9)
    np.testing.assert_allclose(starts(harvest).at(2, x, 5, 9), expected)
    once = starts(harvest, deterministic=True).at(2, x, 5, 9)
    assert np.ptp(once, axis=1).max() == pytest.approx(0)


def test_draws_of_reparameterised_networks_belong_to_their_condition():
    x = np.arange(4.0)[:, None]
    networks = [SemicircleNetwork(s) for s in (0.0, 1.0)]
    harvest = Harvest.from_arrays((0.0, 1.0), [np.zeros((4, 2))] * 2, [x] * 2, "categorical", networks=networks)
    found = starts(harvest).at(1, x, 3, 5)
    np.testing.assert_array_equal(starts(harvest).at(1, x[::-1], 3, 5)[::-1], found)
    assert not np.array_equal(starts(harvest).at(1, x, 3, 6), found)
