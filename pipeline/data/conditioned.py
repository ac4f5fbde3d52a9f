"""One network of a whole range of λ: it takes λ as an input, where a `Network` was trained at one λ alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Network
from pipeline.data.values import in_words, named, numbers
from pipeline.errors import ConfigurationError, HyperparameterError

if TYPE_CHECKING:
    from pipeline.data.mesh import Value


@dataclass(frozen=True)
class Box:
    """A range of λ: every coordinate between its lowest and its highest number.

    lowest, highest (P,): in the order of the schema; highest is above. names: of the hyperparameters, where there are
    several. Raises ConfigurationError for anything else.
    """

    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pairs = list(zip(self.lowest, self.highest, strict=False))
        sizes = {len(self.lowest), len(self.highest), len(self.names or "1")}
        if not (len(sizes) == 1 and all(np.isfinite(pair).all() and pair[0] < pair[1] for pair in pairs)):
            raise ConfigurationError(
                f"no range leads from {list(self.lowest)} to {list(self.highest)} of "
                f"{list(self.names) or 'one hyperparameter'}; give finite numbers, one a hyperparameter, the highest "
                "above the lowest"
            )

    @classmethod
    def around(cls, values: Sequence["Value"], names: Sequence[str] = ()) -> "Box":
        """The smallest that holds all of these λ."""
        points = np.array([numbers(value) for value in values], np.float64)
        return cls(tuple(points.min(axis=0).tolist()), tuple(points.max(axis=0).tolist()), tuple(names))

    def check(self, value: "Value") -> tuple[float, ...]:
        """λ as P numbers; HyperparameterError where it lies outside, or has another number of coordinates."""
        point = numbers(value)
        if len(point) != len(self.lowest) or not all(
            low <= x <= high for low, x, high in zip(self.lowest, point, self.highest, strict=True)
        ):
            raise HyperparameterError(f"λ = {value} lies outside the range that the network was trained on: {self}")
        return point

    def named(self, value: "Value") -> float | dict[str, float]:
        """λ as families take it: the number, or a mapping of names."""
        return named(value, self.names)

    def __str__(self) -> str:
        ends = (self.lowest, self.highest) if self.names else (self.lowest[0], self.highest[0])
        return " to ".join(in_words(end, self.names) for end in ends)


@runtime_checkable
class ConditionedNetwork(Protocol):
    """A trained network that takes λ as an input; it answers as a method that was fitted does.

    box: the range of λ that it was trained on.
    """

    @property
    def family(self) -> str:
        """Name or import path of the family, as of a `Network`."""
        ...

    @property
    def box(self) -> Box:
        """The range of λ."""
        ...

    def at(self, value: "Value") -> Network:
        """The network of one λ of the range; HyperparameterError outside."""
        ...

    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: "Value", draws: int, seed: int, /
    ) -> NDArray[np.floating]:
        """Outputs (N, draws, D) at conditions (N, C) and one λ; HyperparameterError outside the range."""
        ...

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into an existing folder, never a pickle."""
        ...
