"""Output in the terminal: one line for each stage during the run, and the result at the end."""

import logging
from typing import TYPE_CHECKING

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from flows.report.drift_table import COLUMNS, row_of
from flows.report.summary import NOTHING_HELD_OUT, Summary, Validation

if TYPE_CHECKING:
    from pipeline.evaluation.drift import Drift

PROGRESS = {"progress": True}
"""Marks the log records that a terminal shows: one line a stage."""


def show_progress_only() -> Console:
    """Show only lines marked as progress, and warnings that do not come from stages, in the terminal.

    Everything that a stage prints still goes to Prefect's own log; a failing stage's last lines are in its error.
    Returns the console that the lines are printed on.
    """
    import prefect  # noqa: F401  (its import sets the handlers up)
    from prefect.logging.handlers import PrefectConsoleHandler

    console = Console(stderr=True, markup=False, highlight=False)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_progress)
        handler.setFormatter(logging.Formatter("%(message)s"))
        if isinstance(handler, PrefectConsoleHandler):
            handler.console = console  # its own lacks the styles of bars, and what it prints would run into them
    return console


def _is_progress(record: logging.LogRecord) -> bool:
    of_a_run = record.name.startswith(("prefect.task_runs", "prefect.flow_runs"))
    return getattr(record, "progress", False) or (record.levelno >= logging.WARNING and not of_a_run)


ROOM, FIGURE, BORDER = 50, 7, 3
"""Characters of an 80-character line for figures, beside the methods' labels; those of a figure, and between two."""


def _tables(validation: Validation) -> list[Table]:
    """A row for each method; where there are too many values for one table, several tables below each other."""
    head, *rows = validation.columns, *validation.rows
    titles = [title.replace(",", ",\n") for title in head]  # one line for each of several hyperparameters
    tables = []
    for columns in _groups(titles):
        table = Table(title=f"{validation.measure} at the held-out values", title_justify="left")
        table.add_column(titles[0])
        for number in columns:
            table.add_column(titles[number], justify="right", no_wrap=True)
        for row in rows:
            table.add_row(row[0], *(row[number] for number in columns))
        tables.append(table)
    return tables


def _groups(titles: list[str]) -> list[list[int]]:
    """The numbers of the columns after the first, divided so that each group fits beside the first column."""
    groups: list[list[int]] = [[]]
    room = ROOM
    for number, title in enumerate(titles[1:], 1):
        width = BORDER + max(FIGURE, *map(len, title.split("\n")))
        if width > room and groups[-1]:
            groups.append([])
            room = ROOM
        groups[-1].append(number)
        room -= width
    return groups


def show_drift(found: "Drift") -> None:
    """Print the errors of a check for drift, λ by λ, and its verdict."""
    console, table = (
        Console(),
        Table(title=f"{found.measure}, on {found.sampled}; seed {found.seed}", title_justify="left"),
    )
    for column in COLUMNS:
        table.add_column(column)
    for figure in found.figures:
        table.add_row(*row_of(figure))
    console.print(table, highlight=False)
    console.print(found.verdict, highlight=False)


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
    if summary.validation.next_value:
        console.print(f"Next    {summary.validation.next_value}", soft_wrap=True, highlight=False)
    link = Style(link=summary.report.resolve().as_uri())
    console.print(Text.assemble("Report  ", (str(summary.report), link)), soft_wrap=True, highlight=False)
    console.print(f"Model   {summary.registration.uri}", soft_wrap=True, highlight=False)
