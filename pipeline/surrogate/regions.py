"""Regions of λ in which a surrogate was found to be trustworthy or not: its certificate.

`pipeline.evaluation.certificate` finds them; the bundle carries them, and `Surrogate.sample` heeds them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

Status = Literal["trusted", "not trusted", "untested"]


@dataclass(frozen=True)
class Cluster:
    """Conditions that are nearer to one centre than to any of the others.

    name: in words. centre: (C,). others: the other centres, (K − 1, C). weight: (C,), by which a difference in a column
    is multiplied before distances are taken; 0 of columns that do not count.
    """

    name: str
    centre: tuple[float, ...]
    others: tuple[tuple[float, ...], ...]
    weight: tuple[float, ...]

    def holds(self, conditions: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which of conditions (N, C) belong to it, (N,)."""
        centres = np.array([self.centre, *self.others])
        differences = (np.asarray(conditions, np.float64)[:, None] - centres) * np.array(self.weight)
        return np.asarray(np.square(differences).sum(-1).argmin(1) == 0)


@dataclass(frozen=True)
class Doubt:
    """A cluster of conditions at which a region is not trusted, and why: sentences without a full stop."""

    cluster: Cluster
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """A stretch of λ from `low` to `high`, and why it has its status: sentences without a full stop.

    doubts: of a trusted region, the conditions at which it is not.
    """

    low: float
    high: float
    status: Status
    reasons: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()

    @classmethod
    def of(cls, document: Any) -> Self:
        """The region that `dataclasses.asdict` wrote; ValueError for another document."""
        return TypeAdapter(cls).validate_python(document)

    @property
    def verdict(self) -> str:
        """The status and the reasons, in one sentence without a full stop."""
        return f"{self.status} from {self.low:g} to {self.high:g}: {'; '.join(self.reasons)}"

    def objections(self, conditions: NDArray[np.floating]) -> list[str]:
        """Why answers at conditions (N, C) and λ inside it are not trusted, a sentence each; none where they are."""
        if self.status != "trusted":
            return [self.verdict]
        return [
            f"not trusted from {self.low:g} to {self.high:g} at {doubt.cluster.name}: {'; '.join(doubt.reasons)}"
            for doubt in self.doubts
            if doubt.cluster.holds(conditions).any()
        ]


def objections(
    regions: Sequence[Region],
    values: NDArray[np.float64],
    conditions: NDArray[np.floating],
    anchors: Iterable[float],
) -> list[str]:
    """Why some of the rows λ = values (n,), conditions (n, C), are not trusted; anchors answer for themselves."""
    asked = ~np.isin(values, list(anchors))
    inside = [asked & (values > region.low) & (values < region.high) for region in regions]
    return [
        sentence
        for region, rows in zip(regions, inside, strict=True)
        if rows.any()
        for sentence in region.objections(conditions[rows])
    ]


def trusted_rows(
    regions: Sequence[Region], values: NDArray[np.float64], conditions: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Which of the rows λ = values (n,), conditions (n, C), no region has an objection to: (n,)."""
    trusted = np.ones(len(values), np.bool_)
    for region in regions:
        inside = (values > region.low) & (values < region.high)
        doubted = np.full(len(values), region.status != "trusted")
        for doubt in region.doubts:
            doubted |= doubt.cluster.holds(conditions)
        trusted &= ~(inside & doubted)
    return trusted
