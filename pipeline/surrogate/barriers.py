"""Barriers: intervals between two good policies whose mixtures are ruinous, and what is served there instead.

No transport mends that: an action half-way between two cures may cure nobody, however well draws are coupled. Inside a
broken interval the surrogate is one of the two anchors' own networks, whichever scores better under λ. This module
holds what was found and what follows from it; `barrier_check` finds it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

SHARES = (0.25, 0.5, 0.75)
"""Shares of the right anchor in the mixtures that are scored, and where in the interval λ stands."""
ERRORS = 2.0
"""Standard errors by which a mixture has to score below the worse end."""
TIE = 1e-6
"""Scores that differ by less than this part of them are equal: rounding breaks no interval."""


@dataclass(frozen=True)
class Mixture:
    """Mean scores under one λ on the same episodes: of a mixture with this share of the right anchor, and of both ends.

    standard_error: of the mixture's score minus the worse end's, over paired episodes.
    """

    share: float
    hyperparameter: float
    mixture: float
    left: float
    right: float
    standard_error: float

    @property
    def shortfall(self) -> float:
        """By how much the mixture scores below the worse end; negative where it scores above."""
        return min(self.left, self.right) - self.mixture

    @property
    def ruinous(self) -> bool:
        """Whether the mixture scores below the worse end beyond the noise."""
        rounding = TIE * max(abs(self.left), abs(self.right))
        return self.shortfall > ERRORS * self.standard_error + rounding


@dataclass(frozen=True)
class Barrier:
    """One interval, checked for a barrier.

    anchors: its ends. score: the name of the score. episodes: number that each mean is over. mixtures: at SHARES.
    advantage: where the interval is broken, the right anchor's mean score minus the left's at both ends of the
    interval, from other episodes than those of `mixtures`; between them it is linear in λ, as rewards are whose
    penalty λ weighs. None where mixtures do no harm.
    """

    anchors: tuple[float, float]
    score: str
    episodes: int
    mixtures: tuple[Mixture, ...]
    advantage: tuple[float, float] | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The barrier that `dataclasses.asdict` wrote; KeyError or TypeError for another document."""
        left, right = document["anchors"]
        advantage = document["advantage"]
        return cls(
            (left, right),
            document["score"],
            document["episodes"],
            tuple(Mixture(**mixture) for mixture in document["mixtures"]),
            None if advantage is None else (advantage[0], advantage[1]),
        )

    @property
    def broken(self) -> bool:
        """Whether the surrogate serves an anchor's own network in this interval."""
        return self.advantage is not None

    @property
    def switch(self) -> float | None:
        """The λ inside the interval at which the better end changes; None where one end is better everywhere."""
        if self.advantage is None or self.advantage[0] * self.advantage[1] >= 0:
            return None
        start, end = self.advantage
        left, right = self.anchors
        return left + (right - left) * start / (start - end)

    @property
    def train_at(self) -> float | None:
        """The λ to train next: the middle of the ruinous mixtures' λ; None where the interval is not broken."""
        ruinous = [m.hyperparameter for m in self.mixtures if m.ruinous]
        return (ruinous[0] + ruinous[-1]) / 2 if self.broken and ruinous else None

    @property
    def verdict(self) -> str:
        """What was found, what is served, and what to do, in one sentence."""
        left, right = (f"{anchor:g}" for anchor in self.anchors)
        if not self.broken:
            return f"between {left} and {right} mixtures of both networks do no harm"
        worst = max(self.mixtures, key=lambda m: m.shortfall)
        train = "" if self.train_at is None else f"; train {self.train_at:g} to mend it"
        return (
            f"broken between {left} and {right}: at {worst.hyperparameter:g} a mixture of both networks scores "
            f"{worst.mixture:.4g}, the worse of them {min(worst.left, worst.right):.4g}; served is {self.served}{train}"
        )

    @property
    def served(self) -> str:
        """Which anchors' own networks are served in a broken interval."""
        left, right = (f"the network of {anchor:g}" for anchor in self.anchors)
        start, middle = self.serves_right(np.array([self.anchors[0], sum(self.anchors) / 2])).tolist()
        if self.switch is None:
            return right if middle else left
        first, then = (right, left) if start else (left, right)
        return f"{first} below {self.switch:.4g} and {then} above"

    def serves_right(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the right anchor scores better at λ = values (n,) of a broken interval: (n,); a tie is the left's."""
        start, end = self.advantage or (0.0, 0.0)
        left, right = self.anchors
        s = (values - left) / (right - left)
        return np.asarray((1 - s) * start + s * end > 0)


class Broken:
    """The broken ones among the intervals of a surrogate: which rows are an anchor's own network's to answer."""

    def __init__(self, anchors: tuple[float, ...], barriers: Sequence[Barrier]) -> None:
        self._anchors = anchors
        self._barriers = {k: barrier for k, barrier in enumerate(barriers) if barrier.broken}

    def at_ends(self, interval: int, values: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of λ = values (n,) the left and the right anchor's own network answer: (n,) each.

        They answer at themselves, and inside a broken interval where they score better.
        """
        left, right = values == self._anchors[interval], values == self._anchors[interval + 1]
        if interval not in self._barriers:
            return left, right
        better = self._barriers[interval].serves_right(values)
        return left | ~(better | right), right | (better & ~left)

    def verdicts(self, intervals: NDArray[np.intp], values: NDArray[np.float64]) -> list[str]:
        """What was found in every broken interval that some of λ = values (n,) lie inside of; intervals: (n,)."""
        if not self._barriers:
            return []
        inside = np.unique(intervals[~np.isin(values, self._anchors)]).tolist()
        return [self._barriers[k].verdict for k in inside if k in self._barriers]
