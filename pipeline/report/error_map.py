"""The error map: where among the anchors of several hyperparameters the surrogate is good, and where it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipeline.data.mesh import Value
from pipeline.data.values import numbers
from pipeline.evaluation.methods.catalog import by_name
from pipeline.evaluation.scores import SURROGATE, Evaluation
from pipeline.report.plane import Plane, Point
from pipeline.report.style import BLUE, INK, Picture, drawing, legend, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 24
"""The most held-out λ of a map that have their numbers beside them."""
_RATIOS = LinearSegmentedColormap.from_list("ratios", [BLUE, "white", "#D55E00"])
_NARROWEST = 2.0
"""Ratios between this and its inverse never exhaust the colours: small differences look small."""
_WIDEST = 10.0
"""Ratios beyond this, or below its inverse, have the last colour: one of them leaves the others theirs."""
_DECADE = 10.0


@dataclass(frozen=True, eq=False)
class Shown:
    """Figures of the held-out λ in one column of maps, and their colours."""

    title: str
    label: str
    figures: Mapping[Value, float]
    colours: "str | Colormap"
    norm: Normalize

    @property
    def mappable(self) -> ScalarMappable:
        """Numbers to colours."""
        return ScalarMappable(self.norm, self.colours)


def draw_error_map(plane: Plane, evaluation: Evaluation, folder: Path) -> Picture:
    """A row a pair of coordinates; columns: the surrogate's error, its ratio to the best baseline's, and the spread's.

    Held-out λ that fall on one point of a pair are shown as one, by their mean.
    """
    shown = _columns(plane, evaluation)
    with drawing(folder / "errors.png", len(plane.pairs), len(shown), width=4.3, height=4.2) as (figure, axes):
        for ax, column in zip(axes[0], shown, strict=True):
            ax.set_title(column.title)
        for row, pair in zip(axes, plane.pairs, strict=True):
            for ax, column in zip(row, shown, strict=True):
                plane.draw_mesh(ax, pair)
                _circles(ax, column, pair)
                ax.margins(0.14)
                ax.grid(visible=False)
        for column, maps in zip(shown, axes.T, strict=True):
            _colour_bar(figure, maps.tolist(), column)
        legend(figure, axes[0, 0])
    return Picture("errors.png", "Errors over the hyperparameters", _caption(plane, evaluation, len(shown)))


def best_baselines(evaluation: Evaluation) -> dict[Value, str]:
    """The baseline with the smallest error at every held-out λ; {} where none was scored."""
    known = by_name()
    names = [name for name in evaluation.methods if known[name].role == "baseline"]
    if not names:
        return {}
    return {v: min(names, key=lambda name: evaluation.at(name, v).error) for v in evaluation.hyperparameters}


def _columns(plane: Plane, evaluation: Evaluation) -> list[Shown]:
    units = plane.score.schema.outputs[0].units
    errors = evaluation.surrogate
    name = f"{evaluation.measure} [{units}²]" if units else evaluation.measure
    shown = [Shown("error of the surrogate", name, errors, "viridis_r", _error_norm(list(errors.values())))]
    best = {value: evaluation.at(name, value).error for value, name in best_baselines(evaluation).items()}
    ratios = {value: errors[value] / best[value] for value in best if best[value] > 0 and errors[value] > 0}
    if ratios:
        shown.append(_ratios("error over the best baseline's", "surrogate's error / best baseline's", ratios))
    if evaluation.comparison != "matched":
        found = {value: evaluation.at(SURROGATE, value) for value in evaluation.hyperparameters}
        spreads = {v: s.spread / s.truth_spread for v, s in found.items() if s.truth_spread > 0 and s.spread > 0}
        if spreads:
            shown.append(_ratios("spread over the truth's", "surrogate's spread / the truth's", spreads))
    return shown


def _error_norm(errors: list[float]) -> Normalize:
    """Logarithmic where errors differ by orders of magnitude."""
    low, high = min(errors), max(errors)
    return LogNorm(low, high) if low > 0 and high > _DECADE * low else Normalize(0.0, high or 1.0)


def _ratios(title: str, name: str, ratios: Mapping[Value, float]) -> Shown:
    reach = min(max(_NARROWEST, *(max(ratio, 1 / ratio) for ratio in ratios.values())), _WIDEST)
    return Shown(title, name, ratios, _RATIOS, LogNorm(1 / reach, reach))


def _circles(ax: "Axes", shown: Shown, pair: tuple[int, int]) -> None:
    found: dict[Point, list[float]] = {}
    for value, figure in shown.figures.items():
        found.setdefault(tuple(numbers(value)[p] for p in pair), []).append(figure)
    means = [float(np.mean(figures)) for figures in found.values()]
    across, up = np.array(list(found)).T
    ax.scatter(
        across, up, c=means, cmap=shown.colours, norm=shown.norm, s=150, edgecolors=INK, lw=0.8, zorder=4,
        label="held-out λ",
    )  # fmt: skip
    if len(found) > NAMED:
        return
    for x, y, mean in zip(across, up, means, strict=True):
        ax.annotate(
            number(float(f"{mean:.2g}")), (x, y), xytext=(0, 8), textcoords="offset points", fontsize="small", zorder=5,
            ha="center", path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def _colour_bar(figure: Any, maps: "list[Axes]", shown: Shown) -> None:
    low, high = float(shown.norm.vmin or 0), float(shown.norm.vmax or 0)
    found = shown.figures.values()
    ends = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    beyond = ends[min(found) < low, max(found) > high]
    bar = figure.colorbar(
        shown.mappable, ax=maps, label=shown.label, location="bottom", shrink=0.85, aspect=28, extend=beyond
    )
    if isinstance(shown.norm, LogNorm):
        bar.ax.xaxis.set_major_locator(FixedLocator(_ticks(low, high)))
        bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers in [low, high]: 1, 2 and 5 of every decade, or powers of 10 over three decades or more."""
    decades = np.arange(np.floor(np.log10(low)) - 1, np.ceil(np.log10(high)) + 1)
    subs = (1, 2, 5) if high < 1e3 * low else (1,)
    ticks = np.outer(10.0**decades, subs).ravel()
    return [float(tick) for tick in ticks if low <= tick <= high]


def _caption(plane: Plane, evaluation: Evaluation, columns: int) -> str:
    text = (
        "White squares are the anchors, joined by the edges of their mesh; circles are the held-out λ. Left: the "
        "surrogate's error, the darker the larger."
    )
    best = list(best_baselines(evaluation).values())
    if best and columns > 1:
        known = by_name()
        names = sorted(set(best), key=best.count, reverse=True)
        wins = "; ".join(f"{known[name].label_for(len(plane.columns))} (at {best.count(name)} λ)" for name in names)
        text += (
            " Beside it: that error over the best baseline's at the same λ; blue, below 1, is where the surrogate is "
            f"better. The best baseline: {wins}."
        )
    if evaluation.comparison != "matched":
        text += " Right: the surrogate's spread over the truth's; well below 1 is a collapse."
    if len(plane.pairs) > 1:
        text += " λ that fall on one point of a panel are shown there by their mean."
    return text
