"""Conditions as networks and formulas take them: standardised values, and categories as indices."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.transport import ops

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ConditionShape:
    """What conditions look like to a network: continuous columns, and the number of codes of each categorical one."""

    continuous: int
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Condition:
    """Encoded conditions of B rows: values (…, B, continuous) standardised, codes (…, B, categorical) as indices."""

    values: "Tensor"
    codes: "Tensor"

    def __getitem__(self, rows: object) -> "Condition":
        return Condition(self.values[rows], self.codes[rows])  # type: ignore[index]

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def unsqueeze(self, dimension: int) -> "Condition":
        """A new leading dimension, for networks of several copies."""
        return Condition(self.values.unsqueeze(dimension), self.codes.unsqueeze(dimension))

    def distances(self, other: "Condition") -> "Tensor":
        """Squared distances (B, n) to n other conditions; a differing category counts more than any distance."""
        differing = (self.codes[:, None] != other.codes[None]).sum(-1)
        return ops.squared_distances(self.values, other.values) + 1e6 * differing
