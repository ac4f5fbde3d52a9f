"""Surrogates of angles and of probabilities: answers are valid, and paths go the short way round."""

import numpy as np
import pytest

from pipeline.clocks.leave_one_out import leave_anchors_out
from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.methods.straight_line import between
from pipeline.surrogate import Surrogate
from tests.clouds import ANCHORS, moment

ROWS = 200
NOTHING = np.zeros((ROWS, 0))
FIRST, TURN = 2.4, 1.6
"""The mean direction at λ = 0, in radians, and how far it turns until λ = 1: across the seam at π."""


def wrap(angle):
    return (np.asarray(angle) + np.pi) % (2 * np.pi) - np.pi


def turning(value, rng):
    """Von Mises angles whose mean direction crosses the seam, and a length that does not wrap."""
    angle = wrap(FIRST + TURN * value + rng.vonmises(0, 8, ROWS))
    return np.stack([angle, rng.normal(value, 0.1, ROWS)], axis=1)


def probabilities(value, rng):
    """Three classes, of which the first loses its mass to the last; some rows are certain."""
    logits = 2 * rng.normal(size=(ROWS, 3)) + np.array([4 - 6 * value, 0, 6 * value - 4])
    logits[:20] *= 1e3
    exponential = np.exp(logits - logits.max(1, keepdims=True))
    return exponential / exponential.sum(1, keepdims=True)


def harvest_of(law, kind, seed=0) -> Harvest:
    rng = np.random.default_rng(seed)
    outputs = [law(value, rng) for value in ANCHORS]
    return Harvest.from_arrays(ANCHORS, outputs, [NOTHING] * 3, output_kind=kind, deterministic=False)


@pytest.fixture(scope="module")
def angles() -> Harvest:
    return harvest_of(turning, ["circular", "continuous"])


@pytest.fixture(scope="module", params=["K_I", "K_theta-U"])
def turned(request, angles) -> Surrogate:
    return Surrogate.fit(angles, moment(variant=request.param))


@pytest.fixture(scope="module", params=["K_I", "K_theta-U"])
def shares(request) -> Surrogate:
    return Surrogate.fit(harvest_of(probabilities, "simplex"), moment(variant=request.param))


@pytest.fixture(scope="module", params=["circular", "simplex"])
def either(request, angles) -> Surrogate:
    made = angles if request.param == "circular" else harvest_of(probabilities, "simplex")
    return Surrogate.fit(made, moment(variant="K_theta-U"))


def circular_w2(a, b):
    """W₂² on the circle between equally many angles: the best of all rotations of the sorted order, by arcs."""
    a, b = np.sort(a), np.sort(b)
    return min(float(np.mean(wrap(a - np.roll(b, shift)) ** 2)) for shift in range(len(b)))


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
@pytest.mark.parametrize("value", [0.25, 0.5, 0.75])
def test_a_cloud_crosses_the_seam_with_its_mean_direction(turned, value):
    """Both ends have one concentration, so a rotation is optimal: the truth between them is turned by its share."""
    truth = np.concatenate([turning(value, np.random.default_rng(seed))[:, 0] for seed in range(20, 23)])
    for moved in (
        turned.sample(NOTHING, value)[:, 0],
        turned.transport(turned._fit.samples[0][0].numpy(), NOTHING, 0, value),
    ):
        assert ((moved[:, 0] >= -np.pi) & (moved[:, 0] < np.pi)).all()
        resultant = np.exp(1j * moved[:, 0]).mean()
        assert abs(wrap(np.angle(resultant) - FIRST - TURN * value)) < 0.1
        assert abs(resultant) == pytest.approx(0.935, abs=0.02)  # I₁(8) / I₀(8)
        assert circular_w2(np.tile(moved[:, 0], 3), truth) < 0.02


def test_transport_of_angles_returns(angles):
    outputs = [y[:, :1] for y in angles.outputs]
    made = Harvest.from_arrays(ANCHORS, outputs, [NOTHING] * 3, output_kind="circular", deterministic=False)
    fitted = Surrogate.fit(made, moment(variant="K_I"))
    for value in (0.3, 0.5, 1.0):
        back = fitted.transport(fitted.transport(outputs[0], NOTHING, 0, value), NOTHING, value, 0)
        np.testing.assert_allclose(wrap(back - outputs[0]), 0, atol=1e-3)


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
def test_ends_are_exact(either):
    for k, value in enumerate(ANCHORS):
        found, own = either.sample(NOTHING, value)[:, 0], either._fit.samples[k][0].numpy()
        order = np.lexsort(found.T), np.lexsort(own.T)
        np.testing.assert_array_equal(found[order[0]], own[order[1]])


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_probabilities_are_valid_at_every_value(shares, value):
    start = shares._fit.samples[0][0].numpy()
    for moved in (shares.sample(NOTHING, value)[:, 0], shares.transport(start, NOTHING, 0, value)):
        assert (moved >= 0).all()
        np.testing.assert_allclose(moved.sum(1), 1, atol=1e-12)


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
def test_kinds_and_answers_come_back_from_disk(either, tmp_path):
    either.save(tmp_path / "s")
    loaded = Surrogate.load(tmp_path / "s")
    assert loaded.schema == either.schema
    np.testing.assert_array_equal(loaded.sample(NOTHING, 0.3), either.sample(NOTHING, 0.3))
    start = either._fit.samples[0][0].numpy()
    np.testing.assert_array_equal(loaded.transport(start, NOTHING, 0, 0.3), either.transport(start, NOTHING, 0, 0.3))


def test_pchip_turns_the_short_way_too():
    rng = np.random.default_rng(3)
    anchors, x = (0.0, 1.0, 2.0, 3.0), np.linspace(-1, 1, 40)[:, None]
    ys = [wrap(FIRST + 0.5 * a + 0.1 * x) for a in anchors]
    made = Harvest.from_arrays(anchors, ys, [x] * 4, output_kind="circular", deterministic=True)
    fitted = Surrogate.fit(made, moment(interpolation="pchip", clock="linear"))
    with pytest.warns(UserWarning, match="no networks"):
        found = fitted.sample(x[rng.permutation(40)], 1.5)[:, 0, 0]
    np.testing.assert_allclose(np.sort(wrap(found - FIRST - 0.75)), np.sort(0.1 * x[:, 0]), atol=1e-5)


def test_left_out_errors_do_not_depend_on_where_the_seam_is(angles):
    shifted = [np.stack([wrap(y[:, 0] + 2.0), y[:, 1]], axis=1) for y in angles.outputs]
    kinds = ["circular", "continuous"]
    other = Harvest.from_arrays(ANCHORS, shifted, [NOTHING] * 3, output_kind=kinds, deterministic=False)
    (here,), (there,) = (leave_anchors_out(h, deterministic=False) for h in (angles, other))
    np.testing.assert_allclose(here.errors.mean(0), there.errors.mean(0), rtol=1e-6)


def test_distances_and_straight_lines_go_the_short_way():
    made = Harvest.from_arrays(
        (0.0, 1.0),
        [np.full((4, 1), 350.0), np.full((4, 1), 10.0)],
        [np.zeros((4, 0))] * 2,
        output_kind="circular",
        bounds={"y0": (0, 360)},
        deterministic=False,
    )
    comparison = Comparison.of(made, deterministic=False)
    left, right = (Sample(y, np.zeros((4, 0))) for y in made.outputs)
    chord = 360 / np.pi * np.sin(np.radians(10))
    assert comparison.error(left, right) == pytest.approx(chord**2)
    middle = between(left, right, comparison.coupling(left, right), 0.5, comparison.period)
    np.testing.assert_allclose(middle.outputs % 360, 0, atol=1e-9)
