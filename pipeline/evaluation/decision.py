"""The gates' decision, apart from how it is made: the registry reads it without importing the mathematics."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """The verdict of one gate. passed: whether the surrogate passes it. sentence: why, without a full stop."""

    gate: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Whether a surrogate may become champion, why, and the verdict of every gate."""

    promote: bool
    reason: str
    verdicts: tuple[Verdict, ...] = ()
