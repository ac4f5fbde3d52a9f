"""What the gate decides, apart from how: the registry reads a decision without the mathematics behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """Whether a surrogate may become champion, and why in one sentence."""

    promote: bool
    reason: str
