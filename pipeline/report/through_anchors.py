"""Curves through the anchors of several hyperparameters: outputs along lines of λ, one coordinate at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipeline.data.mesh import Grid
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.report.lines import Line, lines_of
from pipeline.report.panels import MOST_DRAWN, Panel
from pipeline.report.plane import Plane, Point
from pipeline.report.style import INK, Picture, drawing, label, spaced
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 25
"""Points of a curve between neighbouring anchors, of deterministic networks; draws take fewer."""
DRAWS = 3
"""Draws of a condition that are followed."""
SHADES = ("Blues", "Oranges", "Greens", "Purples", "Reds", "Greys")
"""Colours of the lines along each coordinate, darker where the others are larger."""


def draw_through_anchors(plane: Plane, panels: list[Panel], comparison: Comparison, folder: Path) -> Picture:
    """A row a condition, a column a coordinate and output (two outputs at most); a curve a line and draw."""
    schema = plane.score.schema
    outputs = range(1 if schema.picture == "forecast" or len(plane.columns) > 2 else min(2, len(schema.outputs)))
    lines = [lines_of(plane, p) for p in range(len(plane.columns))]
    columns = [(p, output) for p in range(len(plane.columns)) for output in outputs]
    width = 3.1 if len(columns) > 2 else 4.3
    with drawing(folder / "curves.png", len(panels), len(columns), width=width, height=2.7, sharex="col") as (
        figure,
        axes,
    ):
        for row, panel in zip(axes, panels, strict=True):
            for p, some in enumerate(lines):
                own = [ax for ax, (q, _) in zip(row, columns, strict=True) if p == q]
                for line, colour in zip(some, shades(p, len(some)), strict=True):
                    followed = Followed.of(line, panel, comparison)
                    for ax, output in zip(own, outputs, strict=True):
                        _draw(ax, followed, output, colour)
            row[0].set_title(panel.title, fontsize="small", loc="left")
            for ax, (p, output) in zip(row, columns, strict=True):
                ax.set_ylabel(label(schema.outputs[output]))
                plane.scale(ax, "x", p)
                ax.set_xlabel(label(plane.columns[p]) if ax in axes[-1] else "")
        _legend(figure, lines, comparison)
    return Picture("curves.png", "Curves through the anchors", _caption(plane, comparison))


@dataclass(frozen=True, eq=False)
class Followed:
    """At most DRAWS rows of a panel along a line.

    pieces: values (M,) of the line's coordinate between neighbouring anchors, and the outputs (n, M, D) there.
    squares: (n, A, D), the anchors' own outputs, at their values (A,) of the coordinate. truth: (n, H, D) at the
    held-out values (H,) on the line, where rows are matched; else none.
    """

    pieces: tuple[tuple[NDArray[np.float64], FloatArray], ...]
    anchors: NDArray[np.float64]
    squares: FloatArray
    held_out: NDArray[np.float64]
    truth: FloatArray

    @classmethod
    def of(cls, line: Line, panel: Panel, comparison: Comparison) -> "Followed":
        """Ask the surrogate along a line, as it is served."""
        plane, matched = line.plane, comparison.kind == "matched"
        points = POINTS if plane.surrogate.deterministic or not plane.sampled else MOST_DRAWN
        start = _rows(plane, panel, line.anchors[0])
        pieces = []
        for values in line.pieces(points):
            source = line.anchors[0] if plane.sampled else line.before(values[0])
            known = start if plane.sampled else _rows(plane, panel, source)
            pieces.append((values, plane.moved(known, source, [line.at(v) for v in values.tolist()])))
        if plane.sampled and not matched:
            squares = plane.moved(start, line.anchors[0], line.anchors)
        else:
            squares = np.stack([_rows(plane, panel, anchor).outputs for anchor in line.anchors], axis=1)
        held_out = line.held_out() if matched else ()
        truth = [_rows(plane, panel, point).outputs for point in held_out]
        p = line.coordinate
        return cls(
            tuple(pieces),
            np.array([anchor[p] for anchor in line.anchors]),
            squares,
            np.array([point[p] for point in held_out]),
            np.stack(truth, axis=1) if truth else np.empty((len(squares), 0, squares.shape[-1])),
        )


def shades(coordinate: int, count: int) -> NDArray[np.float64]:
    """The colours (count, 4) of the lines along a coordinate."""
    colours = matplotlib.colormaps[SHADES[coordinate % len(SHADES)]]
    return np.asarray(colours(np.linspace(0.45, 0.95, count) if count > 1 else [0.75]))


def _rows(plane: Plane, panel: Panel, point: Point) -> Sample:
    """The rows of a panel at one λ of the score harvest that are followed."""
    sample = panel.sample(plane.score, point)
    return sample.rows(spaced(len(sample.outputs), DRAWS))


def _draw(ax: "Axes", followed: Followed, output: int, colour: NDArray[np.float64]) -> None:
    for values, curves in followed.pieces:
        ax.plot(values, curves[:, :, output].T, c=colour, lw=1.5)
    for squares, truth in zip(followed.squares, followed.truth, strict=True):
        ax.plot(followed.anchors, squares[:, output], "s", ms=6, c=colour, mec=INK, mew=0.7, clip_on=False)
        ax.plot(followed.held_out, truth[:, output], "x", ms=7, mew=1.6, c=INK)


def _legend(figure: "Figure", lines: list[list[Line]], comparison: Comparison) -> None:
    """The lines' colours, a column of entries a coordinate."""
    columns = [
        [
            _entry(f"along {some[0].plane.columns[p].name}"),
            *(_entry(line.others, c=c, lw=2) for line, c in zip(some, shades(p, len(some)), strict=True)),
        ]
        for p, some in enumerate(lines)
    ]
    columns.append([_entry("anchor's own output", ls="", marker="s", c="white", mec=INK)])
    if comparison.kind == "matched":
        columns[-1].append(_entry("truth, held out", ls="", marker="x", c=INK, mew=1.6))
    most = max(map(len, columns))
    handles = [entry for column in columns for entry in (*column, *[_entry(" ")] * (most - len(column)))]
    size = "small" if len(lines) > 2 else "medium"
    figure.legend(handles=handles, loc="outside upper center", ncols=len(columns), fontsize=size)


def _entry(text: str, **style: Any) -> Line2D:
    return Line2D([], [], label=text, **({"ls": ""} | style if "c" not in style else style))


def _caption(plane: Plane, comparison: Comparison) -> str:
    names = " and ".join(column.name for column in plane.columns)
    scattered = (
        "" if isinstance(plane.surrogate.mesh, Grid) else " The anchors are scattered: lines pass the middle one."
    )
    if comparison.kind == "matched":
        what = (
            "Curves are the surrogate's outputs in one context; they should pass every square, the anchors' networks, "
            "and the black crosses, networks trained at held-out values."
        )
    elif plane.sampled:
        what = (
            "Every curve is one draw of the surrogate, which keeps its number as λ moves; it should pass its squares, "
            "the draws of the anchors' own."
        )
    else:
        what = (
            "Every curve moves one sample of the anchor where it starts, by `transport`; where it ends is not a sample "
            "of the next anchor, so it need not meet a square there."
        )
    return f"The outputs as {names} move one at a time, the others at an anchor's value. {what}{scattered}"
