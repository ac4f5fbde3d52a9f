"""Tables in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 40


def shown(value: Any) -> str:
    """A cell: a number with four significant digits, a missing one as —."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_table(columns: Sequence[str], lines: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print a table; of a long one the first lines, and how many there are."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for i, column in enumerate(columns):
        numeric = any(isinstance(line[i], int | float) for line in lines)
        table.add_column(Text(column), justify="right" if numeric else "left")
    for line in lines[:MOST_LINES]:
        table.add_row(*(Text(shown(value)) for value in line))
    console = Console()
    console.print(table)
    if len(lines) > MOST_LINES:
        console.print(f"{MOST_LINES} of {len(lines):,} lines; --output writes all of them")


def print_frame(frame: "pd.DataFrame", leave_out: Sequence[str] = ()) -> None:
    """Print a data frame, without some of its columns."""
    kept = frame.drop(columns=list(leave_out))
    print_table([str(name) for name in kept.columns], kept.astype(object).to_numpy().tolist())
