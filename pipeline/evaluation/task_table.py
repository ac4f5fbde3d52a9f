"""Tables of task scores: a score of every method at every held-out λ, with standard errors where there are episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Value
from pipeline.data.values import in_words
from pipeline.evaluation.methods.best_anchor import BEST_ANCHOR
from pipeline.evaluation.scores import SURROGATE

Entry = TypeVar("Entry")

Episodes = NDArray[np.float64]
"""Scores (n,) of single episodes, which start alike for all policies and all λ."""


@dataclass(frozen=True, eq=False)
class TaskTable:
    """One named score: for every held-out λ, ascending, the score of every method, in the family's own units.

    episodes: for every λ the scores that a method's is the mean of, where the family gives them. best: the best single
    anchor at every λ, where it was looked for. names: of the hyperparameters.
    """

    name: str
    rows: tuple[tuple[Value, dict[str, float]], ...]
    episodes: Mapping[Value, Mapping[str, Episodes]] = field(default_factory=dict)
    best: Mapping[Value, Value] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods, in the order of the tables."""
        return tuple(self.rows[0][1])

    def joined(self, other: "TaskTable", order: Sequence[str]) -> "TaskTable":
        """This table with the methods of another of the same λ, in the order of their names in `order`."""

        def both(one: Mapping[str, Entry], more: Mapping[str, Entry]) -> dict[str, Entry]:
            found = {**one, **more}
            return {name: found[name] for name in order if name in found}

        more = dict(other.rows)
        return replace(
            self,
            rows=tuple((value, both(scores, more[value])) for value, scores in self.rows),
            episodes={value: both(found, other.episodes[value]) for value, found in self.episodes.items()},
        )

    def means(self) -> dict[str, float]:
        """The mean of every method."""
        return {method: self.mean(method) for method in self.methods}

    def mean(self, method: str) -> float:
        """The mean of a method's score over the held-out λ."""
        return float(np.mean([scores[method] for _, scores in self.rows]))

    def error(self, method: str, value: Value) -> float | None:
        """The standard error of a method's score at one held-out λ over its episodes; None without episodes."""
        return _standard_error(self.episodes[value][method]) if value in self.episodes else None

    def mean_error(self, method: str) -> float | None:
        """That of its mean over the held-out λ: all λ share the episodes' starts, so their scores are no new sample."""
        found = [episodes[method] for episodes in self.episodes.values()]
        return _standard_error(np.mean(found, axis=0)) if len({len(f) for f in found}) == 1 else None

    @property
    def remark(self) -> str:
        """How the surrogate compares with single anchors, in one sentence; "" where these were not looked for."""
        if not self.best or SURROGATE not in self.methods:
            return ""
        below = [value for value, scores in self.rows if scores[SURROGATE] < scores[BEST_ANCHOR]]
        by_anchor: dict[Value, list[Value]] = {}
        for value in below:
            by_anchor.setdefault(self.best[value], []).append(value)
        sure = [value for value in below if self._is_sure(value)]
        if not below:
            return f"The surrogate scores at least as well as the best single anchor at {self._all}."
        named = "; ".join(f"that of {in_words(a, self.names)} at {self._listed(v)}" for a, v in by_anchor.items())
        how = (
            f"beyond two standard errors at {self._listed(sure)}"
            if sure
            else "nowhere by more than two standard errors"
        )
        return (
            f"A single anchor's own network scores better than the surrogate at {len(below)} of {len(self.rows)} "
            f"held-out values ({named}), {how}."
        )

    @property
    def _all(self) -> str:
        return "the one held-out value" if len(self.rows) == 1 else f"all {len(self.rows)} held-out values"

    def _listed(self, values: Sequence[Value]) -> str:
        separator = "; " if len(self.names) > 1 else ", "
        return separator.join(in_words(value, self.names) for value in values)

    def _is_sure(self, value: Value) -> bool:
        gain = self.episodes[value][BEST_ANCHOR] - self.episodes[value][SURROGATE]
        error = _standard_error(gain)
        return error is not None and bool(gain.mean() > 2 * error)


def _standard_error(scores: Episodes) -> float | None:
    """Of the mean of scores (n,); None of a single one."""
    return float(np.std(scores, ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else None
