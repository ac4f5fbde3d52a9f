from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import HyperparameterError
from pipeline.families.digits_vae.family import DigitsVAE
from pipeline.families.digits_vae.settings import VAESettings
from pipeline.families.protocol import Data, IngestSection

SOURCE = IngestSection(source="code.py")
SMALL = VAESettings(latent=2, width=16, batch_size=32, iterations=20)
CLASSES = np.arange(10, dtype=np.float32)[:, None]


def digits(folder: Path) -> Data:
    (folder / "code.py").touch()
    return DigitsVAE(SMALL).ingest(folder / "code.py", SOURCE)


def test_conditions_are_the_classes_in_both_splits():
    family = DigitsVAE(SMALL)
    for split in ("fit", "score"):
        np.testing.assert_array_equal(family.conditions(Data(), split, 12, 0), CLASSES)
    assert len(family.conditions(Data(), "fit", 3, 0)) == 3


def test_schema_has_bounded_pixels_of_an_image_and_one_category():
    schema = DigitsVAE(SMALL).schema(Data())
    assert (len(schema.outputs), schema.picture, schema.deterministic) == (64, "image", False)
    assert {(c.units, c.lower, c.upper) for c in schema.outputs} == {("", 0.0, 1.0)}
    assert [(c.kind, c.lower, c.upper) for c in schema.conditions] == [("categorical", 0, 9)]


def test_features_tell_digits_apart_and_are_measured_in_their_own_deviations(tmp_path):
    data = digits(tmp_path)
    images, digit = data.arrays["images"], data.arrays["digit"]
    features = DigitsVAE(SMALL).features(images, digit[:, None], data)
    assert features.shape == (1797, 9)
    means = np.stack([features[digit == d].mean(axis=0) for d in range(10)])
    inside = features - means[digit]
    np.testing.assert_allclose(inside.T @ inside / len(inside), np.eye(9), atol=0.05)
    assert (np.square(features[:, None] - means).sum(axis=-1).argmin(axis=-1) == digit).mean() > 0.95
    np.testing.assert_allclose(DigitsVAE(SMALL).features(images[5:6], digit[5:6, None], data), features[5:6])


@pytest.mark.parametrize("beta", [-0.1, float("inf"), float("nan")])
def test_beta_that_is_no_weight_is_refused(tmp_path, beta):
    with pytest.raises(HyperparameterError, match=rf"beta {beta}: a weight is at least 0, and finite"):
        DigitsVAE(SMALL).train(digits(tmp_path), beta, 0)


@pytest.mark.slow
def test_samples_look_like_their_own_class(tmp_path):
    # Held against the mean images of the data's classes: where a sample is nearest to its own one, it can be read.
    data = digits(tmp_path)
    images, digit = data.arrays["images"], data.arrays["digit"]
    means = np.stack([images[digit == d].mean(axis=0) for d in range(10)])
    network, metrics = DigitsVAE(VAESettings(iterations=1000)).train(data, 1.0, 0)
    samples = network.outputs(CLASSES, 100, 0)
    nearest = np.square(samples[:, :, None] - means).sum(axis=-1).argmin(axis=-1)
    assert (nearest == np.arange(10)[:, None]).mean() > 0.9
    assert metrics["divergence"] > 0.1


@pytest.mark.slow
def test_a_large_beta_leaves_the_mean_image_of_the_class(tmp_path):
    # The posterior collapses: nothing of an image is left in its code, and cross-entropy alone is least at the mean.
    data = digits(tmp_path)
    images, digit = data.arrays["images"], data.arrays["digit"]
    network, metrics = DigitsVAE(VAESettings(iterations=1000)).train(data, 20.0, 0)
    samples = network.outputs(CLASSES, 50, 0)
    means = np.stack([images[digit == d].mean(axis=0) for d in range(10)])
    assert metrics["divergence"] == pytest.approx(0, abs=0.01)
    np.testing.assert_allclose(samples.mean(axis=1), means, atol=0.15)
    assert samples.std(axis=1).max() < 0.1
