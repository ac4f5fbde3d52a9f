import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.errors import DataError, HyperparameterError
from pipeline.surrogate import Surrogate
from tests.clouds import MOMENT, cloud_harvest, moment

TARGETS = [0.0, 0.2, 0.5, 0.5, 0.7, 1.0]


@pytest.fixture(params=["cloud", "circles", "skewed"])
def pair(request) -> tuple[Surrogate, Harvest]:
    """A surrogate with its harvest: continuous conditions without networks, categories with them, a skew γ(x)."""
    return request.getfixturevalue(f"{request.param}_surrogate"), request.getfixturevalue(request.param)


def start(harvest: Harvest, k: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return harvest.outputs[k], harvest.conditions[k]


# Identity at anchors.


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_target_at_the_source_returns_the_input_bit_for_bit(pair, dtype, library):
    surrogate, harvest = pair
    for k, anchor in enumerate(surrogate.anchors):
        y, x = (v.astype(dtype) for v in start(harvest, k))
        if library == "torch":
            found = surrogate.transport(torch.tensor(y), torch.tensor(x), anchor, np.float32(anchor)).numpy()
        else:
            found = surrogate.transport(y, x, anchor, np.float32(anchor))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, y)


def test_path_agrees_with_transport_and_starts_at_the_input(pair):
    surrogate, harvest = pair
    y, x = start(harvest)
    path = surrogate.path(y, x, 0.0, TARGETS)
    assert path.shape == (len(y), len(TARGETS), 2)
    np.testing.assert_array_equal(path[:, 0], y)
    np.testing.assert_array_equal(path[:, 2], path[:, 3])
    for m, target in enumerate(TARGETS):
        np.testing.assert_allclose(path[:, m], surrogate.transport(y, x, 0.0, target), rtol=0, atol=1e-5)


def test_right_end_of_an_interval_is_the_image_and_the_start_of_the_next(pair):
    surrogate, harvest = pair
    y, x = start(harvest)
    y = y + 0.01  # no rows of the harvest, which have partners of their own
    parts = surrogate._parts
    standard, condition = parts.scaling.standardise(torch.tensor(y).float()), parts.scaling.condition(torch.tensor(x))
    image = parts.maps(standard, condition, 0)
    middle = surrogate.transport(y, x, 0.0, 0.5)
    np.testing.assert_allclose(middle, parts.scaling.restore(image), rtol=0, atol=1e-5)  # NumPy against torch
    # Chains: on from the image is on from the start.
    np.testing.assert_allclose(
        surrogate.transport(middle, x, 0.5, 0.8), surrogate.transport(y, x, 0.0, 0.8), rtol=0, atol=1e-5
    )
    for near, anchor in ((0.5 - 1e-4, 0.5), (0.5 + 1e-4, 0.5), (1 - 1e-4, 1.0)):
        np.testing.assert_allclose(
            surrogate.transport(y, x, 0.0, near), surrogate.transport(y, x, 0.0, anchor), rtol=0, atol=5e-3
        )


def test_no_targets_are_an_empty_path(pair):
    surrogate, harvest = pair
    assert surrogate.path(*start(harvest), 0.0, []).shape == (len(harvest.outputs[0]), 0, 2)


# Rows.


def test_order_of_rows_permutes_the_result(pair):
    surrogate, harvest = pair
    y, x = start(harvest)
    order = np.random.default_rng(0).permutation(len(y))
    found = surrogate.path(y[order], x[order], 0.0, TARGETS)
    np.testing.assert_allclose(found, surrogate.path(y, x, 0.0, TARGETS)[order], rtol=0, atol=1e-6)


def test_one_row_and_no_row(pair):
    surrogate, harvest = pair
    y, x = start(harvest)
    alone = surrogate.transport(y[3:4], x[3:4], 0.0, 0.7)
    np.testing.assert_allclose(alone, surrogate.transport(y, x, 0.0, 0.7)[3:4], rtol=0, atol=3e-5)
    assert surrogate.transport(y[:0], x[:0], 0.0, 0.7).shape == (0, 2)
    assert surrogate.path(torch.tensor(y[:0]), torch.tensor(x[:0]), 0.5, [0.5, 1.0]).shape == (0, 2, 2)
    assert surrogate.sample(x[:0], 0.3, draws=4).shape == (0, 4, 2)
    assert surrogate.sample(x[:0], np.zeros(0), draws=4).shape == (0, 4, 2)


def test_rows_need_not_occur_in_the_harvest(cloud_surrogate):
    rng = np.random.default_rng(0)
    found = cloud_surrogate.transport(rng.normal(0, 5, (20, 2)), rng.normal(0, 5, (20, 1)), 0.0, 0.7)
    assert np.isfinite(found).all()


# Types.


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_numpy_comes_back_as_it_went_in(circles_surrogate, kind):
    y, x = np.array([[0, 1], [1, 0]], kind), np.array([[0], [3]], kind)
    expected = kind if np.issubdtype(kind, np.floating) else np.float32
    for found in (circles_surrogate.transport(y, x, 0.0, 0.3), circles_surrogate.sample(x, 0.3)):
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected
    reference = circles_surrogate.transport(y.astype(float), x.astype(float), 0.0, 0.3)
    np.testing.assert_allclose(circles_surrogate.transport(y, x, 0.0, 0.3), reference, rtol=0, atol=2e-3)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
def test_torch_comes_back_as_it_went_in(circles_surrogate, kind):
    y, x = torch.tensor([[0, 1], [1, 0]]).to(kind), torch.tensor([[0], [3]]).to(kind)
    found = circles_surrogate.path(y, x, 0.0, [0.0, 0.3])
    assert isinstance(found, torch.Tensor)
    assert found.dtype == (kind if kind.is_floating_point else torch.float32)
    assert not found.requires_grad


def test_tensors_with_gradients_and_reversed_views_are_taken(circles_surrogate):
    y, x = np.array([[0.0, 1], [1, 0]]), np.array([[0.0], [3]])
    expected = circles_surrogate.transport(y, x, 0.0, 0.3)
    np.testing.assert_allclose(circles_surrogate.transport(y[::-1], x[::-1], 0.0, 0.3), expected[::-1], atol=1e-6)
    found = circles_surrogate.transport(torch.tensor(y, requires_grad=True), torch.tensor(x), 0.0, 0.3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_input_is_left_alone(pair):
    surrogate, harvest = pair
    y, x = (v.copy() for v in start(harvest))
    surrogate.path(y, x, 0.0, TARGETS)[:] = 0
    np.testing.assert_array_equal(y, harvest.outputs[0])
    np.testing.assert_array_equal(x, harvest.conditions[0])


# What is refused.


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (1.3, 0.7, r"hyperparameter = 1.3 lies outside the anchors' range; anywhere in \[0.0, 1.0\] will do"),
        (np.nan, 0.7, r"hyperparameter = nan lies outside the anchors' range"),
        (0.0, 1.1, r"hyperparameter = 1.1 lies outside the anchors' range"),
        (0.0, np.nan, r"hyperparameter = nan lies outside the anchors' range"),
        (0.0, np.inf, r"hyperparameter = inf lies outside the anchors' range"),
        (0.0, -0.1, r"hyperparameter = -0.1 lies outside the anchors' range"),
    ],
)
def test_hyperparameters_that_cannot_be_served_are_refused(pair, source, target, message):
    surrogate, harvest = pair
    with pytest.raises(HyperparameterError, match=message):
        surrogate.transport(*start(harvest), source, target)


def test_samples_that_cannot_be_used_are_refused(cloud_surrogate):
    y, x = np.zeros((3, 2)), np.zeros((3, 1))

    def refused(outputs, conditions, message):
        with pytest.raises(DataError, match=message):
            cloud_surrogate.transport(outputs, conditions, 0.0, 0.7)

    refused(np.zeros((3, 3)), x, r"outputs have shape \(3, 3\); \(N, 2\) is needed, columns \['y0', 'y1'\]")
    refused(y, np.zeros((3, 2)), r"conditions have shape \(3, 2\); \(N, 1\) is needed, columns \['x0'\]")
    refused(y, x[:2], r"outputs have 3 rows, conditions 2; rows must match")
    refused(y[0], x, r"outputs have shape \(2,\)")
    refused(np.full((3, 2), np.nan), x, r"outputs\[0, 0\] = nan; NaN and Inf cannot be used")
    refused(np.full((3, 2), 1e39), x, r"cannot be moved within float32")
    refused(y, np.full((3, 1), np.inf), r"conditions\[0, 0\] = inf")
    refused(np.array([["a", "b"]] * 3), x, r"outputs have dtype .*; real numbers are needed")


def test_unknown_category_is_refused(circles_surrogate):
    with pytest.raises(DataError, match=r"column 'x0' holds the code 7, .*known codes are \[0.0, 1.0, 2.0, 3.0\]"):
        circles_surrogate.transport(np.zeros((1, 2)), np.array([[7]]), 0.0, 0.5)


# Bounds, attributes, density.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_are_respected(dtype):
    rng = np.random.default_rng(0)
    bounds = {"y0": (0.1, 0.7), "y1": (None, 0.3)}
    ys = [rng.uniform([0.1, -1], [0.7, 0.3], (30, 2)) for _ in range(2)]
    surrogate = Surrogate.fit(Harvest.from_arrays([0, 1], ys, [np.zeros((30, 0))] * 2, bounds=bounds), MOMENT)
    wide = rng.normal(0, 50, (200, 2)).astype(dtype)
    found = surrogate.path(wide, np.zeros((200, 0)), 0.0, [0.3, 0.999, 1.0]).astype(np.float64)
    assert found[..., 0].min() >= 0.1
    assert found[..., 0].max() <= 0.7
    assert found[..., 1].max() <= 0.3
    np.testing.assert_array_equal(surrogate.transport(wide, np.zeros((200, 0)), 0.0, 0.0), wide)


def test_attributes(circles, circles_surrogate):
    assert circles_surrogate.anchors == (0.0, 0.5, 1.0)
    assert circles_surrogate.clock_base == "linear"
    assert circles_surrogate.schema == circles.schema
    assert circles_surrogate.config == moment(variant="K_theta-U", speed="uniform", interpolation="linear")
    assert circles_surrogate.deterministic is False
    assert len(circles_surrogate.networks) == 3
    assert set(circles_surrogate.history) == {"path_action", "map_loss"}  # draws on curved paths have network maps
    straight = Surrogate.fit(circles, moment(variant="K_I"))
    assert len(straight.history["map_error"]) == 2  # intervals


def test_log_density_is_high_where_the_samples_are(pair):
    surrogate, harvest = pair
    y, x = start(harvest)
    here, beside = surrogate.log_density(y, x), surrogate.log_density(y + 10, x)
    assert here.shape == (len(y),)
    assert here.min() > beside.max()


# Seeds and harvests.


@pytest.mark.parametrize("solver", ["paired", "semidual"])
def test_same_seed_same_surrogate_other_seed_other_weights(cloud, solver):
    first, again, other = (Surrogate.fit(cloud, moment(solver=solver, variant="K_theta-U"), seed=s) for s in (3, 3, 4))
    y, x = start(cloud)
    np.testing.assert_array_equal(first.path(y, x, 0.0, TARGETS), again.path(y, x, 0.0, TARGETS))
    assert first.digest == again.digest != other.digest
    assert not np.array_equal(first.transport(y, x, 0.0, 0.3), other.transport(y, x, 0.0, 0.3))


def test_global_generators_are_left_alone(cloud):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (the global state is what is looked at)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    Surrogate.fit(cloud, MOMENT).transport(*start(cloud), 0.0, 0.3)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.slow
def test_order_of_samples_in_the_harvest_pairs_nothing():
    settings = moment(map_steps=400, path_steps=60, batch_size=256, clock="linear")
    harvest = cloud_harvest(rows=200, deterministic=False)
    rng = np.random.default_rng(1)
    orders = [rng.permutation(len(y)) for y in harvest.outputs]
    shuffled = Harvest.from_arrays(
        harvest.hyperparameter,
        [y[o] for y, o in zip(harvest.outputs, orders, strict=True)],
        [x[o] for x, o in zip(harvest.conditions, orders, strict=True)],
        deterministic=False,
    )
    y, x = start(harvest)
    found, expected = (Surrogate.fit(h, settings).transport(y, x, 0.0, 0.7) for h in (shuffled, harvest))
    # Other batches are drawn; what is learnt is the same up to the noise of training.
    error = np.sqrt(np.mean((found - expected) ** 2))
    assert error < 0.15 * np.sqrt(np.mean((expected - y) ** 2))


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (20.0, 300.0), (0.5, -1.0)])
def test_other_units_of_the_outputs_change_nothing(cloud, cloud_surrogate, scale, shift):
    other = Surrogate.fit(cloud_harvest(scale=scale, shift=shift), MOMENT)
    y, x = start(cloud)
    expected = scale * cloud_surrogate.path(y, x, 0.0, TARGETS) + shift
    found = other.path(scale * y + shift, x, 0.0, TARGETS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.03 * scale)


def test_other_units_of_the_conditions_change_nothing(cloud, cloud_surrogate):
    y, x = start(cloud)
    other = Surrogate.fit(
        Harvest.from_arrays(cloud.hyperparameter, cloud.outputs, [1e4 * v - 7e4 for v in cloud.conditions]), MOMENT
    )
    expected = cloud_surrogate.path(y, x, 0.0, TARGETS)
    np.testing.assert_allclose(other.path(y, 1e4 * x - 7e4, 0.0, TARGETS), expected, rtol=0, atol=0.03)


# Far from the harvest.


def test_unfamiliar_conditions_are_followed_to_the_margin_and_no_further(cloud_surrogate, cloud):
    y, x = start(cloud)
    with pytest.warns(UserWarning, match=r"columns \['x0'.*outside the harvest's range"):
        far = cloud_surrogate.transport(y, x * 0 + 1e4, 0.0, 0.7)
    with pytest.warns(UserWarning, match="outside the harvest's range"):
        farther = cloud_surrogate.transport(y, x * 0 + 1e6, 0.0, 0.7)
    assert np.isfinite(far).all()
    np.testing.assert_array_equal(far, farther)


@pytest.mark.filterwarnings("error")
def test_the_harvest_s_own_conditions_are_familiar(pair):
    surrogate, harvest = pair
    surrogate.transport(*start(harvest), 0.0, 0.7)


@pytest.mark.parametrize("value", ["x", ["x"]])
def test_what_is_no_number_is_no_hyperparameter(circles_surrogate, circles, value):
    y, x = start(circles)
    with pytest.raises(HyperparameterError, match="must be a real number"):
        circles_surrogate.sample(x, value)
    with pytest.raises(HyperparameterError, match="must be a real number"):
        circles_surrogate.transport(y, x, 0.0, value)
