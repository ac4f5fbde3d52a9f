"""Families of torch modules that can also train one network of all λ: what they share of `ConditionedFamily`.

Loss-conditional training: λ is drawn for every sample of a batch, joined to the network's input, and the sample's loss
is that of its λ. Dosovitskiy and Djolonga, "You Only Train Once: Loss-Conditional Training of Deep Networks", ICLR
2020. For the pinball loss that is an implicit quantile network: Dabney, Ostrovski, Silver and Munos, ICML 2018, arXiv
1806.06923.
"""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.data.conditioned import Box, ConditionedNetwork
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.protocol import Data, are_figures
from pipeline.families.torch_family import Family, ModuleNetwork, read_weights, write_weights
from pipeline.settings import explain

if TYPE_CHECKING:
    from torch import nn

    from pipeline.data.mesh import Value

CONDITIONED_FILE = "conditioned.json"
KEYS = ("lowest", "highest", "names")


class ConditionedModules(Family):
    """A family whose module can take features of λ beside its conditions, in its first layer (`families.embedding`)."""

    @abstractmethod
    def build_conditioned(self, features: int) -> "nn.Module":
        """An untrained module whose first layer, `layers.0`, takes so many features after its own inputs."""

    @abstractmethod
    def train_conditioned(self, data: Data, box: Box, seed: int) -> tuple[ConditionedNetwork, dict[str, float]]:
        """Train the network of all λ in the box; returns `ConditionedModule(self, module, box)` and its metrics."""

    @classmethod
    def load_conditioned(cls, folder: Path) -> ConditionedNetwork:
        """Read back what `ConditionedModule.save` wrote; BundleError for missing, corrupted or unfitting files."""
        from pipeline.families.embedding import count_features

        document, state = read_weights(folder, CONDITIONED_FILE)
        try:
            family = cls(cls.Settings.model_validate(document["settings"]))
            box = _read_box(document["box"])
            module = family.build_conditioned(count_features(box))
            module.load_state_dict(state)
        except ValidationError as error:
            raise BundleError(explain(error, str(folder / CONDITIONED_FILE), "settings.")) from error
        except (ConfigurationError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise BundleError(f"{folder} holds no network of all λ of {cls.__name__}: {reason}") from error
        return ConditionedModule(family, module, box)


def check_conditioned(trained: object, family: str | None) -> tuple[ConditionedNetwork, dict[str, float]]:
    """What `train_conditioned` returned; ConfigurationError unless a network of all λ, and finite metrics by name."""
    match trained:
        case (ConditionedNetwork() as network, dict() as metrics) if are_figures(metrics):
            return network, {name: float(value) for name, value in metrics.items()}
    raise ConfigurationError(
        f"network = {family!r}: train_conditioned() returned {trained!r}; a network of all λ (with family, box, at, "
        "sample and save) and a dictionary of finite metrics are needed"
    )


class ConditionedModule:
    """A trained module of all λ in a box, with its family, which builds and evaluates it."""

    def __init__(self, family: ConditionedModules, module: "nn.Module", box: Box) -> None:
        self.module, self.box = module.requires_grad_(False).eval(), box
        self._family = family

    @property
    def family(self) -> str:
        """The name that the family is saved by."""
        return self._family.own_name

    def at(self, value: "Value") -> ModuleNetwork:
        """The network of one λ, of the sizes that the family's others have; HyperparameterError outside the box."""
        import torch

        from pipeline.families.embedding import features, folded

        point, hyperparameter = self.box.check(value), self.box.named(value)
        (row,) = features(torch.tensor([point]), self.box)
        module = self._family.build(hyperparameter)
        module.load_state_dict(folded(self.module.state_dict(), row))
        return self._family.network(module, hyperparameter)

    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: "Value", draws: int, seed: int, /
    ) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C) and one λ; HyperparameterError outside the box."""
        return self.at(hyperparameter).outputs(conditions, draws, seed)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors, settings and box as JSON; FitError where a weight is not finite."""
        settings = self._family.settings.model_dump(mode="json")
        box = {key: list(getattr(self.box, key)) for key in KEYS}
        document = {"settings": settings, "box": box}
        write_weights(self.module, folder, CONDITIONED_FILE, document, f"the network of λ = {self.box}")


def _read_box(saved: Mapping[str, Any]) -> Box:
    lowest, highest, names = (saved[key] for key in KEYS)
    return Box(tuple(map(float, lowest)), tuple(map(float, highest)), tuple(map(str, names)))
