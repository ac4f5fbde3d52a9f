"""The document of all benchmarks, rendered from their records."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from benchmarks.record import CHECKOUT, RECORDS, Record
from pipeline.storage.atomic import write_text

DOCUMENT = CHECKOUT / "docs" / "benchmarks.md"

HEAD = """# Benchmarks

Written by `make bench` (the long ones by `make bench-full`); `python -m benchmarks --only <name>` measures one again. A
figure is the median over the seeds, with (smallest … largest). Times are also given as multiples of the product of two
2048 × 2048 float32 matrices on two threads, measured in the same run. "Floor" is what fresh samples, or networks
trained from another seed, score; "published" are the figures reported for the authors' implementation (20 seeds, GPU).
"""


class Benchmark(Protocol):
    """What a module of this package offers."""

    TITLE: str
    SEEDS: int

    def measure(self, record: Record, seeds: int, processes: int) -> None:
        """Measure what the record lacks."""
        ...

    def section(self, record: Record) -> str:
        """Markdown of what was measured."""
        ...


def benchmark(name: str) -> Benchmark:
    """The module of a benchmark."""
    return cast(Benchmark, import_module(f"benchmarks.{name}"))


def render(names: Sequence[str], folder: Path = RECORDS) -> str:
    """The document from the records in a folder; a benchmark without one is said to be missing."""
    parts = [HEAD]
    for name in names:
        module, path = benchmark(name), folder / f"{name}.json"
        parts.append(f"## {module.TITLE}\n")
        if not path.is_file():
            parts.append(f"Not measured: `python -m benchmarks --only {name}`.\n")
            continue
        record = Record.load(path)
        parts.append(f"`{name}`: {record.stamp}.\n")
        parts += [f"{note}.\n" for note in record.notes]
        if record.measurements:
            parts.append(module.section(record))
    return "\n".join(parts)


def write(names: Sequence[str]) -> Path:
    """Write docs/benchmarks.md; returns its path."""
    write_text(DOCUMENT, render(names))
    return DOCUMENT
