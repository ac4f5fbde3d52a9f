"""What the gates decide, apart from how: the registry reads a decision without the mathematics behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What one gate found. passed: whether it lets the surrogate through. sentence: why, without a full stop."""

    gate: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Whether a surrogate may become champion, why, and what every gate found."""

    promote: bool
    reason: str
    verdicts: tuple[Verdict, ...] = ()
