"""Choosing between independently trained anchors and anchors that were trained from their neighbours.

A network that starts from its neighbour's stays close to it, so that mixtures of both are good where those of
independent networks are ruinous (`barriers`). It may also be worse than one of its own; the anchors' scores say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from pipeline.surrogate.barriers import ERRORS, TIE, Barrier

JUDGED_FILE = "judged.json"
CHOICE_FILE = "anchors.json"


@dataclass(frozen=True)
class Judged:
    """The anchors' networks of one chain, judged in episodes that are the same for all chains.

    anchors: ascending. score: its name; the higher, the better. episodes: each anchor's scores under its own λ, episode
    by episode. barriers: the check of every interval; empty where networks cannot be mixed.
    """

    chain: str
    networks: tuple[str, ...]
    anchors: tuple[float, ...]
    score: str
    episodes: tuple[tuple[float, ...], ...]
    barriers: tuple[Barrier, ...]

    @property
    def broken(self) -> int:
        """The number of broken intervals."""
        return sum(barrier.broken for barrier in self.barriers)

    @property
    def mixtures(self) -> float:
        """The mean score of the mixtures, each under the λ that it stands for; 0 where there are none."""
        found = [mixture.mixture for barrier in self.barriers for mixture in barrier.mixtures]
        return float(np.mean(found)) if found else 0.0

    def document(self) -> dict[str, Any]:
        """As JSON; `of` reads it."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """What `document` wrote; KeyError or TypeError for another one."""
        return cls(
            document["chain"],
            tuple(document["networks"]),
            tuple(document["anchors"]),
            document["score"],
            tuple(tuple(scores) for scores in document["episodes"]),
            tuple(Barrier.of(barrier) for barrier in document["barriers"]),
        )


@dataclass(frozen=True)
class Change:
    """One anchor's mean score in a chain, that of its own training, and the standard error of their difference."""

    anchor: float
    chain: float
    own: float
    standard_error: float

    @property
    def fell(self) -> bool:
        """Whether the chain's network scores below the own one beyond the noise."""
        rounding = TIE * max(abs(self.chain), abs(self.own))
        return self.own - self.chain > ERRORS * self.standard_error + rounding


@dataclass(frozen=True)
class Choice:
    """The chain that serves, why, and what was compared: every chain's changes, broken intervals and mixtures."""

    chosen: str
    reason: str
    compared: dict[str, dict[str, Any]]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def changes(own: Judged, chain: Judged) -> tuple[Change, ...]:
    """Every anchor's change of score from its own network to the chain's, over paired episodes."""
    found = []
    for anchor, before, after in zip(own.anchors, own.episodes, chain.episodes, strict=True):
        difference = np.asarray(after) - np.asarray(before)
        error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
        found.append(Change(anchor, float(np.mean(after)), float(np.mean(before)), error))
    return tuple(found)


def choose(own: Judged, chains: Sequence[Judged]) -> Choice:
    """The chain with the fewest broken intervals, then the best mixtures, among those in which no anchor's score fell.

    Independent networks stay where they are better in that order; at a tie a chain, which has common weights, serves.
    """
    found = {judged.chain: changes(own, judged) for judged in chains}
    kept = [judged for judged in chains if not any(change.fell for change in found[judged.chain])]
    best = min([*kept, own], key=lambda judged: (judged.broken, -judged.mixtures))
    compared = {judged.chain: _compared(judged, found.get(judged.chain, ())) for judged in (own, *chains)}
    return Choice(best.chain, _reason(best, own, found), compared)


def _compared(judged: Judged, against_own: Sequence[Change]) -> dict[str, Any]:
    return {
        "networks": list(judged.networks),
        "scores": {f"{a:g}": float(np.mean(s)) for a, s in zip(judged.anchors, judged.episodes, strict=True)},
        "changes": [asdict(change) | {"fell": change.fell} for change in against_own],
        "broken": judged.broken,
        "mixtures": judged.mixtures,
        "intervals": [barrier.verdict for barrier in judged.barriers],
    }


def _reason(best: Judged, own: Judged, found: Mapping[str, Sequence[Change]]) -> str:
    """One sentence on the choice, and one on every chain whose anchors' scores fell."""
    serves = "independently trained anchors" if best is own else f"anchors trained from their neighbours ({best.chain})"
    intervals = f"{best.broken} of {len(best.barriers)} intervals broken"
    first = f"{serves}: {intervals}, mixtures score {best.mixtures:.4g}"
    if best is not own:
        first += f" (independently trained: {own.broken} broken, {own.mixtures:.4g})"
    fallen = [
        f"{chain}: {own.score} at {c.anchor:g} fell from {c.own:.4g} to {c.chain:.4g} (± {c.standard_error:.2g})"
        for chain, listed in found.items()
        for c in listed
        if c.fell
    ]
    return "; ".join([first, *fallen])
