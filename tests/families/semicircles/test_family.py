import math

import numpy as np
import pytest

from pipeline.errors import BundleError, DataError, HyperparameterError
from pipeline.families.protocol import Data
from pipeline.families.semicircles.family import (
    CENTRES,
    DISTANCE,
    NLL,
    SemicircleNetwork,
    Semicircles,
    likelihood_and_distance,
    log_density,
    mean_angle,
)

FAMILY = Semicircles(Semicircles.Settings())
CATEGORIES = np.arange(4, dtype=np.float32)[:, None]


def points(category: int, s: float, count: int, seed: int = 0) -> np.ndarray:
    return SemicircleNetwork(s).outputs(np.array([[category]]), count, seed)[0]


@pytest.mark.parametrize(
    ("category", "angles"),
    [
        (0, [0, math.pi / 2, math.pi]),
        (1, [0, -math.pi / 2, -math.pi]),
        (2, [math.pi, math.pi / 2, 0]),
        (3, [-math.pi, -math.pi / 2, 0]),
    ],
)
def test_mean_angles_at_start_middle_and_end(category, angles):
    np.testing.assert_allclose(mean_angle(category, np.array([0, 0.5, 1])), angles, atol=1e-12)


@pytest.mark.parametrize("category", range(4))
@pytest.mark.parametrize("s", [0.0, 0.3, 1.0])
def test_density_integrates_to_one(category, s):
    edge = np.linspace(-2.6, 2.6, 801)
    cell = (edge[1] - edge[0]) ** 2
    grid = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(-1, 2)
    grid = grid[np.linalg.norm(grid - CENTRES[category], axis=1) > 1e-9]  # r = 0, where the logarithm is not finite
    assert np.exp(log_density(grid, category, s)).sum() * cell == pytest.approx(1, abs=1e-4)


def test_density_is_that_of_the_samples():
    # The share of samples in boxes equals the integral of the density over them.
    y = points(1, 0.35, 200_000)
    edges = np.linspace(-2.2, 0.4, 27)
    counts, _, _ = np.histogram2d(y[:, 0], y[:, 1], bins=[edges, edges])
    fine = edges[0] + (np.arange(26 * 20) + 0.5) * (edges[1] - edges[0]) / 20
    grid = np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1)
    density = np.exp(log_density(grid.reshape(-1, 2), 1, 0.35)).reshape(grid.shape[:2])
    shares = density.reshape(26, 20, 26, 20).mean((1, 3)) * (edges[1] - edges[0]) ** 2
    np.testing.assert_allclose(counts / len(y), shares, atol=5 * np.sqrt(shares.max() / len(y)))


def test_the_truths_own_score_is_the_published_floor():
    y = SemicircleNetwork(0.25).outputs(CATEGORIES, 50_000, 0).reshape(-1, 2)
    found = likelihood_and_distance(y, np.repeat(np.arange(4), 50_000), 0.25)
    assert found == {NLL: pytest.approx(-0.902, abs=0.005), DISTANCE: pytest.approx(0.040, abs=0.001)}


def test_scores_are_those_of_a_policys_draws_and_a_collapse_has_a_better_likelihood_alone():
    found = FAMILY.score(SemicircleNetwork(0.25).outputs, Data(), 0.25, 0)
    assert found == {NLL: pytest.approx(-0.902, abs=0.05), DISTANCE: pytest.approx(0.040, abs=0.002)}
    angle = mean_angle(np.arange(4), 0.25)
    mode = CENTRES + np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def collapsed(conditions, draws, seed):
        return np.repeat(mode[conditions[:, 0].astype(int), None], draws, axis=1)

    at_mode = FAMILY.score(collapsed, Data(), 0.25, 0)
    assert at_mode[NLL] < -1.5
    assert at_mode[DISTANCE] == pytest.approx(0, abs=1e-9)
    elsewhere = FAMILY.score(SemicircleNetwork(0.75).outputs, Data(), 0.25, 0)
    assert elsewhere[NLL] == pytest.approx(-0.902 + 5 * 0.8934, abs=0.2)  # κ I1(κ) / I0(κ) for a quarter turn
    assert elsewhere[DISTANCE] == pytest.approx(0.040, abs=0.002)


def test_density_takes_one_s_a_row():
    y = np.array([[0.0, 0.1], [-0.1, 0.2], [0.1, -0.1]])
    s = np.array([0.0, 0.4, 0.9])
    rows = [log_density(y[i : i + 1], 2, s[i])[0] for i in range(3)]
    np.testing.assert_allclose(log_density(y, 2, s), rows)


def test_draws_repeat_by_seed_and_differ_between_seeds_and_s():
    network = SemicircleNetwork(0.5)
    first = network.outputs(CATEGORIES, 7, 3)
    assert first.shape == (4, 7, 2)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, network.outputs(CATEGORIES, 7, 3))
    assert not np.isin(first, network.outputs(CATEGORIES, 7, 4)).any()
    radii = [
        np.linalg.norm(SemicircleNetwork(s).outputs(CATEGORIES, 500, 3) - CENTRES[:, None], axis=-1) for s in (0.2, 0.7)
    ]
    assert abs(np.corrcoef(radii[0].ravel(), radii[1].ravel())[0, 1]) < 0.1


def test_conditions_are_the_categories_in_both_splits():
    for split in ("fit", "score"):
        np.testing.assert_array_equal(FAMILY.conditions(Data(), split, 10, 0), CATEGORIES)
    assert len(FAMILY.conditions(Data(), "fit", 2, 0)) == 2


@pytest.mark.parametrize("text", ["{}", "[]", '{"s": "half"}', '{"s": null}', "{"])
def test_corrupted_network_is_refused(tmp_path, text):
    (tmp_path / "network.json").write_text(text)
    with pytest.raises(BundleError, match="corrupted"):
        Semicircles.load(tmp_path)


@pytest.mark.parametrize("category", [4, -1, 0.5, float("nan")])
def test_unknown_category_is_refused(category):
    with pytest.raises(DataError, match="does not exist; it is one of 0 to 3"):
        SemicircleNetwork(0.5).outputs(np.array([[category]]), 1, 0)


def test_s_outside_its_range_is_refused():
    with pytest.raises(HyperparameterError, match=r"s = 1\.5"):
        FAMILY.train(Data(), 1.5, 0)
