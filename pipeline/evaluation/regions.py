"""A region of λ and its status, apart from how it is found: records are read without importing the mathematics."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["trusted", "not trusted", "untested"]


@dataclass(frozen=True)
class Region:
    """A stretch of λ from `low` to `high`, and why it has its status: sentences without a full stop."""

    low: float
    high: float
    status: Status
    reasons: tuple[str, ...]
