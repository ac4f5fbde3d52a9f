"""Markdown of what was measured: medians with their spread, rows of others beside them, targets with verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.record import Record


def cell(values: Sequence[float]) -> str:
    """The median, and (smallest … largest) where the values differ; an en dash where there is nothing finite."""
    finite = [v for v in values if np.isfinite(v)]
    if not finite:
        return "–"
    low, middle, high = (number(float(v)) for v in (min(finite), np.median(finite), max(finite)))
    lost = f" [{len(values) - len(finite)} not finite]" if len(finite) < len(values) else ""
    return (middle if low == high else f"{middle} ({low} … {high})") + lost


def number(value: float) -> str:
    """Three significant digits, and a true minus sign."""
    if value == 0:
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{min(digits, 6)}f}".replace("-", "−")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def measured(
    record: Record,
    task: str,
    columns: Mapping[str, str],
    rows: Mapping[str, str],
    references: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """The table of one task: a line for each of `rows` that was measured, then the lines of others.

    columns, rows: what is shown by what it is called in the record. references: figures of others, by line and column.
    """
    lines = [
        [label, *(cell(record.values(task, row, column)) for column in columns)]
        for row, label in rows.items()
        if row in record.rows(task)
    ]
    for label, figures in (references or {}).items():
        lines.append([label, *(figures.get(column, "") for column in columns)])
    return table(["", *columns.values()], lines)


@dataclass(frozen=True)
class Criterion:
    """A bound on a figure: low ≤ value ≤ high, either of them open."""

    what: str
    value: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def missed(self) -> float:
        """By how much the bound is missed; 0 where it is met, NaN where the figure is none."""
        return float(max(0.0, self.value - self.high, self.low - self.value)) if np.isfinite(self.value) else np.nan

    def __str__(self) -> str:
        if np.isfinite(self.low) and np.isfinite(self.high):
            bound = f"{number(self.low)} … {number(self.high)}"
        else:
            bound = f"≤ {number(self.high)}" if np.isfinite(self.high) else f"≥ {number(self.low)}"
        if np.isnan(self.missed):
            verdict = "**no figure**"
        else:
            verdict = "met" if self.missed == 0 else f"**missed by {number(self.missed)}**"
        return f"- {self.what}: {number(self.value) if np.isfinite(self.value) else '–'} (target {bound}): {verdict}"


def criteria(items: Iterable[Criterion]) -> str:
    """One line a target."""
    return "\n".join(map(str, items)) + "\n"


def median_of(record: Record, task: str, row: str, column: str) -> float:
    """The median over the seeds; NaN where a seed has no finite figure, or nothing was measured."""
    values = record.values(task, row, column)
    return float(np.median(values)) if values else np.nan
