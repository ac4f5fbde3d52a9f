"""When samples move: what the surrogate makes of its clock."""

import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate
from tests.clouds import moment
from tests.moving import by_condition, moving, progress, way


def start(harvest: Harvest) -> tuple[np.ndarray, np.ndarray]:
    return harvest.outputs[0], harvest.conditions[0]


def test_clock_says_its_base_and_its_skew(skewed_surrogate, skewed):
    assert (skewed_surrogate.clock, skewed_surrogate.clock_base) == ("skewed linear by condition", "linear")
    assert Surrogate.fit(skewed, moment(clock="hold")).clock == "hold"
    alike = Surrogate.fit(moving((0.0, 0.5, 1.0), "linear", 2.0, deterministic=True), moment(variant="K_I"))
    assert (alike.clock, alike.clock_base) == ("skewed linear", "linear")


@pytest.mark.parametrize("settings", [{"variant": "K_I"}, {}, {"speed": "action"}])
def test_transport_of_a_batch_is_that_of_its_rows_whatever_their_skews(skewed, skewed_surrogate, settings):
    surrogate = Surrogate.fit(skewed, moment(**settings)) if settings else skewed_surrogate
    y, x = (v[::8] for v in start(skewed))
    for target in (0.2, 0.7):
        alone = [surrogate.transport(y[i : i + 1], x[i : i + 1], 0.0, target) for i in range(len(y))]
        np.testing.assert_allclose(surrogate.transport(y, x, 0.0, target), np.concatenate(alone), rtol=0, atol=3e-5)


def test_straight_transport_is_the_share_of_the_way_that_each_condition_s_skew_says(skewed):
    surrogate = Surrogate.fit(skewed, moment(variant="K_I", clock="learnt"))
    y, x = start(skewed)
    condition = surrogate._parts.scaling.condition(torch.tensor(x))
    gamma = surrogate._parts.clock.skew(condition).double().numpy()
    assert np.ptp(gamma) > 2
    ends = surrogate.path(y, x, 0.0, [0.0, 0.5, 1.0])
    for k, targets in enumerate(([0.1, 0.4], [0.6, 0.99])):
        v = np.array(targets) - 0.5 * k
        s = np.expm1(gamma * v) / np.expm1(gamma * 0.5)
        expected = ends[:, k, None] + s[..., None] * (ends[:, k + 1] - ends[:, k])[:, None]
        np.testing.assert_allclose(surrogate.path(y, x, 0.0, targets), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("deterministic", [True, False])
def test_samples_whose_skew_depends_on_the_condition_are_met(deterministic):
    anchors = (0.05, 0.3, 0.95)
    harvest = moving(anchors, "logit", by_condition, deterministic=deterministic, contexts=200)
    exact = moment(variant="K_I", clock="learnt", map_steps=400, map_widths=(32, 32), batch_size=128)
    surrogate = Surrogate.fit(harvest, exact)
    assert surrogate.clock == "skewed logit by condition"
    y, x = start(harvest)
    inner = np.abs(x[:, 0]) < 1.2  # γ is smoothed over neighbours on both sides
    for value in (0.1, 0.2, 0.6, 0.8):
        moved = way(x[:, 0], progress(anchors, "logit", by_condition, x[:, 0], value))
        error = (surrogate.transport(y, x, 0.05, value) - y - moved)[inner]
        assert np.sqrt(np.mean(error**2)) < 0.03 * np.sqrt(np.mean(moved[inner] ** 2))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_double_precision_comes_back_from_a_skew_by_condition(skewed, skewed_surrogate, library):
    y, x = start(skewed)
    if library == "torch":
        y, x = torch.tensor(y, dtype=torch.float64), torch.tensor(x, dtype=torch.float64)
    for found in (skewed_surrogate.transport(y, x, 0.0, 0.3), skewed_surrogate.path(y, x, 0.0, [0.3, 0.8])):
        assert isinstance(found, type(y))
        assert found.dtype == y.dtype


def test_held_samples_stay_until_the_right_anchor(cloud, circles):
    for harvest, settings in ((cloud, {}), (circles, {"variant": "K_I"})):
        surrogate = Surrogate.fit(harvest, moment(clock="hold", **settings))
        y, x = start(harvest)
        free = Surrogate.fit(harvest, moment(clock="linear", **settings))
        at_anchors = free.path(y, x, 0.0, [0.0, 0.5, 1.0])
        for target, k in ((0.1, 0), (0.4999, 0), (0.5, 1), (0.75, 1), (0.9999, 1), (1.0, 2)):
            np.testing.assert_allclose(surrogate.transport(y, x, 0.0, target), at_anchors[:, k], rtol=0, atol=1e-5)


def test_held_draws_are_the_left_anchor_s_and_at_the_right_one_its_own(circles):
    surrogate = Surrogate.fit(circles, moment(clock="hold", variant="K_I"))
    x = np.array([[0], [2]], np.float32)
    for value, k in ((0.3, 0), (0.5, 1), (0.8, 1), (1.0, 2)):
        expected = surrogate.sample(x, circles.hyperparameter[k], draws=6, seed=5)
        np.testing.assert_allclose(surrogate.sample(x, value, draws=6, seed=5), expected, rtol=0, atol=1e-6)


def test_two_anchors_of_a_forecaster_pass_their_past():
    past = np.linspace(-3, 3, 60)[:, None]
    harvest = Harvest.from_arrays((0.1, 0.9), [past - 1, past + 3], [past, past], deterministic=True)
    settings = moment(variant="K_I", map_steps=300)
    for persistence, position in ((True, 0.25), (False, 0.5)):
        surrogate = Surrogate.fit(harvest, settings.model_copy(update={"persistence": persistence}))
        found = surrogate.path(past - 1, past, 0.1, [0.1, 0.5, 0.9])
        expected = (1 - position) * found[:, 0] + position * found[:, 2]
        np.testing.assert_allclose(found[:, 1], expected, rtol=0, atol=0.01)
