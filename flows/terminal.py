"""Output in the terminal: one line for each stage during the run, and the result at the end."""

import logging

from rich.console import Console
from rich.table import Table

from flows.report import NOTHING_HELD_OUT, Summary, Validation


def show_progress_only() -> None:
    """Show only lines marked as progress, and warnings that do not come from stages, in the terminal.

    Everything that a stage prints still goes to Prefect's own log; a failing stage's last lines are in its error.
    """
    import prefect  # noqa: F401  (its import sets the handlers up)

    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_progress)
        handler.setFormatter(logging.Formatter("%(message)s"))


def _is_progress(record: logging.LogRecord) -> bool:
    of_a_run = record.name.startswith(("prefect.task_runs", "prefect.flow_runs"))
    return getattr(record, "progress", False) or (record.levelno >= logging.WARNING and not of_a_run)


WIDEST = 5
"""Columns of figures that a terminal of 80 characters shows whole beside the methods' labels."""


def _tables(validation: Validation) -> list[Table]:
    """A row for each method; where there are too many values for one table, several tables below each other."""
    head, *rows = validation.columns, *validation.rows
    tables = []
    for first in range(1, len(head), WIDEST):
        table = Table(title=f"{validation.measure} at the held-out values", title_justify="left")
        table.add_column(head[0])
        for column in head[first : first + WIDEST]:
            table.add_column(column, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(row[0], *row[first : first + WIDEST])
        tables.append(table)
    return tables


def show(summary: Summary) -> None:
    """Print what ran, the validation table, what was chosen, the report's place and the model's URI."""
    console = Console()
    counts = {a: sum(o.action == a for o in summary.outcomes) for a in ("ran", "restored", "unchanged")}
    console.print("\nStages: " + ", ".join(f"{count} {action}" for action, count in counts.items()))
    for shown in _tables(summary.validation) if summary.validation.rows else [NOTHING_HELD_OUT]:
        console.print(shown, highlight=False)
    console.print(summary.registration.reason, highlight=False)
    console.print(f"Chosen  {summary.validation.choice}", soft_wrap=True, highlight=False)
    for sentence in summary.validation.broken:
        console.print(f"Barrier {sentence}", soft_wrap=True, highlight=False)
    console.print(f"Report  {summary.report}", soft_wrap=True, highlight=False)
    console.print(f"Model   {summary.registration.uri}", soft_wrap=True, highlight=False)
