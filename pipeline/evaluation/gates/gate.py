"""What a gate is. A new one is one module of this folder with a `GATE`."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.evaluation.scores import Evaluation


@dataclass(frozen=True)
class Gate:
    """A gate: check says whether an evaluation passes and why, in a sentence without capital and full stop.

    None: it does not apply.
    """

    name: str
    check: Callable[[Evaluation], tuple[bool, str] | None]


def held_out(evaluation: Evaluation) -> str:
    """How many values were held out, in words."""
    count = len(evaluation.hyperparameters)
    return f"{count} held-out value{'s' if count > 1 else ''}"
