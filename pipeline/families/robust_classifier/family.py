"""Classifiers of scikit-learn's digits under adversarial training; λ = ε, how far an attack may move every pixel.

The condition is the image, all 64 pixels of it, and the outputs are its ten logits, which sum to 0. Pixels and not a
few features of them: a consumer has the image at hand, and principal components would classify another one. (In a trial
with ReLUs, 16 components lowered the errors of the surrogate and of the straight line by a seventh each.) The stronger
the attack in training, the smaller the logits: from 0.2 on, the classifier trades accuracy for robustness.
"""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Network, Policy
from pipeline.data.schema import Column, Schema
from pipeline.errors import HyperparameterError
from pipeline.families.conditioned import ConditionedModule, ConditionedModules
from pipeline.families.digits import CLASSES, PIXELS, load_images, pixel_names
from pipeline.families.protocol import Data, IngestSection, Split, drawn_conditions
from pipeline.families.robust_classifier.settings import RobustSettings
from pipeline.families.torch_family import DeterministicFamily

if TYPE_CHECKING:
    from pipeline.data.conditioned import Box, ConditionedNetwork
    from pipeline.families.robust_classifier.adversarial import Classifier, Labelled

TEST_IMAGES = 597
"""Number of images that are never trained on, of 1,797."""
ACCURACY = "accuracy"
DATA_SEED = 0
"""Seed of the division: train.seed changes the networks, never their data."""


class RobustClassifier(DeterministicFamily, ConditionedModules):
    """The family; ingest.source is the module that reads the images, and is not read itself."""

    Settings = RobustSettings
    settings: RobustSettings
    saved_name: ClassVar[str] = "robust_classifier"
    saved_key: ClassVar[str] = "strength"
    width: ClassVar[int] = PIXELS

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where ε is not in [0, 1], the range of a pixel."""
        if not 0 <= value <= 1:
            raise HyperparameterError(f"epsilon {value}: an attack moves a pixel by 0 at least, and by 1 at most")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Images and classes in a random order, the last TEST_IMAGES of which are never trained on.

        Raises DataError where the source is missing.
        """
        super().ingest(source, settings)
        arrays = load_images().arrays
        order = np.random.default_rng(DATA_SEED).permutation(len(arrays["digit"]))
        return Data({name: array[order] for name, array in arrays.items()})

    def schema(self, data: Data) -> Schema:
        """Ten logits without units, and 64 pixels in [0, 1]."""
        return Schema(
            hyperparameter=Column(name="epsilon", lower=0.0, upper=1.0),
            outputs=tuple(Column(name=f"logit_{digit}") for digit in range(CLASSES)),
            conditions=tuple(Column(name=name, lower=0.0, upper=1.0) for name in pixel_names()),
            deterministic=True,
            picture="scatter",
        )

    def build(self, hyperparameter: float) -> "Classifier":
        """An untrained classifier; ε is part of its training alone."""
        from pipeline.families.robust_classifier.adversarial import Classifier

        return Classifier(self.settings)

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[Network, dict[str, float]]:
        """Train the classifier of one ε; metrics are its loss, and its accuracy on the test images.

        Every ε starts from the same weights and sees the same batches: only λ differs within a sweep.
        """
        from pipeline.families.robust_classifier.adversarial import train

        self.check_hyperparameter(hyperparameter)
        module, metrics = train(*_halves(data), hyperparameter, self.settings, seed)
        return self.network(module, hyperparameter), metrics

    def train_from(
        self, start: Network, data: Data, hyperparameter: float, seed: int, share: float
    ) -> tuple[Network, dict[str, float]]:
        """As `train`, from another ε's weights, for `share` of the iterations, but one at least."""
        from pipeline.families.robust_classifier.adversarial import train

        self.check_hyperparameter(hyperparameter)
        shorter = self.settings.model_copy(update={"iterations": max(1, round(share * self.settings.iterations))})
        module, metrics = train(*_halves(data), hyperparameter, shorter, seed, self.weights_of(start))
        return self.network(module, hyperparameter), metrics

    def build_conditioned(self, features: int) -> "Classifier":
        """An untrained classifier of all ε."""
        from pipeline.families.robust_classifier.adversarial import Classifier

        return Classifier(self.settings, features)

    def train_conditioned(self, data: Data, box: "Box", seed: int) -> "tuple[ConditionedNetwork, dict[str, float]]":
        """Train the classifier of all ε, in as many iterations as that of one; the metric is its loss."""
        from pipeline.families.robust_classifier.adversarial import train_conditioned

        for end in (box.lowest, box.highest):
            self.check_hyperparameter(*end)
        module, metrics = train_conditioned(_halves(data)[0], box, self.settings, seed)
        return ConditionedModule(self, module, box), metrics

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """Images (n, 64), drawn at random: those that were trained on for fit, the test images for score."""
        return drawn_conditions(data.arrays["images"][_part(split)], count, seed)

    def score(self, policy: Policy, data: Data, hyperparameter: float, seed: int) -> dict[str, float]:
        """The fraction of the test images whose largest logit is that of their class."""
        (right,) = self.episode_scores(policy, data, hyperparameter, seed).values()
        return {ACCURACY: float(right.mean())}

    def episode_scores(
        self, policy: Policy, data: Data, hyperparameter: float, seed: int, episodes: range | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """1 for each test image whose largest logit is that of its class, else 0: (n,).

        An episode is an image: all of them in their order where None, else those numbers of an order by the seed.
        """
        images, digit = data.arrays["images"][_part("score")], data.arrays["digit"][_part("score")]
        if episodes is not None:
            chosen = np.random.default_rng(seed).permutation(len(images))[episodes.start : episodes.stop]
            images, digit = images[chosen], digit[chosen]
        return {ACCURACY: np.asarray(policy(images, 1, seed)[:, 0].argmax(axis=1) == digit, np.float64)}

    def features(
        self, outputs: NDArray[np.floating], conditions: NDArray[np.floating], data: Data
    ) -> NDArray[np.float64]:
        """The softmax probabilities (n, 10) of logits (n, 10)."""
        from scipy.special import softmax

        return np.asarray(softmax(np.asarray(outputs, np.float64), axis=1))


def _halves(data: Data) -> tuple["Labelled", "Labelled"]:
    """Images and classes that are trained on, and those of the test."""
    images, digit = data.arrays["images"], data.arrays["digit"]
    fit, score = ((images[part], digit[part]) for part in (_part("fit"), _part("score")))
    return fit, score


def _part(split: Split) -> slice:
    return slice(None, -TEST_IMAGES) if split == "fit" else slice(-TEST_IMAGES, None)
