"""Draws at λ: whose they are, what decides them, what is refused."""

import warnings

import numpy as np
import pytest
import torch

from pipeline.errors import DataError, HyperparameterError
from pipeline.surrogate import Surrogate
from pipeline.surrogate.draws import condition_keys, draw_block, numbered_keys
from pipeline.surrogate.ends import MATCHED
from tests.clouds import MOMENT, circles_harvest


@pytest.mark.parametrize("k", [0, 1, 2])
def test_sample_at_an_anchor_is_its_own_network(circles, circles_surrogate, k):
    x = np.array([[0], [2]], np.float32)
    keys = numbered_keys(condition_keys(x.astype(np.float64), 5), np.zeros(2, np.intp))
    expected = draw_block(circles.networks[k], x, keys, MATCHED)
    for value in (circles.hyperparameter[k], np.float32(circles.hyperparameter[k] + 5e-7)):
        found = circles_surrogate.sample(x, value, draws=MATCHED, seed=5)
        for own, drawn in zip(found, expected, strict=True):  # the same draws, in the order of their partners
            np.testing.assert_array_equal(np.unique(own, axis=0), np.unique(drawn, axis=0))


def test_sample_takes_one_value_a_row(circles_surrogate):
    x = np.arange(4.0)[:, None].repeat(3, axis=0)
    values = np.array([0.1, 0.5, 0.9] * 4)
    found = circles_surrogate.sample(x, values, draws=5, seed=1)
    assert found.shape == (12, 5, 2)
    # Rows of one interval keep their draws: a row alone among equal values is the row among others.
    same = circles_surrogate.sample(x, np.full(12, 0.1), draws=5, seed=1)
    np.testing.assert_array_equal(circles_surrogate.sample(x, 0.1, draws=5, seed=1), same)
    np.testing.assert_allclose(
        circles_surrogate.sample(x, torch.tensor(values), draws=5, seed=1), found, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("networks", [True, False])
@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
def test_rows_with_a_value_each_are_drawn_independently(circles_surrogate, networks):
    surrogate = circles_surrogate if networks else Surrogate.fit(circles_harvest(networks=False), MOMENT)
    values = np.linspace(0.1, 0.1001, 50)  # 50 values, all but the same λ
    found = surrogate.sample(np.zeros((50, 1)), values, draws=1, seed=0)[:, 0]
    assert np.hypot(*found.std(0)) > 0.2
    assert len(np.unique(found.round(2), axis=0)) > 15


@pytest.mark.parametrize("shape", [(2,), (1, 3)])
def test_values_of_another_number_are_refused(circles_surrogate, shape):
    with pytest.raises(HyperparameterError, match=r"has shape .*; expected a scalar or one value per row \(3,\)"):
        circles_surrogate.sample(np.zeros((3, 1)), np.full(shape, 0.5))


def test_seeds_decide_what_is_drawn(circles_surrogate):
    x = np.zeros((4, 1))
    first, again, other = (circles_surrogate.sample(x, 0.3, draws=3, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.isin(other, first).any()


def test_harvest_without_networks_gives_its_nearest_samples_and_says_so(cloud, cloud_surrogate):
    x = cloud.conditions[1][:1]
    with pytest.warns(UserWarning, match=r"carries no networks: draws start and end at the harvest's samples"):
        found = cloud_surrogate.sample(x + 1e-3, 0.5, draws=200)[0]
    own = cloud.outputs[1][(cloud.conditions[1] == x).all(1)].astype(np.float32)
    assert {tuple(row) for row in found.astype(np.float32)} == {tuple(row) for row in own}
    with pytest.warns(UserWarning, match="carries no networks"):
        between = cloud_surrogate.sample(x, 0.8, draws=3)
    assert np.isfinite(between).all()


def test_networks_draw_without_a_warning(circles_surrogate):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        circles_surrogate.sample(np.zeros((2, 1)), 0.3)


@pytest.mark.parametrize("value", [1.1, -0.1, np.nan, np.inf, [0.2, np.nan], [0.2, 1.5]])
def test_sample_extrapolates_nothing(circles_surrogate, value):
    with pytest.raises(HyperparameterError, match="outside the anchors' range"):
        circles_surrogate.sample(np.array([[0], [1]]), value)


@pytest.mark.parametrize("draws", [0, -1])
def test_sample_draws_at_least_once(circles_surrogate, draws):
    with pytest.raises(DataError, match=rf"draws = {draws}; at least 1 is needed"):
        circles_surrogate.sample(np.zeros((1, 1)), 0.5, draws=draws)


@pytest.mark.parametrize(("keywords", "message"), [({"draws": 1.5}, "draws = 1.5"), ({"seed": -1}, "seed = -1")])
def test_draws_and_seed_are_whole_numbers(circles_surrogate, circles, keywords, message):
    with pytest.raises(DataError, match=message):
        circles_surrogate.sample(circles.conditions[0], 0.3, **keywords)


@pytest.mark.parametrize("networks", [True, False])
@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
def test_occurrences_continue_a_call_and_share_draws_between_values(circles_surrogate, networks):
    surrogate = circles_surrogate if networks else Surrogate.fit(circles_harvest(networks=False), MOMENT)
    x = np.array([[0.0], [2.0], [0.0], [0.0], [2.0]])
    whole = surrogate.sample(x, 0.3, draws=3, seed=4)
    rest = surrogate.sample(x[3:], 0.3, draws=3, seed=4, occurrence=np.array([2, 1]))
    np.testing.assert_allclose(rest, whole[3:], rtol=0, atol=1e-6)  # the same up to float32's rounding
    both = surrogate.sample(x[[0, 0]], np.array([0.3, 0.8]), draws=3, seed=4, occurrence=np.zeros(2, np.intp))
    for row, value in zip(both, (0.3, 0.8), strict=True):
        np.testing.assert_allclose(row, surrogate.sample(x[:1], value, draws=3, seed=4)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("given", [[0], [0, -1], [0.0, 1.0]])
def test_occurrences_that_cannot_be_are_refused(circles_surrogate, given):
    with pytest.raises(DataError, match="whole numbers from 0 on are needed, one a row"):
        circles_surrogate.sample(np.zeros((2, 1)), 0.3, occurrence=np.array(given))
