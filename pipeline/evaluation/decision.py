"""The gates' decision, apart from how it is made: the registry reads it without importing the mathematics."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """The verdict of one gate.

    gate: its metric. passed: whether the surrogate passes it. sentence: why, without a full stop. figure: the metric's,
    where it is finite.
    """

    gate: str
    passed: bool
    sentence: str
    figure: float | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a surrogate may become champion, why, and the verdict of every gate that applies."""

    promote: bool
    reason: str
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Contest:
    """A candidate beside the present champion, which is the version of that number.

    won: whether it may take the alias. sentence: why, without a subject before "it", and without a full stop.
    """

    version: int
    won: bool
    sentence: str


UNDECIDED = Decision(False, "Not promoted: no gate has been asked.")
