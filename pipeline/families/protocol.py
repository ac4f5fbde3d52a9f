"""The protocol of a network family: what a sweep needs to know about the networks that it trains.

A family is one class. It owns its settings (the `train` section of params.yaml, validated by a Pydantic model), turns
the source file into data, trains one network for one hyperparameter, says at which conditions networks are harvested,
and evaluates a network there. Everything that a family returns is plain: NumPy arrays, and networks that save
themselves without pickle. A served model loads networks in a process that holds only NumPy, torch, safetensors and
Pydantic: their modules import nothing else at module level.
"""

import json
import math
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, Field
from safetensors.numpy import save_file

from pipeline.data.network import Network, Policy
from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError, DataError
from pipeline.settings import FilePath, Section
from pipeline.storage.files import read_arrays

if TYPE_CHECKING:
    from pipeline.data.conditioned import Box, ConditionedNetwork

ARRAYS_FILE, ATTRIBUTES = "arrays.safetensors", "attributes"

Hyperparameter = Any
"""A λ as families take it: a number, or a mapping of names to numbers where the schema names several hyperparameters.

Not a union of the two: a family takes the one kind that it trains for."""

Split = Literal["fit", "score"]
"""Conditions that the surrogate is fitted on, and those that its scores are computed on. The two are disjoint, except
for categories, which occur in both."""


AUTO: Literal["auto"] = "auto"
Missing = Annotated[tuple[float | Annotated[str, Field(max_length=100)], ...], Field(max_length=100)]
"""Numbers and texts."""


class IngestSection(Section):
    r"""The source data: a path (absolute, or relative to the repository), and for a table what is read of it, and how.

    column, units: the value column. time: the column of times, or several to be joined (a date and a clock): rows are
    ordered by it, and windows end where it has a gap; "" where rows are in order without gaps. missing: values that
    mean none; windows end there, too. separator (one character, or \s+ for blanks), decimal (. or ,), encoding: "auto"
    finds them. skip_rows: lines before the line of names; null finds it. doubts: whether what looks wrong in a series
    is refused or warned of.
    """

    source: FilePath
    column: str = ""
    units: str = ""
    time: str | tuple[str, ...] = ""
    missing: Missing = ()
    separator: Annotated[str, Field(pattern=r"^(auto|\\s\+|[^\s\w\"'.+-]|\t)$")] = AUTO
    decimal: Literal["auto", ".", ","] = AUTO
    encoding: Annotated[str, Field(max_length=40)] = AUTO
    skip_rows: Annotated[int, Field(ge=0, le=1000)] | None = None
    doubts: Literal["refuse", "warn"] = "refuse"


@dataclass(frozen=True)
class Data:
    """What ingest hands to training and harvest.

    arrays: named arrays. attributes: further facts about the source, as text (units, names).
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write arrays and attributes into an existing folder."""
        # Safetensors writes strided arrays in the wrong order, and several entries of metadata in a random one: equal
        # data would not be equal files.
        arrays = {name: np.asarray(array, order="C") for name, array in self.arrays.items()}
        save_file(arrays, folder / ARRAYS_FILE, metadata={ATTRIBUTES: json.dumps(self.attributes, sort_keys=True)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; BundleError where it is missing or corrupted."""
        arrays, metadata = read_arrays(folder / ARRAYS_FILE, "ingested data")
        try:
            return cls(arrays, dict(json.loads(metadata[ATTRIBUTES])))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{folder / ARRAYS_FILE} is corrupted, or of another version: its attributes are not JSON ({error!r}); "
                "run stage ingest again"
            ) from error


@runtime_checkable
class NetworkFamily(Protocol):
    """A family of networks, one for every λ. Constructed with its validated settings: `Family(settings)`."""

    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: Any) -> None: ...

    def check_hyperparameter(self, value: Hyperparameter) -> None:
        """Raise HyperparameterError where no network can be trained at this λ."""
        ...

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Read and check the source file; raise DataError where it cannot be used."""
        ...

    def schema(self, data: Data) -> Schema:
        """Names, units, kinds and bounds of outputs and conditions."""
        ...

    def train(self, data: Data, hyperparameter: Hyperparameter, seed: int) -> tuple[Network, dict[str, float]]:
        """Train the network of one λ; returns it with its training metrics (losses, steps, ...)."""
        ...

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """At most `count` conditions (n, C) of a split: the same at every λ."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Network:
        """Read a network back from `Network.save`'s folder; raise BundleError where it cannot be."""
        ...


@runtime_checkable
class ScoredFamily(NetworkFamily, Protocol):
    """A family with its own measure of task performance, which validation shows beside the errors."""

    def score(self, policy: Policy, data: Data, hyperparameter: Hyperparameter, seed: int) -> dict[str, float]:
        """Named scores of a policy at one λ (a mean episode reward under that λ's reward, an accuracy).

        policy: the network of that λ, or a substitute for it. The seed is the same for all policies.
        """
        ...


@runtime_checkable
class EpisodicFamily(ScoredFamily, Protocol):
    """A family whose score is a mean over episodes (of a simulator, of test images) that it also gives one by one.

    The higher, the better. Episodes tell how certain a score is, in which intervals mixtures of two networks are
    ruinous (`pipeline.surrogate.barriers`), and which anchor's own network does best under the score of another λ.
    """

    def episode_scores(
        self, policy: Policy, data: Data, hyperparameter: Hyperparameter, seed: int, episodes: range | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Scores (n,) of single episodes by their names; `score` is their mean. The first name is what is chosen by.

        episodes: consecutive numbers, or None for the episodes of `score`. Episode i of a seed starts alike for all
        policies and all λ, so that differences are paired; episodes of other numbers are others. A family that has
        fewer episodes gives those that exist.
        """
        ...


@runtime_checkable
class OutcomeFamily(NetworkFamily, Protocol):
    """A family whose λ is a probability level, with outcomes that its networks were not trained on.

    λ is the probability that an outcome lies below the network's output at λ, so outcomes calibrate the clock.
    """

    def outcomes(self, data: Data, count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """At most `count` conditions (n, C) that no network was trained on, and what came true at each (n, D)."""
        ...


@runtime_checkable
class LevelFamily(NetworkFamily, Protocol):
    """A family whose λ, or its first coordinate, is a probability level, with outcomes kept for the end.

    Neither networks nor the clock saw them: validation counts how many of them lie between two levels.
    """

    def test_outcomes(self, data: Data) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Conditions (n, C), and what came true at each (n, D)."""
        ...


@runtime_checkable
class FeaturedFamily(NetworkFamily, Protocol):
    """A family whose outputs are also compared by features, as images are: comparing pixels says little."""

    def features(
        self, outputs: NDArray[np.floating], conditions: NDArray[np.floating], data: Data
    ) -> NDArray[np.floating]:
        """Features (n, F) of outputs (n, D) at conditions (n, C); those of a row do not depend on other rows."""
        ...


@runtime_checkable
class WarmFamily(NetworkFamily, Protocol):
    """A family that can train the network of one λ on from that of another: what `train.start: neighbour` needs."""

    def train_from(
        self, start: Network, data: Data, hyperparameter: Hyperparameter, seed: int, share: float
    ) -> tuple[Network, dict[str, float]]:
        """As `train`, from the weights of another λ's network, which stays as it is.

        share: part of the training that `train` does (steps, iterations), in (0, 1].
        """
        ...


@runtime_checkable
class ConditionedFamily(NetworkFamily, Protocol):
    """A family that can train one network of all λ, which takes λ as an input: what `validate.conditioned` needs.

    Loss-conditional training (Dosovitskiy and Djolonga, ICLR 2020): λ is drawn for every sample of a batch, and the
    sample's loss is that of its λ.
    """

    def train_conditioned(self, data: Data, box: "Box", seed: int) -> "tuple[ConditionedNetwork, dict[str, float]]":
        """Train over all λ in the box; returns the network with its training metrics, as `train` does."""
        ...

    @classmethod
    def load_conditioned(cls, folder: Path) -> "ConditionedNetwork":
        """Read a network back from `ConditionedNetwork.save`'s folder; raise BundleError where it cannot be."""
        ...


def by_condition(rows: ArrayLike, conditions: int, draws: int, origin: str) -> NDArray[np.float32]:
    """Outputs (conditions, draws, D) from rows (conditions · draws, D), draws of a condition in sequence.

    Raises DataError, naming the origin, where the number of rows differs: a reshape would mix them up.
    """
    values = np.asarray(rows, np.float32)
    if values.ndim == 0 or len(values) != conditions * draws:
        raise DataError(
            f"{origin} gave outputs of shape {values.shape} for {conditions * draws} rows of conditions; a row of "
            "outputs for every row is needed, in the same order"
        )
    width = math.prod(values.shape[1:])  # without rows, -1 would be ambiguous
    return values.reshape(conditions, draws, width)


def check_noise(noise: NDArray[np.floating], conditions: int, dimension: int) -> NDArray[np.float32]:
    """Noise (conditions, draws, dimension) in float32; DataError for any other shape."""
    values = np.asarray(noise, np.float32)
    if values.ndim != 3 or values.shape[::2] != (conditions, dimension):
        raise DataError(
            f"noise has shape {values.shape}; (N = {conditions}, draws, noise_dimension = {dimension}) is needed"
        )
    return values


def check_width(conditions: NDArray[np.floating], width: int) -> NDArray[np.float32]:
    """Conditions (N, width) in float32, contiguous; DataError for any other shape."""
    rows = np.ascontiguousarray(conditions, np.float32)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise DataError(f"conditions have shape {np.shape(conditions)}; (N, {width}) is needed")
    return rows


def category_codes(conditions: NDArray[np.floating], categories: int, name: str) -> NDArray[np.int64]:
    """Codes (N,), 0 … categories - 1, of conditions (N, 1) that are one categorical column of this name.

    Raises DataError for another shape, or a category that does not exist.
    """
    return check_codes(check_width(conditions, 1)[:, 0], categories, name)


def check_codes(values: ArrayLike, categories: int, name: str) -> NDArray[np.int64]:
    """Categories of any shape as codes 0 … categories - 1 of that shape; DataError where one does not exist."""
    codes = np.asarray(values)
    if (bad := codes[~np.isin(codes, np.arange(categories))]).size:
        raise DataError(f"{name} {bad[0]} does not exist; it is one of 0 to {categories - 1}")
    return codes.astype(np.int64)


def drawn_conditions(
    pool: NDArray[np.floating], count: int, seed: int, weight: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """At most `count` rows (n, C) of a pool (N, C), drawn without repetition, in the pool's order.

    weight (N,): what the probability of a row is proportional to; None where all are equally likely.
    """
    share = None if weight is None else weight / weight.sum()
    keep = np.random.default_rng(seed).choice(len(pool), size=min(count, len(pool)), replace=False, p=share)
    return np.asarray(pool[np.sort(keep)], np.float32)


def check_conditions(conditions: NDArray[np.floating], split: Split) -> None:
    """Raise DataError where a split (n, C) has no condition at all."""
    if not len(conditions):
        raise DataError(
            f"ingest.source leaves no condition for the split {split}: all of its conditions occur in the other split "
            "too (a periodic series); provide a longer or more varied one"
        )


def check_episodes(scores: object, family: str, fewest: int = 1) -> dict[str, NDArray[np.float64]]:
    """What `episode_scores` returned, (n,) each; ConfigurationError unless finite and of `fewest` episodes at least."""
    if isinstance(scores, dict) and scores and all(isinstance(name, str) for name in scores):
        found = {name: np.asarray(values, np.float64) for name, values in scores.items()}
        alike = len({a.shape for a in found.values()}) == 1
        if alike and all(a.ndim == 1 and len(a) >= fewest and np.isfinite(a).all() for a in found.values()):
            return found
    raise ConfigurationError(
        f"episode_scores() of {family} returned {scores!r}; finite numbers (n,) by their names are needed, of "
        f"{fewest} episodes at least, as {{'reward': array([1.5, 2.0])}}"
    )


def are_figures(metrics: dict[Any, Any]) -> bool:
    """Whether these are finite numbers by their names."""
    return all(isinstance(n, str) and isinstance(v, Real) and math.isfinite(v) for n, v in metrics.items())


def check_trained(trained: object, family: str | None) -> tuple[Network, dict[str, float]]:
    """What `train` returned; ConfigurationError unless it is a network and a dictionary of finite metrics."""
    match trained:
        case (Network() as network, dict() as metrics) if are_figures(metrics):
            return network, {name: float(value) for name, value in metrics.items()}
    raise ConfigurationError(
        f"network = {family!r}: train() returned {trained!r}; a network (with family, outputs and save: "
        "`self.network(module, hyperparameter)` in a Family) and a dictionary of finite metrics are needed"
    )
