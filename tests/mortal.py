"""Work that is killed: at a moment when a checkpoint would be due, and again, and so on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipeline.storage.checkpoint import Pace, kept_work

T = TypeVar("T")


class Killed(Exception):  # noqa: N818 (not an error)
    """Stands for SIGKILL; nothing catches it."""


@dataclass(frozen=True)
class Mortal(Pace):
    """Every moment is due, until the last one, at which the work is killed."""

    moments: int = 1
    seen: list[float] = field(default_factory=list)

    def is_due(self, since, so_far, costs):
        self.seen.append(so_far)
        if len(self.seen) == self.moments:
            raise Killed
        return True


EAGER = Pace(every=0, share=0, patience=0)


def killed_at(moments: Iterable[int], folder: Path, work: Callable[[], T]) -> T:
    """What work gives that was killed and resumed; each number: the moments until it is killed, if it takes so long."""
    for number in moments:
        try:
            with kept_work(folder, lambda: "key", Mortal(moments=number)):
                return work()
        except Killed:
            continue
    with kept_work(folder, lambda: "key", EAGER):
        return work()
