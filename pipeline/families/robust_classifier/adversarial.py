"""The classifier's network, the attack on its images, and training on what the attack leaves of them.

min_θ E max_{|δ|_∞ ≤ ε} loss(y + δ): Madry, Makelov, Schmidt, Tsipras and Vladu, ICLR 2018, arXiv 1706.06083. The inner
maximum is sought by projected gradient steps of 2ε / steps along the gradient's sign, from the image itself; a single
step is that of Goodfellow, Shlens and Szegedy, ICLR 2015, arXiv 1412.6572. Attacked images stay in [0, 1]. The hidden
units are smooth, because the attack follows gradients, which jump where ReLUs bend (Xie et al., arXiv 2006.14536); so
networks of neighbouring ε resemble each other more.
"""

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import BundleError, FitError
from pipeline.families.digits import CLASSES, PIXELS, check_images
from pipeline.families.robust_classifier.settings import FAMILY, RobustSettings
from pipeline.families.threads import single_thread
from pipeline.settings import explain
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_arrays, read_json

NETWORK_FILE, WEIGHTS_FILE = "network.json", "weights.safetensors"
ATTACKED_AT = 0.1
"""The strength of the attack that every network's accuracy is reported under, whatever it was trained at."""


class Classifier(nn.Module):
    """MLP of SiLUs from images (N, 64) to logits (N, 10) that sum to 0.

    The softmax does not see a constant that is added to all ten: without it, two networks that classify alike have
    equal logits.
    """

    def __init__(self, settings: RobustSettings) -> None:
        super().__init__()
        # By way of "meta": weights come from a generator of our own, and torch's global one is left alone.
        self.layers = nn.ModuleList(
            nn.Linear(i, o, device="meta").to_empty(device="cpu")
            for i, o in pairwise([PIXELS, *settings.hidden, CLASSES])
        )

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases uniformly in ±1/sqrt(fan in), torch's own default for linear layers."""
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) of images (N, 64)."""
        hidden = images
        for layer in self.layers[:-1]:
            hidden = functional.silu(layer(hidden))
        logits: Tensor = self.layers[-1](hidden)
        return logits - logits.mean(dim=1, keepdim=True)


def attack(module: nn.Module, images: Tensor, digit: Tensor, strength: float, steps: int) -> Tensor:
    """Images (N, 64) within `strength` of the given ones in every pixel, and within [0, 1], that raise the loss."""
    if strength == 0:
        return images
    lower, upper = (images - strength).clamp_min(0), (images + strength).clamp_max(1)
    attacked = images
    for _ in range(steps):
        attacked = attacked.detach().requires_grad_()
        (slope,) = torch.autograd.grad(functional.cross_entropy(module(attacked), digit, reduction="sum"), attacked)
        attacked = torch.clamp(attacked.detach() + 2 * strength / steps * slope.sign(), lower, upper)
    return attacked


class RobustNetwork:
    """A trained classifier of one strength of attack."""

    family: ClassVar[str] = FAMILY

    def __init__(self, module: Classifier, settings: RobustSettings, strength: float) -> None:
        self.module = module.requires_grad_(False)
        self.settings = settings
        self.strength = strength

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Logits (N, draws, 10) of images (N, 64); the seed has no part in them, and draws are equal."""
        images = np.asarray(conditions, np.float32)
        check_images(images)
        with single_thread():
            logits = self.module(torch.from_numpy(np.ascontiguousarray(images))).numpy()
        return np.repeat(logits[:, None, :], draws, axis=1)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors; the strength and the settings as JSON."""
        save_file(self.module.state_dict(), folder / WEIGHTS_FILE)
        write_json(folder / NETWORK_FILE, {"strength": self.strength, "settings": self.settings.model_dump()})


def load(folder: Path) -> RobustNetwork:
    """Read what `RobustNetwork.save` wrote; BundleError where files are missing or corrupted."""
    document = read_json(folder / NETWORK_FILE, "classifier")
    arrays, _ = read_arrays(folder / WEIGHTS_FILE, "classifier")
    try:
        settings = RobustSettings.model_validate(document["settings"])
        module = Classifier(settings)
        module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        if not 0 <= (strength := float(document["strength"])) <= 1:
            raise ValueError(f"strength = {strength} is none of an attack")
        return RobustNetwork(module, settings, strength)
    except ValidationError as error:
        raise BundleError(explain(error, str(folder / NETWORK_FILE), "settings.")) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{folder} holds no classifier: {error}") from error


Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Images (N, 64) in [0, 1], and their classes (N,)."""


def train(
    train_set: Labelled, test_set: Labelled, strength: float, settings: RobustSettings, seed: int
) -> tuple[RobustNetwork, dict[str, float]]:
    """Train on attacked images, with Adam and a learning rate that falls to nothing along a cosine.

    Returns the network, its loss over the last tenth of training, and the shares of the test set that it classifies
    rightly, as they are and attacked at ATTACKED_AT. Raises FitError where the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    module = Classifier(settings)
    module.initialise(generator)
    images, digit = map(torch.tensor, train_set)
    check_images(train_set[0])
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.iterations)
    losses: list[float] = []
    with single_thread():
        for _ in range(settings.iterations):
            rows = torch.randint(len(images), (settings.batch_size,), generator=generator)
            attacked = attack(module, images[rows], digit[rows], strength, settings.attack_steps)
            optimiser.zero_grad()
            loss = functional.cross_entropy(module(attacked), digit[rows])
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        clean, attacked_share = (accuracy(module, test_set, s, settings.attack_steps) for s in (0.0, ATTACKED_AT))
    final = float(np.mean(losses[-max(1, settings.iterations // 10) :]))
    if not np.isfinite(final):
        raise FitError(f"strength {strength}: the loss is not finite; lower train.learning_rate")
    metrics = {"train_loss": final, "test_accuracy": clean, "attacked_accuracy": attacked_share}
    return RobustNetwork(module, settings, strength), metrics


def accuracy(module: nn.Module, labelled: Labelled, strength: float, steps: int) -> float:
    """The share of images that is classified rightly after an attack of the given strength."""
    images, digit = map(torch.tensor, labelled)
    guessed = module(attack(module, images, digit, strength, steps)).argmax(dim=1)
    return float((guessed == digit).double().mean())
