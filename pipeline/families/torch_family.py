"""Base classes of families of torch modules: what most of them share of the protocol.

A family has to define `schema`, `build`, `train` and `conditions`, and `outputs` where that is more than running the
module. DeterministicFamily and ReparameterisedFamily define `outputs` for one output a condition, and for draws that
are a function of normal noise. A class with the methods of `pipeline.families.protocol` needs none of these bases.
"""

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ValidationError

from pipeline.data.network import Network
from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError, DataError, FitError
from pipeline.families.imports import import_path
from pipeline.families.protocol import (
    Data,
    Hyperparameter,
    IngestSection,
    Split,
    by_condition,
    check_noise,
    check_width,
)
from pipeline.settings import Section, explain
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json, read_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

NETWORK_FILE, WEIGHTS_FILE = "network.json", "weights.safetensors"
_SEEDED = threading.RLock()  # a network may ask another one


class NoSettings(Section):
    """There is nothing to set."""


class Family(ABC):
    """A family of torch modules, one for every λ.

    Settings: a Pydantic model of the `train` section without its seed. code: import paths of what the networks need
    beside this class (`package.module:name`), so that a registered model brings it along. saved_name: the name that
    saved networks give their family; "" for the import path of the class. saved_key: the key of λ in a saved network's
    JSON.
    """

    Settings: ClassVar[type[BaseModel]] = NoSettings
    saved_name: ClassVar[str] = ""
    saved_key: ClassVar[str] = "hyperparameter"

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def code(self) -> tuple[str, ...]:
        """Nothing but the class itself and the other modules of its package."""
        return ()

    @property
    def own_name(self) -> str:
        """The name that networks are saved by: `saved_name`, or the import path of the class."""
        return self.saved_name or import_path(type(self))

    def check_hyperparameter(self, value: Hyperparameter) -> None:
        """Accept every λ."""
        return

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Nothing is read; DataError where ingest.source, which DVC watches, is missing."""
        if not source.exists():
            raise DataError(f"ingest.source = {source} does not exist; set the file or folder that holds this family")
        return Data()

    @abstractmethod
    def schema(self, data: Data) -> Schema:
        """Names, units, kinds and bounds of outputs and conditions."""

    @abstractmethod
    def build(self, hyperparameter: Hyperparameter) -> "nn.Module":
        """The module of one λ before training, into which saved weights can be loaded."""

    @abstractmethod
    def train(self, data: Data, hyperparameter: Hyperparameter, seed: int) -> tuple[Network, dict[str, float]]:
        """Train the module of one λ; returns `self.network(module, hyperparameter)` and training metrics."""

    @abstractmethod
    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """At most `count` conditions (n, C) of a split: the same at every λ."""

    def outputs(self, module: "nn.Module", conditions: NDArray[np.float32], draws: int, seed: int) -> ArrayLike:
        """Outputs (N, draws, D) at conditions (N, C): the module on every condition, repeated `draws` times.

        torch's global generator is seeded with `seed` during the call, so a module may simply draw from it.
        """
        import torch

        rows = torch.from_numpy(np.repeat(conditions, draws, axis=0))
        return by_condition(module(rows).float().numpy(), len(conditions), draws, type(self).__name__)

    def graph(self, module: "nn.Module") -> "nn.Module | None":
        """What an ONNX export traces in place of `outputs`: conditions (N, C) float32 → outputs (N, D).

        None where there is no such module; `why_no_graph` then says so.
        """
        return module

    def why_no_graph(self, *, deterministic: bool) -> str:
        """Why an ONNX export cannot hold the networks; "" where it can. deterministic: one output a condition."""
        return "" if deterministic else "its draws are those of torch's generator"

    def weights_of(self, network: Network) -> "dict[str, Tensor]":
        """Weights of another λ's network, for a module that `build` makes: what `train_from` starts with.

        Raises ConfigurationError where the network is of another class or has other sizes.
        """
        if not (isinstance(network, ModuleNetwork) and type(network._family) is type(self)):
            raise ConfigurationError(
                f"{type(self).__name__} cannot start from a network of {network.family}; hand in one of its own"
            )
        own = {name: tensor.shape for name, tensor in self.build(network.hyperparameter).state_dict().items()}
        state = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
        if own != {name: tensor.shape for name, tensor in state.items()}:
            raise ConfigurationError(
                f"the network of λ = {network.hyperparameter} has other layers than these settings of "
                f"{type(self).__name__}; train it again, with these settings"
            )
        return state

    def network(self, module: "nn.Module", hyperparameter: Hyperparameter) -> "ModuleNetwork":
        """A trained module as a network that saves itself without pickle."""
        return ModuleNetwork(self, module, hyperparameter)

    @classmethod
    def load(cls, folder: Path) -> Network:
        """Read back what `ModuleNetwork.save` wrote.

        Raises BundleError where files are missing or corrupted, or do not fit what `build` makes.
        """
        document, state = read_weights(folder, NETWORK_FILE)
        try:
            family = cls(cls.Settings.model_validate(document["settings"]))
            return family._restore(state, _read_hyperparameter(document[cls.saved_key]))
        except ValidationError as error:
            raise BundleError(explain(error, str(folder / NETWORK_FILE), "settings.")) from error
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise BundleError(f"{folder} holds no network of {cls.__name__}: {reason}") from error

    def _restore(self, state: "dict[str, Tensor]", hyperparameter: Hyperparameter) -> "ModuleNetwork":
        self.check_hyperparameter(hyperparameter)
        module = self.build(hyperparameter)
        module.load_state_dict(state)
        if broken := not_finite(module):
            raise ValueError(f"its weights {broken} contain NaN or Inf")
        return self.network(module, hyperparameter)


class ModuleNetwork:
    """A trained module of one λ, with its family, which builds and evaluates it."""

    def __init__(self, family: Family, module: "nn.Module", hyperparameter: Hyperparameter) -> None:
        self.module = module.requires_grad_(False).eval()
        self.hyperparameter = hyperparameter
        self._family = family

    @property
    def family(self) -> str:
        """The name that the family is saved by."""
        return self._family.own_name

    @property
    def code(self) -> tuple[str, ...]:
        """Import paths of what the network needs beside its family."""
        return self._family.code

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C), by the family; the same seed gives the same draws."""
        with _seeded(seed):
            values = self._family.outputs(self.module, np.asarray(conditions, np.float32), draws, seed)
        return np.asarray(values, np.float32)

    def graph(self, *, deterministic: bool) -> "nn.Module":
        """What an ONNX export traces: see `Family.graph`. ConfigurationError where there is nothing to trace."""
        why, graph = self._family.why_no_graph(deterministic=deterministic), self._family.graph(self.module)
        if why or graph is None:
            raise ConfigurationError(
                f"the network of {self.family} has no ONNX counterpart: {why or 'its graph is None'}; use the bundle"
            )
        return graph

    def with_weights(self, weights: "dict[str, Tensor]") -> "ModuleNetwork":
        """This network with other weights and buffers, in a module of its own; RuntimeError where shapes differ."""
        module = copy.deepcopy(self.module)
        module.load_state_dict(weights)
        return self._family.network(module, self.hyperparameter)

    def save(self, folder: Path) -> None:
        """Write the module's state_dict as safetensors; the family's settings and λ as JSON.

        Raises FitError where a weight is not finite; buffers may be infinite, as masks are.
        """
        settings = self._family.settings.model_dump(mode="json")
        document = {self._family.saved_key: self.hyperparameter, "settings": settings}
        write_weights(self.module, folder, NETWORK_FILE, document, f"the network of λ = {self.hyperparameter}")


class DeterministicFamily(Family):
    """A family whose module gives one output a condition: all draws are equal, whatever the seed."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Number C of condition columns."""

    def outputs(self, module: "nn.Module", conditions: NDArray[np.float32], draws: int, seed: int) -> ArrayLike:
        """Outputs (N, draws, D) at conditions (N, C), equal along the draws; DataError for another C."""
        import torch

        rows = module(torch.from_numpy(check_width(conditions, self.width))).numpy()
        return np.repeat(rows[:, None, :], draws, axis=1)


class ReparameterisedFamily(Family):
    """A family whose draws are a function of standard normal noise: it defines `from_noise` in place of `outputs`.

    coupled_by_noise: whether equal noise couples the draws of two λ; see `pipeline.data.network.Reparameterised`.
    """

    coupled_by_noise: ClassVar[bool] = False

    @property
    @abstractmethod
    def noise_dimension(self) -> int:
        """Standard normal numbers E that one draw takes."""

    @abstractmethod
    def from_noise(self, module: "nn.Module", conditions: NDArray[np.float32], noise: "Tensor") -> "Tensor":
        """Outputs (N, draws, D) at conditions (N, C) from noise (N, draws, E), every row by its own alone."""

    def graph(self, module: "nn.Module") -> "nn.Module | None":
        """What an ONNX export traces in place of `from_noise`: conditions (N, C) and noise (N, draws, E), float32.

        None, unless a family defines it: see `pipeline.families.layers.Drawing`.
        """
        return None

    def why_no_graph(self, *, deterministic: bool) -> str:
        """As `Family.why_no_graph`."""
        return "its family has no graph (Family.graph)" if type(self).graph is ReparameterisedFamily.graph else ""

    def outputs(self, module: "nn.Module", conditions: NDArray[np.float32], draws: int, seed: int) -> ArrayLike:
        """Outputs (N, draws, D) at conditions (N, C), from noise by torch's global generator."""
        import torch

        noise = torch.randn(len(conditions), draws, self.noise_dimension)
        return self.from_noise(module, conditions, noise).numpy()

    def network(self, module: "nn.Module", hyperparameter: Hyperparameter) -> "ReparameterisedNetwork":
        """A trained module as a network that also answers from noise."""
        return ReparameterisedNetwork(self, module, hyperparameter)


class ReparameterisedNetwork(ModuleNetwork):
    """A trained module whose draws are a function of noise."""

    _family: ReparameterisedFamily

    @property
    def noise_dimension(self) -> int:
        """Standard normal numbers that one draw takes, as the family has it."""
        return self._family.noise_dimension

    @property
    def coupled_by_noise(self) -> bool:
        """Whether equal noise couples the draws of two λ, as the family has it."""
        return self._family.coupled_by_noise

    def from_noise(self, conditions: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C) from noise (N, draws, E), by the family."""
        import torch

        from pipeline.families.threads import single_thread

        rows = np.asarray(conditions, np.float32)
        given = torch.from_numpy(np.array(check_noise(noise, len(rows), self.noise_dimension)))
        with single_thread(), torch.no_grad():
            return np.asarray(self._family.from_noise(self.module, rows, given).numpy(), np.float32)


def _read_hyperparameter(saved: Any) -> Hyperparameter:
    """λ from a network's JSON: a number, or a mapping of names; TypeError or ValueError for anything else."""
    if isinstance(saved, dict):
        return {str(name): float(number) for name, number in saved.items()}
    return float(saved)


def not_finite(module: "nn.Module") -> list[str]:
    """Names of the parameters that hold NaN or Inf. Buffers are not checked: masks are infinite."""
    return [name for name, weight in module.named_parameters() if not weight.isfinite().all()]


def write_weights(module: "nn.Module", folder: Path, name: str, document: dict[str, Any], what: str) -> None:
    """Write a module's state_dict as safetensors, and a document as JSON of that name.

    Raises FitError, which begins with `what`, where a weight is not finite.
    """
    from safetensors.torch import save_file

    if broken := not_finite(module):
        raise FitError(f"{what} has weights that are not finite: {broken}; train it with a smaller learning rate")
    # Tied weights share memory, which safetensors refuses; each gets its own copy.
    state = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in module.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE)
    write_json(folder / name, document)


def read_weights(folder: Path, name: str) -> "tuple[Any, dict[str, Tensor]]":
    """What `write_weights` wrote: the document and the state_dict; BundleError where one is missing or corrupted."""
    return read_json(folder / name, "network"), read_tensors(folder / WEIGHTS_FILE, "network")


def final_losses(curve: ArrayLike, origin: str) -> list[float]:
    """Means of L losses over the last tenth of the iterations of `curve`, (iterations, L).

    Raises FitError, which begins with `origin` (the λ), where one is not finite.
    """
    losses = np.asarray(curve, np.float64)
    means = losses[-max(1, len(losses) // 10) :].mean(axis=0)
    if not np.isfinite(means).all():
        raise FitError(f"{origin}: the loss is not finite; lower train.learning_rate")
    return [float(mean) for mean in means]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, use one thread and no gradients; all three are restored afterwards.

    The generator belongs to the process, so that one thread at a time may seed it.
    """
    import torch

    from pipeline.families.threads import single_thread

    with _SEEDED, torch.random.fork_rng(devices=[]), single_thread(), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        yield
