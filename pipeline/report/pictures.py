"""All pictures of a validation, as PNGs in one folder."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.values import numbers
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.methods.catalog import by_name
from pipeline.evaluation.scores import SURROGATE, Evaluation
from pipeline.report.fans import draw_fans
from pipeline.report.images import draw_images
from pipeline.report.movement import draw_clouds, draw_curves, draw_strips
from pipeline.report.panels import choose_panels
from pipeline.report.paths import draw_paths
from pipeline.report.several import draw_several
from pipeline.report.style import BLUE, INK, PALE, Picture, drawing, label, legend, log_axis, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline.surrogate import Surrogate

BY_INTERVAL = frozenset({"map_error"})
"""What a fit's history records once an interval; all else is a curve over training steps."""


def draw_pictures(surrogate: "Surrogate", score: Harvest, evaluation: Evaluation, folder: Path) -> list[Picture]:
    """Write every picture that fits the sweep into an existing folder; returns them in the report's order."""
    if score.schema.further_hyperparameters:
        return draw_several(surrogate, score, evaluation, folder) + _fit(surrogate, folder)
    comparison = Comparison.of(score, deterministic=surrogate.deterministic)
    panels = choose_panels(surrogate, score, comparison)
    pictures = [draw_errors(surrogate, score, evaluation, folder)] if evaluation.held_out else []
    if score.schema.picture == "image":
        pictures += draw_images(surrogate, score, panels, comparison, folder)
    elif comparison.kind == "matched":
        pictures.append(draw_curves(surrogate, score, panels, folder))
        if score.schema.picture == "forecast":
            pictures.append(draw_fans(surrogate, score, panels, folder))
    elif evaluation.held_out:
        draw = draw_strips if len(score.schema.outputs) == 1 else draw_clouds
        pictures.append(draw(surrogate, score, panels, folder))
    if score.schema.picture != "image":  # two pixels against each other say nothing
        pictures.append(draw_paths(surrogate, score, panels, folder))
    return pictures + _fit(surrogate, folder)


def _fit(surrogate: "Surrogate", folder: Path) -> list[Picture]:
    """The picture of the fit, where it recorded something."""
    recorded = any(len(values) > 1 for values in surrogate.history.values())
    return [draw_history(surrogate, folder)] if recorded else []


def draw_errors(surrogate: "Surrogate", score: Harvest, evaluation: Evaluation, folder: Path) -> Picture:
    """The error of all methods against λ, and beside it the spread, where a collapse would show."""
    schema, values = score.schema, evaluation.hyperparameters
    places = [place for value in values for place in numbers(value)]
    units = schema.outputs[0].units
    with drawing(folder / "errors.png", 1, 2, width=4.6, height=3.8) as (figure, ((errors, spreads),)):
        known = by_name()
        for name in evaluation.methods:
            method, scores = known[name], [evaluation.at(name, value) for value in values]
            line: dict[str, Any] = {"c": method.colour, "marker": method.marker, "label": method.label}
            line |= {"ls": "-", "lw": 1.2, "zorder": 3, **method.style}
            _per_interval(errors, surrogate.anchors, places, [s.error for s in scores], line)
            _per_interval(spreads, surrogate.anchors, places, [s.spread for s in scores], line)
        truth = [evaluation.at(SURROGATE, value).truth_spread for value in values]
        line = {"c": INK, "marker": "x", "ls": ":", "lw": 1.2, "zorder": 5, "label": "truth"}
        _per_interval(spreads, surrogate.anchors, places, truth, line)
        found = [s.error for s in evaluation.held_out]
        logarithmic = min(found) > 0
        if logarithmic:
            log_axis(errors, min(found), max(found))
        squared = f" [{units}²]" if units else ""
        errors.set(
            title=f"{evaluation.measure} against the truth: lower is better",
            ylabel=f"{evaluation.measure}{squared}{', log scale' if logarithmic else ''}",
        )
        spreads.set(title="spread: nearest to the truth's is better", ylabel=f"spread [{units}]" if units else "spread")
        for ax in (errors, spreads):
            _mark_anchors(ax, surrogate.anchors)
            ax.set_xlabel(label(schema.hyperparameter))
        legend(figure, spreads, columns=3)
    return Picture(
        "errors.png",
        "Errors at the held-out values",
        "Left: the error of every method; the surrogate is blue, and dotted verticals are the anchors, where methods "
        "start again. Right: how widely each method's outputs scatter; a spread well below the truth's is a collapse.",
    )


def draw_history(surrogate: "Surrogate", folder: Path) -> Picture:
    """What the fit recorded, one panel each: training curves, and bars of what has one value an interval."""
    recorded = {name: values for name, values in surrogate.history.items() if len(values) > 1}
    columns = min(3, len(recorded))
    rows = -(-len(recorded) // columns)
    height = 2.8
    if surrogate.schema.further_hyperparameters and set(recorded) & BY_INTERVAL:
        height = max(height, 1 + 0.2 * len(surrogate.mesh.edges))
    with drawing(folder / "fit.png", rows, columns, width=min(4.6, 9.2 / columns), height=height) as (_, axes):
        for ax, (name, values) in zip(axes.flat, recorded.items(), strict=False):
            title = name.replace("_", " ")
            if name in BY_INTERVAL:
                _bars(ax, surrogate, values, f"{title} (standardised)")
                continue
            ax.plot(np.arange(1, len(values) + 1), values, c=BLUE, lw=1.4)
            logarithmic = min(values) > 0 and max(values) > 10 * min(values)
            if logarithmic:
                log_axis(ax, min(values), max(values))
            ax.set(xlabel="recorded step", ylabel=title + (", log scale" if logarithmic else ""))
        for ax in axes.flat[len(recorded) :]:
            ax.remove()
    sentences = []
    if set(recorded) - BY_INTERVAL:
        sentences.append("Curves, recorded step by step, should have levelled off by their right end.")
    if set(recorded) & BY_INTERVAL:
        sentences.append("Bars give the maps' mean squared error between coupled samples of neighbouring anchors.")
    return Picture("fit.png", "How the fit went", " ".join(sentences))


def _bars(ax: "Axes", surrogate: "Surrogate", values: Sequence[float], title: str) -> None:
    """One bar an interval, each named by its anchors; with several hyperparameters one an edge of their mesh."""
    if surrogate.schema.further_hyperparameters:
        _edge_bars(ax, surrogate, values, title)
        return
    names = [f"{number(left)} to {number(right)}" for left, right in pairwise(surrogate.anchors)]
    ax.bar(np.arange(len(values)), values, width=0.5, color=BLUE)
    ax.set_xticks(np.arange(len(values)), names)
    ax.set_xlabel(f"interval of {surrogate.schema.hyperparameter.name}")
    ax.set_ylabel(title)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _edge_bars(ax: "Axes", surrogate: "Surrogate", values: Sequence[float], title: str) -> None:
    ends = [f"({', '.join(map(number, vertex))})" for vertex in surrogate.vertices]
    names = [f"{ends[a]} to {ends[b]}" for a, b in surrogate.mesh.edges]
    ax.barh(np.arange(len(values)), values, height=0.6, color=BLUE)
    ax.set_yticks(np.arange(len(values)), names, fontsize="small")
    ax.invert_yaxis()
    ax.set_xlabel(title)
    ax.set_ylabel(f"edge of ({', '.join(column.name for column in surrogate.schema.hyperparameters)})")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _per_interval(
    ax: "Axes", anchors: tuple[float, ...], values: Sequence[float], figures: Sequence[float], line: dict[str, Any]
) -> None:
    """Draw a line that breaks at the anchors: errors fall towards 0 there, which a joined line would hide."""
    intervals = np.array([Anchors(anchors).interval(value) for value in values])
    for k in np.unique(intervals):
        ax.plot(np.array(values)[intervals == k], np.array(figures)[intervals == k], **line)


def _mark_anchors(ax: "Axes", anchors: tuple[float, ...]) -> None:
    for anchor in anchors:
        ax.axvline(anchor, c=PALE, lw=0.9, ls=":", zorder=1)
