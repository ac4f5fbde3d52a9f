"""What all pictures share: a colour-blind safe palette, labels with units, and how a PNG is written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from pipeline.data.schema import Column
from pipeline.shapes import FloatArray

# Colours are those of Okabe and Ito (2008), here and in the methods, each with a marker of its own for print in grey.
INK, PALE = "#222222", "#9a9a9a"
BLUE = "#0072B2"
"""The surrogate's colour; other methods bring their own."""

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.edgecolor": PALE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8e8e8",
    "legend.frameon": False,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
}


@dataclass(frozen=True)
class Picture:
    """A PNG of the report: its file name, its title and what to look for."""

    file: str
    title: str
    caption: str


@contextmanager
def drawing(path: Path, rows: int, columns: int, *, width: float, height: float, **subplots: Any) -> Iterator[Any]:
    """Yield (figure, axes (rows, columns)) of panels of the given size in inches; write it to `path` afterwards.

    No pyplot: figures are plain objects here, so that nothing depends on a display or on what was drawn before.
    """
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False, **subplots)
        # The library's version in the metadata would change the file's hash with every upgrade.
        figure.savefig(path, dpi=130, format="png", metadata={"Software": None})


def label(column: Column) -> str:
    """Name and units of a column, as an axis shows them."""
    return f"{column.name} [{column.units}]" if column.units else column.name


def number(value: float) -> str:
    """A number as titles and axes show it: three significant digits, no trailing zeros, rarely an exponent."""
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def figure_text(value: float) -> str:
    """A number as a table's column shows it: three significant digits, trailing zeros included."""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def describe(condition: FloatArray, columns: Sequence[Column]) -> str:
    """One condition (C,) in words for a panel's title: all of it where it is short, its first columns otherwise."""
    if not columns:
        return "no condition"
    shown = [f"{c.name} = {number(float(v))}" for c, v in zip(columns[:2], condition, strict=False)]
    return ", ".join(shown) + (", …" if len(columns) > len(shown) else "")


def spaced(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` of the indices 0 … count − 1, evenly spaced, ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def legend(figure: Figure, axes: Axes, columns: int = 5, markerscale: float = 1.0) -> None:
    """One legend for the whole figure, above the panels, from the handles of one panel, each name once."""
    handles, names = axes.get_legend_handles_labels()
    kept = dict(zip(names, handles, strict=True))
    figure.legend(
        list(kept.values()),
        list(kept),
        loc="outside upper center",
        ncols=min(columns, len(kept)),
        markerscale=markerscale,
    )


def same_scale(ax: Axes, columns: Sequence[Column]) -> None:
    """Equal lengths for equal steps of two outputs, so that circles look round, unless units or ranges forbid it."""
    (x_low, x_high), (y_low, y_high) = ax.get_xlim(), ax.get_ylim()
    if columns[0].units == columns[-1].units and 0.6 < (y_high - y_low) / (x_high - x_low) < 1.7:
        ax.set_aspect("equal")


def log_axis(ax: Axes, low: float, high: float) -> None:
    """A logarithmic y axis for data in [low, high] > 0 that writes its numbers out: 0.1, 0.2, 0.5, 1 and so on.

    It reaches from the tick below the data to the tick above; over many decades only powers of ten have ticks.
    """
    subs = (1, 2, 5) if high < 1e4 * low else (1,)
    decades = np.arange(np.floor(np.log10(low)) - 1, np.ceil(np.log10(high)) + 2)
    ticks = np.unique(np.outer(10.0**decades, subs))
    ax.set_yscale("log")
    ax.set_ylim(0.9 * ticks[ticks <= low].max(), 1.1 * ticks[ticks >= high].min())
    ax.yaxis.set_major_locator(LogLocator(subs=subs, numticks=len(ticks) + 2))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    ax.yaxis.set_minor_locator(NullLocator())
