from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from pipeline.errors import HyperparameterError
from pipeline.families.protocol import Data, IngestSection
from pipeline.families.two_moons_diffusion.family import TwoMoonsDiffusion
from pipeline.families.two_moons_diffusion.settings import DiffusionSettings

SOURCE = IngestSection(source="code.py")
SMALL = DiffusionSettings(points=400, steps=10, width=16, iterations=20, batch_size=32)


def moons(folder: Path, settings: DiffusionSettings = SMALL) -> Data:
    (folder / "code.py").touch()
    return TwoMoonsDiffusion(settings).ingest(folder / "code.py", SOURCE)


def test_moons_are_standardised_balanced_and_always_the_same(tmp_path):
    data = moons(tmp_path)
    points, category = data.arrays["points"], data.arrays["category"]
    assert (points.shape, points.dtype, category.dtype) == ((400, 2), np.float32, np.int64)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(points.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(np.bincount(category), [200, 200])
    np.testing.assert_array_equal(moons(tmp_path).arrays["points"], points)


def test_without_noise_the_moons_are_half_circles(tmp_path):
    # Before they are standardised, the moons are arcs of radius 1: an ellipse of the two scales afterwards. The upper
    # one spans its own diameter in y0 and its radius in y1, so that its extent gives both scales.
    data = moons(tmp_path, SMALL.model_copy(update={"noise": 0.0, "points": 2002}))
    upper = data.arrays["points"][data.arrays["category"] == 0].astype(np.float64)
    span = upper.max(axis=0) - upper.min(axis=0)
    centre = np.array([(upper[:, 0].max() + upper[:, 0].min()) / 2, upper[:, 1].min()])
    circle = (upper - centre) / (span * [0.5, 1])
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 1, atol=1e-5)
    lower = data.arrays["points"][data.arrays["category"] == 1]
    assert lower[:, 1].min() < upper[:, 1].min() < lower[:, 1].max() < upper[:, 1].max()


def test_conditions_are_the_categories_in_both_splits(tmp_path):
    family = TwoMoonsDiffusion(SMALL)
    for split in ("fit", "score"):
        np.testing.assert_array_equal(family.conditions(Data(), split, 10, 0), [[0], [1]])
    assert len(family.conditions(Data(), "fit", 1, 0)) == 1


def test_schema_has_one_category_and_two_outputs_without_units():
    schema = TwoMoonsDiffusion(SMALL).schema(Data())
    assert [c.name for c in schema.outputs] == ["y0", "y1"]
    assert {c.units for c in schema.outputs} == {""}
    assert [(c.kind, c.lower, c.upper) for c in schema.conditions] == [("categorical", 0, 1)]
    assert schema.deterministic is False
    assert schema.hyperparameter.name == "dropout_rate"


@pytest.mark.parametrize("rate", [1.0, -0.01, 7.0, float("nan")])
def test_rate_outside_its_range_is_refused(tmp_path, rate):
    with pytest.raises(HyperparameterError, match=rf"dropout rate {rate}: a rate is at least 0 and less than 1"):
        TwoMoonsDiffusion(SMALL).train(moons(tmp_path), rate, 0)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_samples_lie_on_their_own_moon(tmp_path, rate):
    settings = DiffusionSettings(iterations=1500)
    data = moons(tmp_path, settings)
    network, _ = TwoMoonsDiffusion(settings).train(data, rate, 0)
    samples = network.outputs(np.array([[0.0], [1.0]]), 500, 0)
    distance, nearest = KDTree(data.arrays["points"]).query(samples)
    own = data.arrays["category"][nearest] == [[0], [1]]
    assert own.mean() > 0.9
    assert np.median(distance) < 0.05


@pytest.mark.slow
def test_a_rate_near_one_leaves_no_moon(tmp_path):
    # A network that learns nothing predicts no noise, and the chain blows normal noise up to a deviation of 2.1:
    # tests/families/two_moons_diffusion/test_denoiser.py has the closed form.
    settings = DiffusionSettings(iterations=1500)
    network, metrics = TwoMoonsDiffusion(settings).train(moons(tmp_path, settings), 0.99, 0)
    samples = network.outputs(np.array([[0.0], [1.0]]), 500, 0)
    np.testing.assert_allclose(samples.std(axis=1), 2.1, rtol=0.15)
    assert metrics["train_loss"] == pytest.approx(1, abs=0.1)  # the noise's own variance
