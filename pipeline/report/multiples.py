"""Small multiples over the plane of λ: truth and surrogate at the held-out λ, at one condition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.scores import SURROGATE, Evaluation
from pipeline.report.images import bounds, mosaic, partner_rows
from pipeline.report.panels import Panel
from pipeline.report.plane import Plane, Point, lattice
from pipeline.report.style import BLUE, INK, PALE, Picture, drawing, label, legend, number, same_scale, spaced
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS, MOST_COLUMNS = 3, 4
_HISTORY = 12
"""The most conditions that are drawn before a forecast."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Truth and surrogate at one λ, and the samples (n, D) of the anchors around it."""

    point: Point
    truth: Sample
    answer: Sample
    corners: tuple[FloatArray, ...]

    @classmethod
    def of(cls, plane: Plane, panel: Panel, point: Point) -> "Pair":
        """What a panel shows at λ."""
        around = tuple(panel.sample(plane.score, corner).outputs for corner in plane.corners(point))
        return cls(point, panel.sample(plane.score, point), plane.answer(panel, point), around)


Drawn = Callable[["Axes", Pair], None]


def arrangement(points: Sequence[Point]) -> list[list[Point]]:
    """At most MOST_ROWS rows of MOST_COLUMNS λ, evenly thinned.

    Where they form a lattice, the first coordinate rises to the right and the second upwards; else they stand in
    reading order.
    """
    found = lattice(points)
    if found is None:
        shown = [points[i] for i in spaced(len(points), MOST_ROWS * MOST_COLUMNS)]
        columns = min(MOST_COLUMNS, int(np.ceil(np.sqrt(len(shown)))) if len(shown) > MOST_COLUMNS else len(shown))
        return [shown[i : i + columns] for i in range(0, len(shown), columns)]
    first, second = (v[spaced(len(v), n)].tolist() for v, n in zip(found, (MOST_COLUMNS, MOST_ROWS), strict=True))
    return [[(a, b) for a in first] for b in reversed(second)]


def draw_multiples(plane: Plane, panel: Panel, comparison: Comparison, evaluation: Evaluation, folder: Path) -> Picture:
    """A panel a held-out λ, at most twelve, in the picture kind of the schema."""
    rows = arrangement(plane.held_out)
    pairs = [[Pair.of(plane, panel, point) for point in row] for row in rows]
    drawn, square = _drawn(plane, comparison, [pair for row in pairs for pair in row])
    units = plane.score.schema.outputs[0].units
    squared = f" {units}²" if units else ""
    height = 1.9 if plane.score.schema.picture == "image" else 2.7
    with drawing(
        folder / "movement.png", len(rows), len(rows[0]), width=2.9, height=height, sharex=True, sharey=True
    ) as (figure, axes):
        figure.get_layout_engine().set(wspace=0.06)
        for line, made in zip(axes, pairs, strict=True):
            for ax, pair in zip(line, made, strict=False):
                drawn(ax, pair)
                error = f"{evaluation.measure} {number(_error(plane, panel, evaluation, pair.point))}{squared}"
                ax.set_title(f"{plane.words(pair.point)}\n{error}", fontsize="small")
            for ax in line[len(made) :]:
                ax.remove()
        _name_axes(axes, plane, comparison)
        for ax in (ax for ax in axes.flat if square and ax.figure):
            same_scale(ax, plane.score.schema.outputs[:2])
        if axes[0, 0].get_legend_handles_labels()[0]:
            legend(figure, axes[0, 0], markerscale=1.6)
            figure.legends[0].set_title(panel.title)
        else:
            figure.suptitle(panel.title, fontsize="medium")
    return Picture(
        "movement.png", f"Truth and surrogate at held-out values: {panel.title}", _caption(plane, comparison)
    )


def _error(plane: Plane, panel: Panel, evaluation: Evaluation, point: Point) -> float:
    """The surrogate's error at one λ, at the panel's condition where errors are known by condition."""
    found = evaluation.at(SURROGATE, point)
    distinct = np.unique(plane.score.conditions[0], axis=0)
    if panel.condition is None or len(found.by_condition) != len(distinct):
        return found.error
    return found.by_condition[int(np.flatnonzero((distinct == panel.condition).all(axis=1))[0])]


def _drawn(plane: Plane, comparison: Comparison, pairs: Sequence[Pair]) -> tuple[Drawn, bool]:
    """How a panel is drawn, and whether both of its axes are outputs."""
    schema = plane.score.schema
    if schema.picture == "image":
        chosen = {pair.point: _two_images(pair, comparison) for pair in pairs}
        return partial(_images, images=chosen, limits=bounds(plane.score, list(chosen.values()))), False
    if schema.picture == "forecast" and comparison.kind == "matched":
        return _forecast, False
    if len(schema.outputs) > 1:
        return _cloud, True
    return _one_output, False


def _cloud(ax: "Axes", pair: Pair) -> None:
    around = np.concatenate(pair.corners)
    ax.scatter(around[:, 0], around[:, 1], c=PALE, s=7, alpha=0.35, lw=0, label="anchors around it")
    ours, truth = pair.answer.outputs, pair.truth.outputs
    ax.scatter(ours[:, 0], ours[:, 1], c=BLUE, s=16, alpha=0.7, lw=0, label="surrogate")
    ax.scatter(truth[:, 0], truth[:, 1], c=INK, s=14, lw=0.7, marker="x", label="truth")


def _one_output(ax: "Axes", pair: Pair) -> None:
    """One output (D = 1): the share of samples up to every value."""
    for sample, colour, style, name in (
        (pair.answer.outputs, BLUE, "-", "surrogate"),
        (pair.truth.outputs, INK, "--", "truth"),
    ):
        ax.ecdf(np.asarray(sample[:, 0], np.float64), c=colour, ls=style, lw=1.6, label=name)


def _forecast(ax: "Axes", pair: Pair) -> None:
    """The recent past, then the first context's outputs."""
    past = np.asarray(pair.truth.conditions[0], np.float64)[-_HISTORY:]
    steps = np.arange(len(past) + pair.truth.outputs.shape[1]) - len(past) + 1
    ahead = steps[len(past) :]
    ax.plot(steps[: len(past)], past, c=INK, lw=1.4, marker="o", ms=2.5)
    for corner in pair.corners:
        ax.plot(ahead, corner[0], c=PALE, lw=1.2, label="anchors around it")
    ax.plot(ahead, pair.answer.outputs[0], c=BLUE, lw=2, marker="o", ms=3, label="surrogate")
    ax.plot(ahead, pair.truth.outputs[0], c=INK, ls="--", lw=1, marker="x", ms=6, label="truth")


def _two_images(pair: Pair, comparison: Comparison) -> NDArray[np.float64]:
    """The truth's image and the surrogate's, (1, 2, D): a pair of exact transport, of median error."""
    answer, truth = pair.answer.outputs, pair.truth.outputs
    partners = truth[partner_rows(comparison, pair.answer, pair.truth)]
    order = np.argsort(np.square(answer - partners).mean(axis=1), kind="stable")
    middle = order[(len(order) - 1) // 2]
    return np.stack([partners[middle], answer[middle]])[None].astype(np.float64)


def _images(ax: "Axes", pair: Pair, images: dict[Point, NDArray[np.float64]], limits: tuple[float, float]) -> None:
    whole = mosaic(images[pair.point])
    low, high = limits
    ax.imshow(whole, cmap="Greys", vmin=low, vmax=high, interpolation="nearest")
    ax.set_xticks([whole.shape[1] / 4 - 0.5, 3 * whole.shape[1] / 4 - 0.5], ["truth", "surrogate"], fontsize="x-small")
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(True)  # where the images' edges are white, too


def _name_axes(axes: NDArray[np.object_], plane: Plane, comparison: Comparison) -> None:
    schema = plane.score.schema
    if schema.picture == "image":
        return
    if schema.picture == "forecast" and comparison.kind == "matched":
        units = schema.outputs[0].units
        across, up = "time step", f"value [{units}]" if units else "value"
    elif len(schema.outputs) > 1:
        across, up = label(schema.outputs[0]), label(schema.outputs[1])
    else:
        across, up = label(schema.outputs[0]), "share up to it"
    for ax in axes[-1]:
        ax.set_xlabel(across)
    for ax in axes[:, 0]:
        ax.set_ylabel(up)


def _caption(plane: Plane, comparison: Comparison) -> str:
    placed = (
        f"In the panels {plane.columns[0].name} rises to the right and {plane.columns[1].name} upwards."
        if lattice(plane.held_out)
        else "Held-out λ in ascending order, a panel each."
    )
    if plane.score.schema.picture == "image":
        many = " Of several draws, a pair that exact transport matches is shown, of median error."
        return f"{placed} Left the truth's image, right the surrogate's.{'' if comparison.kind == 'matched' else many}"
    if plane.score.schema.picture == "forecast" and comparison.kind == "matched":
        placed += " Black is the recent past, grey are the forecasts of the anchors around λ."
    return (
        f"{placed} Blue (the surrogate) should lie where black (the truth, never seen in the fit) lies, as wide as it "
        "is. All panels have the same axes."
    )
