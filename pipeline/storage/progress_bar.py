"""Bars in a terminal: one for a stage that runs by itself, one for each where a flow runs several."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from pipeline.storage.progress import Progress


NARROW = 60
"""Columns of a terminal below which words have all of them, and there is no bar beside them."""


class BarPerStage:
    """A line in a terminal for every stage that has told its progress."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.table import Column

        text = TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
        )
        bar = (BarColumn(20),) if console.width >= NARROW else ()
        columns = (text, *bar, TaskProgressColumn())
        self.bars: Bars = Progress(*columns, console=console, transient=True, expand=True, refresh_per_second=2)
        self._tasks: dict[str, TaskID] = {}

    def show(self, progress: "Progress") -> None:
        """Bring a stage's line up to date."""
        words = ", ".join(part for part in (progress.place, progress.left(time.time())) if part)
        told = {"description": f"{progress.stage}  {words}", "completed": 100 * progress.share}
        if progress.stage in self._tasks:
            self.bars.update(self._tasks[progress.stage], **told)  # type: ignore[arg-type]
        else:
            self._tasks[progress.stage] = self.bars.add_task(total=100, **told)  # type: ignore[arg-type]

    def remove(self, stage: str) -> None:
        """A stage has ended."""
        if (task := self._tasks.pop(stage, None)) is not None:
            self.bars.remove_task(task)


@contextmanager
def terminal_bar() -> "Iterator[Callable[[Progress], None] | None]":
    """What shows the progress of the stage of this process, where stderr is a terminal that can; else None.

    What is logged meanwhile appears above the bar.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_dumb_terminal:  # it cannot take back what it has shown
        yield None
        return
    line = BarPerStage(console)
    direct = sys.stderr
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler) and h.stream is direct]
    with line.bars:
        for handler in handlers:
            handler.setStream(sys.stderr)
        try:
            yield line.show
        finally:
            for handler in handlers:
                handler.setStream(direct)
