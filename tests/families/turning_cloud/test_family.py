import math

import numpy as np
import pytest
from scipy.special import i0, i1

from pipeline.errors import BundleError, DataError, HyperparameterError
from pipeline.families.protocol import Data
from pipeline.families.turning_cloud.family import (
    CONCENTRATION,
    DISTANCE,
    NLL,
    SPREAD,
    TurningCloud,
    TurningCloudNetwork,
    log_density,
)

FAMILY = TurningCloud(TurningCloud.Settings())
CATEGORIES = np.arange(2, dtype=np.float32)[:, None]


@pytest.mark.parametrize(("turn", "radius"), [(0.0, 0.0), (0.5, 1.0), (0.25, 0.5)])
def test_mean_is_that_of_the_law(turn, radius):
    # E r exp(ia) = (1 + radius) exp(σ²/2) I1(κ)/I0(κ) exp(± iπ turn).
    y = TurningCloudNetwork(turn, radius).outputs(CATEGORIES, 40_000, 0)
    length = (1 + radius) * math.exp(SPREAD**2 / 2) * i1(CONCENTRATION) / i0(CONCENTRATION)
    angles = math.pi * turn * np.array([1, -1])
    np.testing.assert_allclose(y.mean(1), length * np.c_[np.cos(angles), np.sin(angles)], atol=0.02)


def test_categories_mirror_each_other():
    noise = np.random.default_rng(0).standard_normal((2, 50, 2)).astype(np.float32)
    noise[1] = noise[0] * [-1, 1]
    upper, lower = TurningCloudNetwork(0.3, 0.6).from_noise(CATEGORIES, noise)
    np.testing.assert_allclose(upper * [1, -1], lower, atol=1e-6)


def test_equal_noise_is_pushed_out_and_turned():
    noise = np.random.default_rng(0).standard_normal((1, 50, 2)).astype(np.float32)
    start, end = (TurningCloudNetwork(*v).from_noise(CATEGORIES[:1], noise)[0] for v in ((0.0, 0.0), (0.5, 1.0)))
    np.testing.assert_allclose(end, 2 * start[:, ::-1] * [-1, 1], atol=1e-6)


def test_draws_at_other_values_are_independent():
    radii = [np.linalg.norm(TurningCloudNetwork(*v).outputs(CATEGORIES, 500, 3), axis=-1) for v in ((0.2, 0), (0.2, 1))]
    assert abs(np.corrcoef(radii[0].ravel(), radii[1].ravel())[0, 1]) < 0.15


def test_schema_names_both_hyperparameters():
    assert [c.name for c in FAMILY.schema(Data()).hyperparameters] == ["turn", "radius"]


@pytest.mark.parametrize("text", ["{}", "[]", '{"turn": 0.5}', '{"turn": "half", "radius": 0}', "{"])
def test_corrupted_network_is_refused(tmp_path, text):
    (tmp_path / "network.json").write_text(text)
    with pytest.raises(BundleError, match="corrupted"):
        TurningCloud.load(tmp_path)


def test_unknown_category_is_refused():
    with pytest.raises(DataError, match="does not exist; it is one of 0 to 1"):
        TurningCloudNetwork(0.5, 0.5).outputs(np.array([[2]]), 1, 0)


@pytest.mark.parametrize(("name", "value"), [("turn", 1.5), ("radius", -0.1), ("turn", float("nan"))])
def test_values_outside_their_range_are_refused(name, value):
    with pytest.raises(HyperparameterError, match=f"{name} = {value}: the cloud is defined for {name} from 0 to 1"):
        FAMILY.train(Data(), {"turn": 0.5, "radius": 0.5} | {name: value}, 0)


@pytest.mark.parametrize(("turn", "radius"), [(0.3, 0.0), (0.5, 1.0)])
def test_density_integrates_to_one(turn, radius):
    edge = np.linspace(-2.75, 2.75, 1001) + 1e-6  # beside r = 0, where the logarithm is not finite
    grid = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(-1, 2)
    density = np.exp(log_density(grid, np.ones(len(grid), np.int64), turn, radius))
    assert density.sum() * (edge[1] - edge[0]) ** 2 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("radius", [0.0, 1.0])
def test_the_truths_own_scores_are_the_semicircles_pushed_out(radius):
    # The entropy of a cloud that is scaled by c grows by D log c.
    value = {"turn": 0.25, "radius": radius}
    found = FAMILY.score(TurningCloudNetwork(0.25, radius).outputs, Data(), value, 0)
    assert found[NLL] == pytest.approx(-0.902 + 2 * math.log(1 + radius), abs=0.06)
    assert found[DISTANCE] == pytest.approx(0.040 * (1 + radius), rel=0.05)
    other = FAMILY.score(TurningCloudNetwork(0.75, radius).outputs, Data(), value, 0)
    # A quarter turn away E cos is 0, and the NLL greater by κ I1(κ) / I0(κ).
    gap = CONCENTRATION * i1(CONCENTRATION) / i0(CONCENTRATION)
    assert other[NLL] - found[NLL] == pytest.approx(gap, abs=0.3)
