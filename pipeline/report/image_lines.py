"""Images along lines through the anchors of several hyperparameters: one draw, followed as one coordinate moves."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.comparison import Comparison
from pipeline.report.images import bounds, mosaic
from pipeline.report.lines import Line, lines_of
from pipeline.report.panels import Panel
from pipeline.report.plane import Plane
from pipeline.report.style import Picture, drawing, number, spaced
from pipeline.report.through_anchors import Followed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 2
"""Lines of one coordinate that are shown."""
_BETWEEN = 3
"""Images of an interval, its ends included."""


def draw_image_lines(plane: Plane, panel: Panel, comparison: Comparison, folder: Path) -> Picture:
    """A strip a line: the surrogate's images above the anchors' own."""
    lines = [line for p in range(len(plane.columns)) for line in lines_of(plane, p, MOST_LINES)]
    strips = [strip(Followed.of(line, panel, comparison)) for line in lines]
    limits = bounds(plane.score, [images[np.isfinite(images).all(-1)] for _, images in strips])
    width = max(4.0, 0.62 * max(len(values) for values, _ in strips) + 1.4)
    with drawing(folder / "curves.png", len(lines), 1, width=width, height=1.9) as (figure, axes):
        for ax, line, (values, images) in zip(axes[:, 0], lines, strips, strict=True):
            _show(ax, images, limits)
            _label(ax, line, values, math.isqrt(images.shape[-1]))
        figure.suptitle(panel.title, fontsize="medium")
    return Picture(
        "curves.png",
        "Images through the anchors",
        "One draw of the surrogate, followed as one hyperparameter moves and the others stay at an anchor's value. "
        "Beside every anchor its image should equal the anchor's own, below it.",
    )


def strip(followed: Followed) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (M,) of a line's coordinate, and images (2, M, D): the first draw's, and the anchors' own or NaN."""
    values: list[float] = []
    images: list[NDArray[np.floating]] = []
    for at, outputs in followed.pieces:
        shown = spaced(len(at), _BETWEEN)[1 if values else 0 :]  # neighbouring pieces meet at an anchor
        values += at[shown].tolist()
        images += list(outputs[0, shown])
    own = np.full((len(values), len(images[0])), np.nan)
    near = 1e-3 * (values[-1] - values[0])
    for anchor, square in zip(followed.anchors, followed.squares[0], strict=True):
        own[np.abs(np.array(values) - anchor) < near] = square
    return np.array(values), np.stack([np.stack(images), own])


def _show(ax: "Axes", images: NDArray[np.float64], limits: tuple[float, float]) -> None:
    low, high = limits
    ax.imshow(mosaic(images), cmap="Greys", vmin=low, vmax=high, interpolation="nearest")
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def _label(ax: "Axes", line: Line, values: NDArray[np.float64], side: int) -> None:
    anchors = np.array([anchor[line.coordinate] for anchor in line.anchors])
    near = np.abs(values[:, None] - anchors).min(1) < 1e-3 * np.ptp(values)
    rounded = np.round(values, 4 - math.floor(math.log10(np.ptp(values))))  # ends lie just beside anchors
    names = [number(v) + ("\nanchor" if own else "") for v, own in zip(rounded.tolist(), near, strict=True)]
    middle = (side - 1) / 2
    ax.set_xticks(middle + np.arange(len(values)) * (side + 1), names, fontsize="x-small")
    ax.set_yticks([middle, middle + side + 1], ["surrogate", "anchor's own"], fontsize="x-small")
    ax.set_title(f"along {line.plane.columns[line.coordinate].name}, {line.others}", fontsize="small")
