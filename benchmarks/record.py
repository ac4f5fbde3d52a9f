"""What was measured: one JSON file a benchmark, written again after every single measurement.

So an interrupted run loses what was under way and nothing else, and the document can be rendered without measuring.
"""

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.machine import Stamp, stamp
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json

CHECKOUT = Path(__file__).parents[1]
SHARED = CHECKOUT.parent / "shared"
"""Published data beside the checkout; what needs it is skipped where it is missing."""
RECORDS = CHECKOUT / "reports" / "benchmarks"
CACHE = CHECKOUT / "data" / "benchmarks"
"""Networks that were trained as truth."""

EARLIER = "In part measured before:"

Rows = dict[str, dict[str, float]]
"""Figures by row and column. A figure that does not exist is NaN."""


@dataclass(frozen=True)
class Task:
    """One measurement: function(*arguments) gives rows; the function is one that another process can import."""

    name: str
    seed: int
    function: Callable[..., Rows]
    arguments: tuple[Any, ...] = ()


@dataclass
class Record:
    """The measurements of one benchmark, by task and seed, with the machine that they were made on."""

    path: Path
    stamp: Stamp
    measurements: dict[tuple[str, int], Rows] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, name: str, resume: bool = False, folder: Path = RECORDS) -> "Record":
        """An empty record; resume: the one on disk, whose tasks are not measured again, as its notes then say."""
        path = folder / f"{name}.json"
        if not (resume and path.is_file()):
            return cls(path, stamp())
        before = cls.load(path)
        earlier = f"{EARLIER} {before.stamp.date}, commit {before.stamp.commit}"
        notes = [note for note in before.notes if note.startswith(EARLIER)]
        return cls(path, stamp(), before.measurements, list(dict.fromkeys([*notes, earlier])))

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read what `save` wrote."""
        document = read_json(path, "benchmark's record")
        measurements = {
            (entry["task"], entry["seed"]): {
                row: {column: math.nan if value is None else value for column, value in figures.items()}
                for row, figures in entry["rows"].items()
            }
            for entry in document["measurements"]
        }
        return cls(path, Stamp(**document["stamp"]), measurements, document["notes"])

    def save(self) -> None:
        """Write the file, atomically."""
        entries = [
            {
                "task": task,
                "seed": seed,
                "rows": {
                    row: {column: value if math.isfinite(value) else None for column, value in figures.items()}
                    for row, figures in rows.items()
                },
            }
            for (task, seed), rows in self.measurements.items()
        ]
        write_json(self.path, {"stamp": self.stamp.as_dict(), "notes": self.notes, "measurements": entries})

    def measure(self, tasks: Iterable[Task], processes: int = 0) -> None:
        """Carry out what is not recorded yet: side by side in single-threaded processes, or, for 0, here in turn."""
        waiting = [task for task in tasks if (task.name, task.seed) not in self.measurements]
        if not processes:
            for task in waiting:
                self.add(task, task.function(*task.arguments))
            return
        with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_one_thread) as pool:
            futures = {pool.submit(task.function, *task.arguments): task for task in waiting}
            try:
                for future in as_completed(futures):
                    self.add(futures[future], future.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def add(self, task: Task, rows: Rows) -> None:
        """Keep the rows of a task, on disk too, and print them."""
        self.measurements[task.name, task.seed] = rows
        self.save()
        for row, figures in rows.items():
            shown = "  ".join(f"{column} {value:.4g}" for column, value in figures.items())
            print(f"  {task.name} · seed {task.seed} · {row}: {shown}", flush=True)

    def skip(self, what: str) -> None:
        """Say, here and in the document, what is not measured and why."""
        if (note := f"Skipped: {what}") not in self.notes:
            self.notes.append(note)
        self.save()
        print(f"  skipped: {what}", flush=True)

    def tasks(self) -> list[str]:
        """Names of the tasks that were measured, in their order."""
        return list(dict.fromkeys(task for task, _ in self.measurements))

    def rows(self, task: str) -> list[str]:
        """Names of a task's rows, in their order."""
        return list(dict.fromkeys(row for (name, _), rows in self.measurements.items() if name == task for row in rows))

    def columns(self, task: str, row: str) -> list[str]:
        """Names of a row's columns, in their order."""
        found = [rows[row] for (name, _), rows in self.measurements.items() if name == task and row in rows]
        return list(dict.fromkeys(column for figures in found for column in figures))

    def values(self, task: str, row: str, column: str) -> list[float]:
        """A figure of every seed, in the order of the seeds; empty where it was not measured."""
        found = sorted(
            (seed, rows[row][column])
            for (name, seed), rows in self.measurements.items()
            if name == task and column in rows.get(row, {})
        )
        return [value for _, value in found]


def side_tasks_merged(record: Record, name: str) -> Record:
    """A record whose task `name` holds the rows of the tasks `name/…` too."""
    merged: dict[tuple[str, int], Rows] = {}
    for (task, seed), rows in record.measurements.items():
        if task.partition("/")[0] == name:
            merged.setdefault((name, seed), {}).update(rows)
    return Record(record.path, record.stamp, merged)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
