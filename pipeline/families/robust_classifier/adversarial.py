"""The classifier's network, the attack on its images, and training on attacked images.

min_θ E max_{|δ|_∞ ≤ ε} loss(y + δ): Madry, Makelov, Schmidt, Tsipras and Vladu, ICLR 2018, arXiv 1706.06083. The inner
maximum is sought by projected gradient steps of 2ε / steps along the gradient's sign, from the image itself; a single
step is that of Goodfellow, Shlens and Szegedy, ICLR 2015, arXiv 1412.6572. Attacked images stay in [0, 1]. The hidden
units are smooth, because the attack follows gradients, which jump where ReLUs bend (Xie et al., arXiv 2006.14536); so
networks of neighbouring ε resemble each other more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.conditioned import Box
from pipeline.families.digits import CLASSES, PIXELS
from pipeline.families.embedding import count_features, drawn, features, joined
from pipeline.families.layers import initialise, linear_layers
from pipeline.families.robust_classifier.settings import RobustSettings
from pipeline.families.threads import single_thread
from pipeline.families.torch_family import final_losses
from pipeline.storage.checkpoint import resumable

ATTACKED_AT = 0.1
"""The strength of the attack that every network's accuracy is reported under, whatever it was trained at."""


class Classifier(nn.Module):
    """MLP of SiLUs from images (N, 64) to logits (N, 10) that sum to 0.

    The softmax is invariant to a constant added to all ten; without that constant, networks that classify alike have
    equal logits. features: of λ that the first layer takes, too.
    """

    def __init__(self, settings: RobustSettings, features: int = 0) -> None:
        super().__init__()
        self.layers = linear_layers([PIXELS + features, *settings.hidden, CLASSES])

    def forward(self, images: Tensor, features: Tensor | None = None) -> Tensor:
        """Logits (N, 10) of images (N, 64), and of features (N, F) of λ where it takes them."""
        hidden = joined(images, features)
        for layer in self.layers[:-1]:
            hidden = functional.silu(layer(hidden))
        logits: Tensor = self.layers[-1](hidden)
        return logits - logits.mean(dim=1, keepdim=True)


Logits = Callable[[Tensor], Tensor]
"""Logits (N, 10) of images (N, 64)."""


def attack(module: Logits, images: Tensor, digit: Tensor, strength: float | Tensor, steps: int) -> Tensor:
    """Images (N, 64) within `strength` of the given ones in every pixel, and within [0, 1], that raise the loss.

    strength: a number, or one an image, (N, 1).
    """
    if isinstance(strength, float | int) and strength == 0:
        return images
    lower, upper = (images - strength).clamp_min(0), (images + strength).clamp_max(1)
    attacked = images
    for _ in range(steps):
        attacked = attacked.detach().requires_grad_()
        (slope,) = torch.autograd.grad(functional.cross_entropy(module(attacked), digit, reduction="sum"), attacked)
        attacked = torch.clamp(attacked.detach() + 2 * strength / steps * slope.sign(), lower, upper)
    return attacked


Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Images (N, 64) in [0, 1], and their classes (N,)."""


def train(
    train_set: Labelled,
    test_set: Labelled,
    strength: float,
    settings: RobustSettings,
    seed: int,
    start: Mapping[str, Tensor] | None = None,
) -> tuple[Classifier, dict[str, float]]:
    """Train on attacked images, with Adam and a learning rate that falls to zero along a cosine.

    start: weights of a Classifier to begin with, instead of drawn ones; the batches are the same.
    Returns the module, its loss over the last tenth of training, and the shares of the test set that it classifies
    correctly, unattacked and attacked at ATTACKED_AT. Raises FitError where the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    module = Classifier(settings)
    initialise(module.layers, generator)
    if start is not None:
        module.load_state_dict(start)
    images, digit = map(torch.tensor, train_set)

    def loss(rows: Tensor) -> Tensor:
        attacked = attack(module, images[rows], digit[rows], strength, settings.attack_steps)
        return functional.cross_entropy(module(attacked), digit[rows])

    with single_thread():
        final = descend(module, Loss(f"strength {strength}", len(images), loss), settings, generator)
        clean, attacked_share = (accuracy(module, test_set, s, settings.attack_steps) for s in (0.0, ATTACKED_AT))
    metrics = {"train_loss": final, "test_accuracy": clean, "attacked_accuracy": attacked_share}
    return module, metrics


def train_conditioned(
    train_set: Labelled, box: Box, settings: RobustSettings, seed: int
) -> tuple[Classifier, dict[str, float]]:
    """As `train`, for all λ in the box: every image of a batch is attacked with a strength of its own.

    Returns the module, and its loss over the last tenth of training in the mean over λ. Raises FitError as `train`.
    """
    generator = torch.Generator().manual_seed(seed)
    module = Classifier(settings, count_features(box))
    initialise(module.layers, generator)
    images, digit = map(torch.tensor, train_set)

    def loss(rows: Tensor) -> Tensor:
        strength = drawn(len(rows), box, generator)
        at = partial(module, features=features(strength, box))
        attacked = attack(at, images[rows], digit[rows], strength, settings.attack_steps)
        return functional.cross_entropy(at(attacked), digit[rows])

    with single_thread():
        final = descend(module, Loss(f"strength {box}", len(images), loss), settings, generator)
    return module, {"train_loss": final}


@dataclass(frozen=True)
class Loss:
    """What is descended, named in errors: the loss of rows of `count` images."""

    name: str
    count: int
    of: Callable[[Tensor], Tensor]


def descend(module: nn.Module, loss: Loss, settings: RobustSettings, generator: torch.Generator) -> float:
    """Train on random batches; the mean loss over the last tenth of training, FitError where it is not finite."""
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.iterations)
    losses = np.zeros((settings.iterations, 1))
    for iteration in resumable(
        settings.iterations, generator=generator, module=module, optimiser=optimiser, schedule=schedule, losses=losses
    ):
        rows = torch.randint(loss.count, (settings.batch_size,), generator=generator)
        # The attack's gradients are of images alone: those of the weights begin with the loss.
        optimiser.zero_grad()
        found = loss.of(rows)
        torch.autograd.backward(found)
        optimiser.step()
        schedule.step()
        losses[iteration] = float(found.detach())
    (final,) = final_losses(losses, loss.name)
    return final


def accuracy(module: nn.Module, labelled: Labelled, strength: float, steps: int) -> float:
    """The share of images that is classified correctly after an attack of the given strength."""
    images, digit = map(torch.tensor, labelled)
    guessed = module(attack(module, images, digit, strength, steps)).argmax(dim=1)
    return float((guessed == digit).double().mean())
