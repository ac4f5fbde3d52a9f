"""The progress of stages that run: an artifact of each in Prefect, and a line of each in the terminal.

A stage writes where it is (`pipeline.storage.progress`), in a process of its own; a thread of every task reads that.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from logging import Logger, LoggerAdapter
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException
from rich.console import Console

from pipeline.storage.progress import Progress
from pipeline.storage.progress_bar import BarPerStage

LOOK, TELL = 1.0, 5.0
"""Seconds between two looks at the files; between two updates of an artifact, and before the first."""

_lines: list[BarPerStage] = []
"""Of the terminal of this process, where there is one: tasks run in threads of their own."""


@contextmanager
def lines_in_terminal(console: Console) -> Iterator[None]:
    """Show a line for every stage that runs, below what is printed on a console; none where that is no terminal."""
    if not console.is_terminal:
        yield
        return
    lines = BarPerStage(console)
    with lines.bars:
        _lines.append(lines)
        try:
            yield
        finally:
            _lines.remove(lines)


@contextmanager
def watching(root: Path, stages: Sequence[str]) -> Iterator[None]:
    """Within a task: tell how far its stages are, by their addresses, while they run in the checkout at `root`.

    Stages that end within TELL seconds have no artifact. One that failed keeps the share at which it did.
    """
    watch = _Watch(root, stages, get_run_logger())
    ended = Event()
    # In a copy of this task's context, so that artifacts belong to its run.
    thread = Thread(target=copy_context().run, args=(watch.run, ended), name=f"progress of {stages[0]}", daemon=True)
    thread.start()
    try:
        yield
        watch.well = True
    finally:
        ended.set()
        thread.join()


class _Watch:
    """The stages of one task. well: set where they have ended well."""

    def __init__(self, root: Path, stages: Sequence[str], logger: "Logger | LoggerAdapter[Any]") -> None:
        self._root, self._stages, self._logger = root, stages, logger
        self._artifacts: dict[str, UUID] = {}
        self._began = time.time()
        self.well = self._broken = False

    def run(self, ended: Event) -> None:
        """Look at the files until the stages have ended."""
        told = time.monotonic()
        try:
            while not ended.wait(LOOK):
                found = {stage: self._read(stage) for stage in self._stages}
                self._draw(found)
                if time.monotonic() - told >= TELL:
                    told = time.monotonic()
                    for progress in filter(None, found.values()):
                        self._tell(progress.stage, progress.share, described(progress))
        finally:
            self._draw(dict.fromkeys(self._stages))
        for stage in list(self._artifacts) if self.well else ():
            self._tell(stage, 1.0, f"{stage}: done")

    def _read(self, stage: str) -> Progress | None:
        progress = Progress.read(self._root, stage)
        return None if progress is None or progress.written < self._began else progress  # of one that was killed

    def _draw(self, found: "dict[str, Progress | None]") -> None:
        for lines in tuple(_lines):
            for stage, progress in found.items():
                if progress is None:
                    lines.remove(stage)
                else:
                    lines.show(progress)

    def _tell(self, stage: str, share: float, description: str) -> None:
        """Bring a stage's artifact up to date; where that fails, say so once: the stage goes on."""
        if self._broken:
            return
        try:
            known = self._artifacts.get(stage)
            if known is None:
                key = "progress-" + re.sub(r"[^a-z0-9]+", "-", stage.lower()).strip("-")
                made = create_progress_artifact(100 * share, key, description, _sync=True)  # type: ignore[call-arg]
                assert isinstance(made, UUID)
                self._artifacts[stage] = made
            else:
                update_progress_artifact(known, 100 * share, description, _sync=True)  # type: ignore[call-arg]
        except (PrefectException, HTTPError, OSError) as error:
            self._logger.warning("the progress of %s is told no more in Prefect: %s", stage, error)
            self._broken = True


def described(progress: Progress) -> str:
    """What the artifact says beside its figure: the loops that the stage is in, and what time is left."""
    parts = (progress.place, progress.left(time.time()), f"{progress.seconds:.0f} s so far")
    return f"{progress.stage}: " + ", ".join(part for part in parts if part)
