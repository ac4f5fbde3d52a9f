"""Regions of λ in which a surrogate was found to be trustworthy or not: its certificate.

`pipeline.evaluation.certificate` finds them; the bundle carries them, and `Surrogate.sample` heeds them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

Status = Literal["trusted", "not trusted", "untested"]


@dataclass(frozen=True)
class Region:
    """A stretch of λ from `low` to `high`, and why it has its status: sentences without a full stop."""

    low: float
    high: float
    status: Status
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The region that `dataclasses.asdict` wrote; KeyError, TypeError or ValueError for another document."""
        if document["status"] not in get_args(Status):
            raise ValueError(f"a region's status is one of {get_args(Status)}, not {document['status']!r}")
        return cls(float(document["low"]), float(document["high"]), document["status"], tuple(document["reasons"]))

    @property
    def verdict(self) -> str:
        """The status and the reasons, in one sentence without a full stop."""
        return f"{self.status} from {self.low:g} to {self.high:g}: {'; '.join(self.reasons)}"


def untrusted(regions: Sequence[Region], values: NDArray[np.float64], anchors: Iterable[float]) -> list[Region]:
    """The regions without trust that some of λ = values (n,) lie in; anchors answer for themselves."""
    inside = values[~np.isin(values, list(anchors))]
    return [
        region
        for region in regions
        if region.status != "trusted" and bool(((inside > region.low) & (inside < region.high)).any())
    ]
