import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import FitError
from pipeline.families.layers import initialise
from pipeline.families.robust_classifier.adversarial import Classifier, accuracy, attack, train
from pipeline.families.robust_classifier.settings import RobustSettings

SETTINGS = RobustSettings(hidden=(16, 8), batch_size=32, iterations=30)


def pictures(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(seed).random((count, 64)).astype(np.float32)
    return images, np.arange(count) % 10


@pytest.fixture(scope="module")
def module() -> Classifier:
    return train(pictures(), pictures(seed=1), 0.1, SETTINGS, 0)[0]


class Linear(nn.Module):
    """Two logits ±w·y: the loss rises fastest where every pixel moves against the sign that the class has in w."""

    weight = torch.linspace(-1, 1, 64)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([images @ self.weight, -images @ self.weight], dim=1)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_the_attack_on_a_linear_classifier_is_the_worst_one(steps):
    images = torch.tensor(pictures()[0])
    digit = torch.arange(60) % 2
    direction = torch.where(digit[:, None] == 0, -1, 1) * Linear.weight.sign()
    wanted = (images + 0.1 * direction).clamp(0, 1)
    torch.testing.assert_close(attack(Linear(), images, digit, 0.1, steps), wanted)


def test_attacked_images_stay_near_and_within_their_bounds(module):
    images, digit = map(torch.tensor, pictures())
    attacked = attack(module, images, digit, 0.25, 4)
    assert float((attacked - images).abs().max()) <= 0.25 + 1e-6
    assert float(attacked.min()) >= 0
    assert float(attacked.max()) <= 1
    entropy = nn.functional.cross_entropy
    assert entropy(module(attacked), digit).item() > entropy(module(images), digit).item()


def test_an_attack_without_strength_changes_nothing(module):
    images, digit = map(torch.tensor, pictures())
    assert torch.equal(attack(module, images, digit, 0.0, 3), images)


def test_an_attack_leaves_no_gradient_in_the_weights():
    module = Classifier(SETTINGS)
    initialise(module.layers, torch.Generator().manual_seed(0))
    attack(module, *map(torch.tensor, pictures()), 0.1, 2)  # type: ignore[call-arg]
    assert all(parameter.grad is None for parameter in module.parameters())


def test_accuracy_is_the_share_of_the_larger_logit():
    images = np.zeros((4, 64), np.float32)
    images[:2, -1], images[2:, 0] = 1, 1  # w·y = 1, 1, −1, −1: classes 0, 0, 1, 1
    assert accuracy(Linear(), (images, np.array([0, 0, 1, 0])), 0.0, 1) == 0.75
    assert accuracy(Linear(), (images, np.array([0, 0, 1, 1])), 1.0, 1) == 0


def test_logits_sum_to_zero(module):
    logits = module(torch.tensor(pictures()[0])).detach()
    np.testing.assert_allclose(logits.sum(dim=1), 0, atol=1e-5)


def test_images_that_are_told_apart_are_learnt():
    images = np.eye(10, 64, dtype=np.float32)
    settings = RobustSettings(hidden=(32,), iterations=300, batch_size=32, learning_rate=1e-2)
    known = (images, np.arange(10))
    _, metrics = train(known, known, 0.0, settings, 0)
    assert metrics["test_accuracy"] == 1
    assert metrics["train_loss"] < 0.1


def test_an_attack_that_may_paint_any_image_leaves_a_classifier_that_guesses():
    # At ε = 1 the attacked image says nothing of the class: the best loss is that of equal logits, log 10.
    _, metrics = train(pictures(), pictures(), 1.0, SETTINGS.model_copy(update={"iterations": 300}), 0)
    assert metrics["train_loss"] == pytest.approx(np.log(10), abs=0.05)


def test_every_strength_starts_from_the_same_weights():
    still = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    one, other = (train(pictures(), pictures(), s, still, 0)[0].state_dict() for s in (0.0, 0.3))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_every_strength_sees_the_same_batches(monkeypatch):
    still = SETTINGS.model_copy(update={"learning_rate": 1e-20})
    monkeypatch.setattr("pipeline.families.robust_classifier.adversarial.attack", lambda module, images, *_: images)
    losses = [train(pictures(), pictures(), s, still, 0)[1]["train_loss"] for s in (0.0, 0.1, 0.3)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_not_finite_loss_is_an_error():
    images, digit = pictures()
    with pytest.raises(FitError, match=r"strength 0\.1: the loss is not finite; lower train.learning_rate"):
        train((images * np.float32("nan"), digit), (images, digit), 0.1, SETTINGS, 0)
