"""A disk that runs full under a run: it ends at once and says so.

Databases of Prefect and MLflow lie on the same disk. Where they cannot be written, clients ask again for minutes, and
nothing is said meanwhile.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FLOOR = 16 * 2**20
"""Bytes that are as good as nothing: one table of a harvest."""
INTERVAL = 2.0
"""Seconds between two looks."""


@contextmanager
def watching_disk(folder: Path, full: Callable[[str], object]) -> Iterator[None]:
    """While this lasts, call `full` with what happened where the file system of the folder has no space left.

    It is called once, in another thread.
    """
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(folder.resolve(), full, ended), daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _watch(folder: Path, full: Callable[[str], object], ended: threading.Event) -> None:
    while not ended.wait(INTERVAL):
        free = shutil.disk_usage(folder).free
        if free < FLOOR:
            full(f"no space left on the disk of {folder} ({free / 2**20:.1f} MiB); free some, and run again")
            return
