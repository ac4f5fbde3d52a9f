"""Samples that are handed in move either way."""

import numpy as np
import pytest

from pipeline.surrogate import Surrogate
from pipeline.surrogate.trajectory import ROUND_TRIP
from tests.clouds import cloud_harvest, moment

WAYS = [(0.5, 0.9), (0.5, 0.1), (0.3, 0.9), (1.0, 0.0), (0.0, 1.0), (0.77, 0.02), (0.2, 0.4), (0.4, 0.2)]


@pytest.fixture(scope="module")
def straight() -> Surrogate:
    return Surrogate.fit(cloud_harvest(), moment(variant="K_I", clock="linear"))


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_round_trip_returns(cloud, cloud_surrogate, skewed, skewed_surrogate, source, target):
    for harvest, surrogate in ((cloud, cloud_surrogate), (skewed, skewed_surrogate)):
        x = harvest.conditions[0]
        y = surrogate.transport(harvest.outputs[0], x, 0.0, source)
        back = surrogate.transport(surrogate.transport(y, x, source, target), x, target, source)
        scale = surrogate._parts.scaling.output_scale.numpy()
        assert np.abs((back - y) / scale).max() < ROUND_TRIP


def test_targets_in_any_order_are_those_one_by_one(cloud, cloud_surrogate):
    x = cloud.conditions[1]
    targets = [0.9, 0.1, 0.5, 0.0, 1.0, 0.3, 0.7]
    path = cloud_surrogate.path(cloud.outputs[1], x, 0.5, targets)
    for m, target in enumerate(targets):
        alone = cloud_surrogate.transport(cloud.outputs[1], x, 0.5, target)
        np.testing.assert_allclose(path[:, m], alone, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(path[:, 2], cloud.outputs[1])


def test_from_within_an_interval_samples_stay_on_their_own_path(cloud, cloud_surrogate):
    y, x = cloud.outputs[0], cloud.conditions[0]
    whole = cloud_surrogate.path(y, x, 0.0, [0.2, 0.4, 0.8])
    again = cloud_surrogate.path(whole[:, 0], x, 0.2, [0.0, 0.4, 0.8])
    np.testing.assert_allclose(again[:, 0], y, rtol=0, atol=2e-3)
    np.testing.assert_allclose(again[:, 1:], whole[:, 1:], rtol=0, atol=2e-3)


def test_straight_paths_downwards_are_the_inverse_of_the_map(cloud, straight):
    y, x = cloud.outputs[0], cloud.conditions[0]
    image = straight.transport(y, x, 0.0, 0.5)
    np.testing.assert_allclose(straight.transport(image, x, 0.5, 0.25), (y + image) / 2, rtol=0, atol=1e-3)


def test_time_reversed_the_same_points_are_passed(cloud, cloud_surrogate):
    y, x = cloud.outputs[0], cloud.conditions[0]
    targets = [0.1, 0.3, 0.6, 0.9]
    up = cloud_surrogate.path(y, x, 0.0, targets)
    end = cloud_surrogate.transport(y, x, 0.0, 1.0)
    np.testing.assert_allclose(cloud_surrogate.path(end, x, 1.0, targets), up, rtol=0, atol=3e-3)
