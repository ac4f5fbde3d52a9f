from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import HyperparameterError
from pipeline.families.protocol import Data, IngestSection
from pipeline.families.robust_classifier.family import RobustClassifier
from pipeline.families.robust_classifier.settings import RobustSettings
from pipeline.families.torch_family import ModuleNetwork

SOURCE = IngestSection(source="code.py")
SMALL = RobustSettings(hidden=(16,), batch_size=32, iterations=20)


def digits(folder: Path) -> Data:
    (folder / "code.py").touch()
    return RobustClassifier(SMALL).ingest(folder / "code.py", SOURCE)


def test_score_is_the_accuracy_on_the_test_images(tmp_path):
    data, family = digits(tmp_path), RobustClassifier(SMALL)

    def says_three(images, draws, seed):
        return np.tile(np.eye(10)[3], (len(images), draws, 1))

    assert family.score(says_three, data, 0.1, 0) == {"accuracy": np.mean(data.arrays["digit"][-597:] == 3)}
    network, metrics = family.train(data, 0.0, 0)
    assert family.score(network.outputs, data, 0.0, 0)["accuracy"] == pytest.approx(metrics["test_accuracy"])


def test_episodes_of_a_seed_are_test_images_each_once(tmp_path):
    data, family = digits(tmp_path), RobustClassifier(SMALL)
    seen = []

    def says_three(images, draws, seed):
        seen.append(images)
        return np.tile(np.eye(10)[3], (len(images), draws, 1))

    parts = [family.episode_scores(says_three, data, 0.1, 5, r)["accuracy"] for r in (range(400), range(400, 800))]
    assert [len(part) for part in parts] == [400, 197]
    assert np.concatenate(parts).mean() == pytest.approx(family.score(says_three, data, 0.1, 5)["accuracy"])
    found, known = (np.unique(rows, axis=0) for rows in (np.concatenate(seen[:2]), data.arrays["images"][-597:]))
    np.testing.assert_array_equal(found, known)


def test_training_on_begins_at_the_weights_of_the_start(tmp_path):
    # The first step of Adam moves no weight by more than the learning rate (Kingma and Ba 2015, section 2.1).
    data, family = digits(tmp_path), RobustClassifier(SMALL)
    start, _ = family.train(data, 0.0, 0)
    network, _ = family.train_from(start, data, 0.5, 0, 1 / 20)
    assert isinstance(network, ModuleNetwork)
    assert isinstance(start, ModuleNetwork)
    pairs = zip(network.module.parameters(), start.module.parameters(), strict=True)
    moved = [float((after - before).abs().max()) for after, before in pairs]
    assert 0 < max(moved) < 1.001 * SMALL.learning_rate
    assert network.hyperparameter == 0.5


def test_features_are_probabilities():
    logits, shift = np.log([[1, 2, 3, 4, 0.5, 0.5, 1, 1, 1, 1], [1] * 10]), np.array([[7.0], [-3.0]])
    features = RobustClassifier(SMALL).features(logits + shift, np.zeros((2, 64)), Data())
    np.testing.assert_allclose(features, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))


def test_images_are_shuffled_with_their_classes_and_always_alike(tmp_path):
    data = digits(tmp_path)
    images, digit = data.arrays["images"], data.arrays["digit"]
    assert (images.shape, digit.shape) == ((1797, 64), (1797,))
    np.testing.assert_array_equal(digits(tmp_path).arrays["images"], images)
    assert np.bincount(digit[-597:]).min() > 40  # the files hold the classes in turns; a division at random keeps them
    # Each image is nearest to the mean of its own class in most cases: images and classes moved together.
    means = np.stack([images[digit == d].mean(axis=0) for d in range(10)])
    nearest = np.square(images[:, None] - means).sum(axis=-1).argmin(axis=-1)
    assert (nearest == digit).mean() > 0.85


def test_conditions_are_images_of_which_none_is_in_both_splits(tmp_path):
    data, family = digits(tmp_path), RobustClassifier(SMALL)
    fit, score = (family.conditions(data, split, 5000, 0) for split in ("fit", "score"))
    assert (fit.shape, score.shape, fit.dtype) == ((1200, 64), (597, 64), np.float32)
    assert not {row.tobytes() for row in fit} & {row.tobytes() for row in score}
    few, same, other = (family.conditions(data, "fit", 7, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(few, same)
    assert few.shape == (7, 64)
    assert not np.array_equal(few, other)


def test_schema_has_ten_logits_and_bounded_pixels():
    schema = RobustClassifier(SMALL).schema(Data())
    assert (len(schema.outputs), len(schema.conditions), schema.deterministic) == (10, 64, True)
    assert {(c.kind, c.lower, c.upper) for c in schema.conditions} == {("continuous", 0.0, 1.0)}
    assert {(c.lower, c.upper) for c in schema.outputs} == {(None, None)}


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan")])
def test_strength_outside_its_range_is_refused(tmp_path, epsilon):
    with pytest.raises(HyperparameterError, match=rf"epsilon {epsilon}: an attack moves a pixel by 0 at least"):
        RobustClassifier(SMALL).train(digits(tmp_path), epsilon, 0)


def test_test_images_are_not_trained_on(tmp_path):
    data, family = digits(tmp_path), RobustClassifier(SMALL)
    images = family.conditions(data, "fit", 9, 0)
    blank = {name: array.copy() for name, array in data.arrays.items()}
    blank["images"][-597:] = 0
    blank["digit"][-597:] = 0
    (first, metrics), (again, other) = (family.train(d, 0.1, 0) for d in (data, Data(blank)))
    np.testing.assert_array_equal(first.outputs(images, 1, 0), again.outputs(images, 1, 0))
    assert metrics["train_loss"] == other["train_loss"]
    assert metrics["test_accuracy"] != other["test_accuracy"]


@pytest.mark.slow
def test_training_under_attack_withstands_attacks(tmp_path):
    data, family = digits(tmp_path), RobustClassifier(RobustSettings(iterations=800))
    (_, plain), (_, robust) = (family.train(data, epsilon, 0) for epsilon in (0.0, 0.1))
    assert min(plain["test_accuracy"], robust["test_accuracy"]) > 0.95
    assert plain["attacked_accuracy"] < 0.7 < robust["attacked_accuracy"]
