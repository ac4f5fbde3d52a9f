"""Pictures of the learnt paths over the density of the anchors' samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column
from pipeline.evaluation.served import SAMPLE, served_by
from pipeline.report.panels import Panel, Piece, contexts
from pipeline.report.style import INK, Picture, drawing, label, legend, same_scale, spaced
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline.surrogate import Surrogate

_POINTS_PER_INTERVAL = 41
_PATHS = 12
_GRID = 60
_SHADES = LinearSegmentedColormap.from_list("shades", ["white", "#b8b8b8"])
_DEEPEST = -8.0
"""Log density below the panel's peak at which the shading ends."""


def draw_paths(surrogate: "Surrogate", score: Harvest, panels: list[Panel], folder: Path) -> Picture:
    """Paths from every anchor to the next, coloured by λ, over the density: a panel a condition.

    D > 1: two outputs against each other, the first and the last where there are more than two; the density is then the
    slice through the paths' mean in the other outputs. D = 1: the output against λ.
    """
    schema, anchors = score.schema, surrogate.anchors
    flat, sampled = len(schema.outputs) == 1, served_by(surrogate, score) == SAMPLE
    norm = Normalize(anchors[0], anchors[-1])
    columns = len(panels) if len(panels) <= 3 else 2
    rows = -(-len(panels) // columns)
    with drawing(folder / "paths.png", rows, columns, width=4.1, height=3.5) as (figure, axes):
        for ax, panel in zip(axes.flat, panels, strict=False):
            pieces = contexts(surrogate, score, panel, _POINTS_PER_INTERVAL, _PATHS)
            views = [_view(piece.outputs, piece.hyperparameter, flat) for piece in pieces]
            last = views[-1][:, -1] if sampled else _last(score, panel, anchors[-1], flat)
            places = np.concatenate([*(view[:, 0] for view in views), last])
            _shade(ax, surrogate, panel, score, pieces, [*views, places])
            for piece, view in zip(pieces, views, strict=True):
                _coloured_lines(ax, view, piece.hyperparameter, norm)
            ax.scatter(*places.T, c="white", edgecolors=INK, marker="o", s=26, zorder=4, label="samples at an anchor")
            _truth(ax, surrogate, score, panel, flat)
            if not flat and schema.picture == "scatter":
                same_scale(ax, (schema.outputs[0], schema.outputs[-1]))
            ax.set_title(panel.title, fontsize="small")
            ax.grid(visible=False)
            ax.set_xlabel(label(schema.hyperparameter if flat else schema.outputs[0]))
            ax.set_ylabel(label(schema.outputs[-1]))
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        legend(figure, axes[0, 0])
        colours = ScalarMappable(norm, "viridis")
        figure.colorbar(colours, ax=axes.flat[: len(panels)].tolist(), label=label(schema.hyperparameter), shrink=0.8)
    return Picture(
        "paths.png",
        "Learnt paths over the density of the anchors' samples",
        "White circles are samples at the anchors, the last one included; each path leads from one anchor to the next, "
        f"coloured by {schema.hyperparameter.name}: equal steps of colour are close together where "
        f"outputs move slowly. {_about_shading(schema.outputs)}",
    )


def _about_shading(outputs: Sequence[Column]) -> str:
    """What the shading is, and whether paths may be compared with it."""
    if len(outputs) <= 2:
        return "The darker, the denser the anchors' samples: where the potential acts, paths keep to the dark regions."
    others = f"{outputs[1].name} stays" if len(outputs) == 3 else f"the {len(outputs) - 2} outputs between them stay"
    return (
        f"The shading is one slice of a density in {len(outputs)} dimensions: that of {outputs[0].name} and "
        f"{outputs[-1].name} where {others} at the mean of the panel's paths. The paths do not lie in that slice, "
        "so they need not keep to its dark regions."
    )


def _view(outputs: FloatArray, hyperparameter: NDArray[np.float64], flat: bool) -> NDArray[np.float64]:
    """The two coordinates shown of outputs (n, M, D), (n, M, 2): λ and the output, or the first and the last output."""
    if flat:
        across = np.broadcast_to(hyperparameter, outputs.shape[:2])
        return np.stack([across, outputs[:, :, 0]], axis=-1)
    return np.asarray(outputs[:, :, [0, -1]], np.float64)


def _last(score: Harvest, panel: Panel, anchor: float, flat: bool) -> NDArray[np.float64]:
    """As many samples of the last anchor, where no path starts, as there are paths at the others, (n, 2)."""
    sample = panel.sample(score, anchor)
    outputs = sample.rows(spaced(len(sample.outputs), _PATHS)).outputs
    return _view(outputs[:, None], np.array([anchor]), flat)[:, 0]


def _coloured_lines(
    ax: "Axes", view: NDArray[np.float64], hyperparameter: NDArray[np.float64], norm: Normalize
) -> None:
    segments = np.stack([view[:, :-1], view[:, 1:]], axis=2).reshape(-1, 2, 2)
    middles = np.tile((hyperparameter[:-1] + hyperparameter[1:]) / 2, len(view))
    ax.add_collection(LineCollection(list(segments), array=middles, cmap="viridis", norm=norm, lw=2.2, zorder=3))


def _truth(ax: "Axes", surrogate: "Surrogate", score: Harvest, panel: Panel, flat: bool) -> None:
    """One point a held-out λ, for single rows only: a cloud here would hide the paths."""
    held_out = [v for v in score.hyperparameter.tolist() if v not in surrogate.anchors]
    samples = [panel.sample(score, v).outputs for v in held_out]
    if held_out and all(len(y) == 1 for y in samples):
        y = np.concatenate(samples)
        ax.scatter(held_out if flat else y[:, 0], y[:, -1], marker="x", s=34, c=INK, zorder=5, label="truth, held out")


def _shade(
    ax: "Axes",
    surrogate: "Surrogate",
    panel: Panel,
    score: Harvest,
    pieces: list[Piece],
    views: list[NDArray[np.float64]],
) -> None:
    """Shade the log density, 0 at the panel's peak; the axes reach 25 % beyond the paths on either side."""
    shown = np.concatenate([view.reshape(-1, 2) for view in views])
    low, high = shown.min(axis=0), shown.max(axis=0)
    margin = 0.25 * np.maximum(high - low, 0.2 * (high - low).max())
    flat = len(score.schema.outputs) == 1
    margin[0] *= not flat
    (x_low, y_low), (x_high, y_high) = low - margin, high + margin
    horizontal, vertical = np.linspace(x_low, x_high, _GRID), np.linspace(y_low, y_high, _GRID)
    mesh = np.stack(np.meshgrid(horizontal, vertical), axis=-1).reshape(-1, 2)
    centre = np.concatenate([piece.outputs.reshape(-1, piece.outputs.shape[-1]) for piece in pieces]).mean(axis=0)
    points = np.repeat(centre[None].astype(np.float32), len(mesh), axis=0)
    points[:, -1] = mesh[:, 1]
    if not flat:
        points[:, 0] = mesh[:, 0]
    density = surrogate.log_density(points, _conditions(panel, score, len(points))).reshape(_GRID, _GRID)
    levels = np.linspace(_DEEPEST, 0, 9)
    ax.contourf(
        horizontal,
        vertical,
        np.maximum(density - density.max(), _DEEPEST),
        levels=levels,
        cmap=_SHADES,
        antialiased=False,
    )
    ax.set(xlim=(x_low, x_high), ylim=(y_low, y_high))


def _conditions(panel: Panel, score: Harvest, count: int) -> FloatArray:
    """The panel's condition, or the first row's where the panel shows them all, (count, C)."""
    condition = score.conditions[0][0] if panel.condition is None else panel.condition
    return np.repeat(condition[None], count, axis=0)
