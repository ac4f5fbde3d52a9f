"""Progress of a stage that runs: which loop it is in, how far that is, and when it will end at this pace.

Loops say where they are, and know nothing of who listens:

    for anchor in counted(anchors, "left-out anchors"):      # so do the loops of `resumable`
        ...

Whoever runs the stage listens, `reporting`; without that, the same loops just run. At most every PACE seconds a small
JSON file of the stage is replaced, `.progress/STAGE.json`, which others may read while the stage runs: `Progress.read`.
Where stderr is a terminal, there is a bar in it, too. Neither says anything that has not happened: time left is that of
a loop whose steps are alike, at the mean pace of those that are done.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from pipeline.storage.atomic import atomic_file

logger = logging.getLogger(__name__)

T = TypeVar("T")

FOLDER = Path(".progress")
"""In the checkout; neither git nor DVC sees it."""
PACE = 2.0
"""Seconds between two reports, at least."""


@dataclass(frozen=True)
class Loop:
    """One of the loops that a stage is in. eta: seconds left; None where nothing says. steps: 0 for a single part."""

    what: str
    step: int
    steps: int
    eta: float | None

    def __str__(self) -> str:
        return f"{self.what} {self.step:,} of {self.steps:,}" if self.steps else self.what


@dataclass(frozen=True)
class Progress:
    """Where a stage is. seconds: since it began; written: when this was so, in seconds since 1970.

    loops: those that it is in, from the outermost to the innermost; none between two loops.
    """

    stage: str
    seconds: float
    written: float
    loops: tuple[Loop, ...]

    @classmethod
    def read(cls, root: Path, stage: str) -> Self | None:
        """The progress of a stage that runs in the checkout at `root`; None where it has not told any."""
        try:
            return TypeAdapter(cls).validate_json(progress_file(root, stage).read_bytes())
        except (OSError, ValidationError):  # none, or of another version of this code: in a clone at another commit
            return None

    @property
    def share(self) -> float:
        """The share that is done of the outermost loop of several steps; 0 where there is none."""
        return next((loop.step / loop.steps for loop in self.loops if loop.steps > 1), 0.0)

    def left(self, now: float) -> str:
        """What is left at a time, in words: "about 3 min left", of the outermost loop that knows; "" where none does.

        now: in seconds since 1970.
        """
        found = next((loop for loop in self.loops if loop.eta is not None), None)
        if found is None or found.eta is None:
            return ""
        time_left = f"about {in_time(max(0.0, found.eta - (now - self.written)))} left"
        return time_left if len(self.loops) == 1 else f"{time_left} of {found.what}"

    @property
    def place(self) -> str:
        """The loops in words: "left-out anchors 1 of 3, paths 40 of 1,000"."""
        return ", ".join(map(str, self.loops))


def in_time(seconds: float) -> str:
    """A duration in words, as precise as an estimate of it can be: 40 s, 3 min, 2 h 10 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def progress_file(root: Path, stage: str) -> Path:
    """The file of a stage's progress, by its address as `dvc stage list` has it."""
    return root / FOLDER / f"{quote(stage, safe='@,=')}.json"


@dataclass
class _Open:
    """A loop that runs. began, last: when it began, and when its last step ended. first: steps done before that."""

    what: str
    steps: int
    first: int
    even: bool
    began: float
    step: int = 0
    last: float = 0.0

    def seen(self, now: float) -> Loop:
        """As it is reported."""
        if not (self.even and self.step > self.first):
            return Loop(self.what, self.step, self.steps, None)
        pace = (self.last - self.began) / (self.step - self.first)
        left = pace * (self.steps - self.step) - (now - self.last)
        return Loop(self.what, self.step, self.steps, round(max(0.0, left), 1))


class Reporter:
    """The progress of one stage, on its way to a file, if any, and to a bar where there is one."""

    def __init__(self, path: Path | None, stage: str, show: Callable[[Progress], None] | None = None) -> None:
        self._path, self._stage, self._show = path, stage, show
        self._began, self._due = time.perf_counter(), 0.0
        self._loops: list[_Open] = []
        self._broken = path is None

    def enter(self, what: str, steps: int, first: int, *, even: bool) -> _Open:
        """A loop begins."""
        now = time.perf_counter()
        loop = _Open(what, steps, first, even, now, first, now)
        self._loops.append(loop)
        if now >= self._due:
            self._report(now)
        return loop

    def stepped(self, loop: _Open) -> None:
        """A step of a loop has ended."""
        loop.step += 1
        loop.last = now = time.perf_counter()
        if now >= self._due:
            self._report(now)

    def leave(self, loop: _Open) -> None:
        """A loop has ended, and with it what was left open inside."""
        self._loops = self._loops[: next(i for i, other in enumerate([*self._loops, loop]) if other is loop)]

    def follow(self, items: Collection[T], what: str, first: int, *, even: bool) -> Iterator[T]:
        """As `counted`."""
        loop = self.enter(what, first + len(items), first, even=even)
        try:
            for item in items:
                yield item
                self.stepped(loop)
        finally:
            self.leave(loop)

    def _report(self, now: float) -> None:
        loops = tuple(loop.seen(now) for loop in self._loops)
        progress = Progress(self._stage, round(now - self._began, 1), time.time(), loops)
        if not self._broken:
            self._write(progress)
        if self._show is not None:
            self._show(progress)
        self._due = time.perf_counter() + PACE

    def _write(self, progress: Progress) -> None:
        assert self._path is not None
        try:
            with atomic_file(self._path, durable=False) as path:
                path.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        except OSError as error:  # a full disk is no reason to stop the work that is reported on
            logger.warning("progress cannot be written (%s): none is shown", error)
            self._broken = True


_CURRENT: ContextVar[Reporter | None] = ContextVar("progress", default=None)


@contextmanager
def reporting(root: Path, stage: str) -> Iterator[None]:
    """Loops within belong to a stage, by its address: they are reported, and the report is removed at the end."""
    path = progress_file(root.resolve(), stage)
    _remove(path)  # of one that was killed
    try:
        with showing(stage, path):
            yield
    finally:
        _remove(path)


@contextmanager
def showing(what: str, path: Path | None = None) -> Iterator[None]:
    """Loops within are shown in a terminal, as those of `what`, and told in a file, if any."""
    from pipeline.storage.progress_bar import terminal_bar  # a served model has neither terminal nor rich

    with terminal_bar() as show:
        token = _CURRENT.set(Reporter(path, what, show))
        try:
            yield
        finally:
            _CURRENT.reset(token)


def _remove(path: Path) -> None:
    try:
        if path.exists():
            path.unlink()
    except OSError as error:
        logger.warning("%s is of no use any more, and cannot be removed (%s)", path, error)


def counted(items: Collection[T], what: str, first: int = 0, *, even: bool = True) -> Iterator[T]:
    """The items of a loop, as steps that are reported.

    first: steps that were done before. even: whether steps take about the same time, so that those that are done tell
    what the others will take.
    """
    reporter = _CURRENT.get()
    return iter(items) if reporter is None else reporter.follow(items, what, first, even=even)


@contextmanager
def counting(what: str, steps: int, *, even: bool = True) -> Iterator[Callable[[], None]]:
    """As `counted`, for steps that no single loop makes: call what is yielded at the end of every step."""
    reporter = _CURRENT.get()
    if reporter is None:
        yield lambda: None
        return
    loop = reporter.enter(what, steps, 0, even=even)
    try:
        yield lambda: reporter.stepped(loop)
    finally:
        reporter.leave(loop)


def within(what: str) -> AbstractContextManager[Callable[[], None]]:
    """A single part, which is named in the report while it lasts."""
    return counting(what, 0, even=False)
