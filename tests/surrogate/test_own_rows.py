"""The harvest's own rows have partners at the other anchors, and `transport` knows them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.evaluation.distances import wasserstein2_squared
from pipeline.surrogate import Surrogate
from pipeline.surrogate.own_rows import own_curves
from pipeline.surrogate.own_share import NAMES, OWN, _decide
from pipeline.surrogate.trajectory import ROUND_TRIP
from tests.clouds import circles_harvest, cloud_harvest, moment

ANCHORS = (0.0, 0.5, 1.0)
TARGETS = [0.0, 0.2, 0.5, 0.8, 1.0]
PLAIN = {"variant": "K_I", "clock": "linear"}


def waves(value: float, x: np.ndarray) -> np.ndarray:
    """Too many waves for a map that is learnt from these conditions."""
    return np.c_[np.sin(9 * x[:, 0] * (1 + value)), x[:, 1] + value]


@pytest.fixture(scope="module")
def known() -> tuple[Surrogate, Harvest]:
    x = np.random.default_rng(0).normal(size=(60, 2))
    harvest = Harvest.from_arrays(ANCHORS, [waves(a, x) for a in ANCHORS], [x] * 3, deterministic=True)
    return Surrogate.fit(harvest, moment(**PLAIN)), harvest


@pytest.fixture(scope="module")
def clouds() -> tuple[dict[float, Surrogate], Harvest]:
    """Four draws of each of ten conditions; by share."""
    harvest = cloud_harvest()
    fitted = Surrogate.fit(harvest, moment(**PLAIN))
    return {share: Surrogate(replace(fitted._fit, own_share=share)) for share in NAMES}, harvest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_own_output_of_a_deterministic_network_ends_at_its_outputs(known, dtype):
    surrogate, harvest = known
    for k, source in enumerate(ANCHORS):
        order = np.random.default_rng(k).permutation(60)
        y, x = harvest.outputs[k][order].astype(dtype), harvest.conditions[k][order].astype(dtype)
        path = surrogate.path(y, x, source, list(ANCHORS))
        for m in range(3):
            np.testing.assert_array_equal(path[:, m], harvest.outputs[m][order].astype(dtype))


def test_between_anchors_it_lies_on_the_line_between_its_ends_and_returns(known):
    surrogate, harvest = known
    (left, middle, _), x = harvest.outputs, harvest.conditions[0]
    quarter = surrogate.transport(left, x, 0.0, 0.25)
    np.testing.assert_allclose(quarter, (left + middle) / 2, rtol=0, atol=1e-6)
    for target, truth in zip(ANCHORS, harvest.outputs, strict=True):
        np.testing.assert_array_equal(surrogate.transport(quarter, x, 0.25, target), truth)


def test_other_rows_and_other_conditions_go_by_the_maps(known, clouds):
    for surrogate, harvest in (known, (clouds[0][1.0], clouds[1])):
        maps = Surrogate(replace(surrogate._fit, own_share=0.0))
        y, x = harvest.outputs[0], harvest.conditions[0]
        for rows, conditions in ((y + 1e-3, x), (y, x + 1e-3)):
            found, expected = (s.path(rows, conditions, 0.0, TARGETS) for s in (surrogate, maps))
            np.testing.assert_array_equal(found, expected)


def test_a_condition_that_an_anchor_lacks_goes_by_the_maps():
    x = np.arange(40.0)[:, None] / 10
    some = [x, x, x[:30]]
    harvest = Harvest.from_arrays(
        ANCHORS, [c + a for c, a in zip(some, ANCHORS, strict=True)], some, deterministic=True
    )
    surrogate = Surrogate.fit(harvest, moment(**PLAIN))
    maps = Surrogate(replace(surrogate._fit, own_share=0.0))
    found, mapped = (s.transport(x, x, 0.0, 0.5) for s in (surrogate, maps))
    np.testing.assert_array_equal(found[:30], x[:30] + 0.5)
    np.testing.assert_allclose(found[30:], mapped[30:], rtol=0, atol=1e-6)


def test_draws_are_moved_to_all_draws_of_their_condition(clouds):
    surrogate, harvest = clouds[0][1.0], clouds[1]
    for source, k in ((0.0, 0), (0.5, 1), (1.0, 2)):
        path = surrogate.path(harvest.outputs[k], harvest.conditions[k], source, list(ANCHORS))
        for m in range(3):
            for start in range(0, 40, 4):  # four draws a condition, in any order
                ends = sorted(map(tuple, path[start : start + 4, m]))
                assert ends == sorted(map(tuple, harvest.outputs[m][start : start + 4]))


def test_partners_are_the_nearest_to_the_images_in_total(clouds):
    harvest = clouds[1]
    images, matched = (clouds[0][s].transport(harvest.outputs[1], harvest.conditions[1], 0.5, 1.0) for s in (0.0, 1.0))
    for start in range(0, 40, 4):
        rows = slice(start, start + 4)
        cost = np.mean(np.sum((images[rows] - matched[rows]) ** 2, axis=1))
        assert cost == pytest.approx(wasserstein2_squared(images[rows], harvest.outputs[2][rows]), rel=1e-5)


def test_half_way_is_half_way(clouds):
    y, x = clouds[1].outputs[0], clouds[1].conditions[0]
    mapped, half, matched = (clouds[0][share].path(y, x, 0.0, TARGETS) for share in NAMES)
    np.testing.assert_allclose(half, (mapped + matched) / 2, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(half[:, 0], y)


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize(("source", "target"), [(0.0, 0.3), (0.0, 1.0), (1.0, 0.6), (1.0, 0.2), (0.5, 0.9), (0.5, 0.1)])
def test_a_round_trip_of_own_rows_returns(clouds, share, source, target):
    surrogate, harvest = clouds[0][share], clouds[1]
    k = ANCHORS.index(source)
    y, x = harvest.outputs[k], harvest.conditions[k]
    back = surrogate.transport(surrogate.transport(y, x, source, target), x, target, source)
    assert np.abs((back - y) / surrogate._parts.scaling.output_scale.numpy()).max() < ROUND_TRIP


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_two_steps_are_one(clouds, share):
    surrogate, harvest = clouds[0][share], clouds[1]
    y, x = harvest.outputs[0], harvest.conditions[0]
    for middle in (0.3, 0.5, 0.7):
        step = surrogate.transport(y, x, 0.0, middle)
        found = surrogate.transport(step, x, middle, 0.9)
        np.testing.assert_allclose(found, surrogate.transport(y, x, 0.0, 0.9), rtol=0, atol=2e-4)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_own_rows_are_continuous_in_the_hyperparameter(clouds, share):
    surrogate, harvest = clouds[0][share], clouds[1]
    y, x = harvest.outputs[0], harvest.conditions[0]
    at = surrogate.path(y, x, 0.0, [0.0, 1e-6, 0.5 - 1e-6, 0.5, 0.5 + 1e-6, 1 - 1e-6, 1.0])
    assert np.abs(np.diff(at, axis=1)[:, [0, 2, 3, 5]]).max() < 1e-4


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_row_has_one_answer_in_any_batch_and_library(clouds, share):
    surrogate, harvest = clouds[0][share], clouds[1]
    y, x = harvest.outputs[0], harvest.conditions[0]
    whole = surrogate.path(y, x, 0.0, TARGETS)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(surrogate.path(y[order], x[order], 0.0, TARGETS), whole[order], rtol=0, atol=1e-5)
    mixed = surrogate.path(np.r_[y[:3] + 5, y[3:6]], x[:6], 0.0, TARGETS)
    np.testing.assert_allclose(mixed[3:], whole[3:6], rtol=0, atol=1e-5)
    tensors = surrogate.path(torch.from_numpy(y), torch.from_numpy(x), 0.0, TARGETS)
    np.testing.assert_allclose(tensors.numpy(), whole, rtol=0, atol=1e-5)


def test_equal_rows_of_the_harvest_are_taken_in_turn():
    x = np.zeros((40, 1))
    zeros = np.r_[np.zeros(10), np.arange(30.0)][:, None]
    harvest = Harvest.from_arrays(ANCHORS, [zeros, zeros[::-1] + 1, np.arange(40.0)[:, None]], [x] * 3)
    surrogate = Surrogate.fit(harvest, moment(**PLAIN))
    whole = Surrogate(replace(surrogate._fit, own_share=1.0)).transport(zeros, x, 0.0, 1.0)
    assert sorted(whole[:, 0]) == list(range(40))


def test_large_groups_are_matched_in_blocks_and_keep_every_row():
    rng = np.random.default_rng(0)
    ys, x = [rng.normal(size=(1100, 2)) + a for a in ANCHORS], np.zeros((1100, 0))
    surrogate = Surrogate.fit(Harvest.from_arrays(ANCHORS, ys, [x] * 3, deterministic=False), moment(**PLAIN))
    samples = [(torch.from_numpy(y), torch.from_numpy(x)) for y in ys]
    curves = own_curves(samples, False, surrogate._parts, surrogate._mesh)
    for found, own in zip(curves.outputs, ys, strict=True):
        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(own, axis=0))


# The choice.


def test_rows_replace_a_map_that_misses_the_conditions_and_the_record_says_so():
    x = np.repeat(np.linspace(-1, 1, 5)[:, None], 12, axis=0)
    rng = np.random.default_rng(0)
    ys = [2 * a * np.sin(9 * x) + 0.3 * rng.normal(size=(60, 1)) for a in ANCHORS]
    surrogate = Surrogate.fit(Harvest.from_arrays(ANCHORS, ys, [x] * 3, deterministic=False), moment(**PLAIN))
    record = {c.name: c for c in surrogate.candidates if c.name.startswith(OWN)}
    assert surrogate.own_share == 1
    assert [c.name for c in record.values() if c.chosen] == [NAMES[1.0]]
    assert record[NAMES[1.0]].error < record[NAMES[0.5]].error < record[NAMES[0.0]].error


def test_half_way_averages_the_noise_of_few_draws():
    """Normal draws: both ends are right, and the mean of two has half of their variance."""
    x = np.repeat(np.linspace(-1, 1, 30)[:, None], 8, axis=0)
    rng = np.random.default_rng(1)
    ys = [x + a + rng.normal(size=(240, 1)) for a in ANCHORS]
    surrogate = Surrogate.fit(Harvest.from_arrays(ANCHORS, ys, [x] * 3, deterministic=False), moment(**PLAIN))
    assert surrogate.own_share == 0.5
    errors = {}
    for share in NAMES:
        moved = Surrogate(replace(surrogate._fit, own_share=share)).transport(ys[0], x, 0.0, 0.5)
        means = moved.reshape(30, 8).mean(1) - (np.linspace(-1, 1, 30) + 0.5)
        errors[share] = np.mean(means**2)
    assert errors[0.5] < 0.75 * min(errors[0.0], errors[1.0])


def test_half_way_gives_way_by_more_than_a_standard_error_only():
    noise = np.tile([0.2, -0.2], 10)
    base = np.ones(20)
    assert _decide(np.c_[base - 0.02 + noise, base, base + 1], 0.5).share == 0.5
    assert _decide(np.c_[base - 0.2 + noise, base, base + 1], 0.5).share == 0
    assert _decide(np.c_[base - 0.2 + noise, base, base - 0.3 + noise], 0.5).share == 1


def test_atoms_are_never_averaged():
    errors = np.c_[np.ones(20), np.zeros(20), np.full(20, 2.0)]
    assert _decide(errors, 1.0).share == 0
    assert [c.name for c in _decide(errors, 1.0).candidates] == [NAMES[0.0], NAMES[1.0]]


def test_networks_and_network_maps_and_single_draws_keep_the_maps():
    assert Surrogate.fit(circles_harvest(), moment(variant="K_I")).own_share == 0
    assert Surrogate.fit(circles_harvest(networks=False), moment(variant="K_theta")).own_share == 0
    x = np.linspace(0, 1, 20)[:, None]
    ys = [x + a for a in ANCHORS]
    assert Surrogate.fit(Harvest.from_arrays(ANCHORS, ys, [x] * 3, deterministic=False), moment(**PLAIN)).own_share == 0
