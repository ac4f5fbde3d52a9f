"""Fan charts: what a forecast looks like at every λ at once, from the surrogate and from the trained networks."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pipeline.harvest import Harvest
from pipeline.validation.comparison import Sample
from pipeline.validation.panels import Panel, value_at
from pipeline.validation.style import INK, Picture, drawing, number, spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline.surrogate import Surrogate


def draw_fans(surrogate: "Surrogate", score: Harvest, panels: list[Panel], folder: Path) -> Picture:
    """A row a context: history, then the bands between neighbouring λ; the surrogate left, trained networks right."""
    schema, values = score.schema, score.hyperparameter
    titles = ("surrogate", "trained networks (truth)")
    makers: tuple[Callable[[Panel, float], Sample], ...] = (
        lambda panel, value: value_at(surrogate, score, panel, value),
        lambda panel, value: panel.sample(score, value),
    )
    colours = matplotlib.colormaps["cividis"](np.linspace(0.05, 0.95, len(values) - 1))
    with drawing(folder / "fans.png", len(panels), 2, width=4.4, height=2.5, sharex=True, sharey="row") as (figure, axes):
        for row, panel in zip(axes, panels, strict=True):
            for ax, title, make in zip(row, titles, makers, strict=True):
                fan = np.stack([make(panel, value).outputs[0] for value in values.tolist()])
                _fan(ax, np.asarray(panel.condition, np.float64), fan, colours)
                ax.set_title(f"{title}, {panel.title}")
            row[0].set_ylabel(f"value [{schema.outputs[0].units}]" if schema.outputs[0].units else "value")
        names = [c.name for c in (*schema.conditions, *schema.outputs)]
        ticks = spaced(len(names), 8)
        for ax in axes[-1]:
            ax.set_xticks(ticks, [names[i] for i in ticks], rotation=45, ha="right")
            ax.set_xlabel("time step")
        edges = [number(v) for v in values.tolist()]
        patches = [Patch(color=c, label=f"{a} to {b}") for c, a, b in zip(colours, edges[:-1], edges[1:], strict=True)]
        name = schema.hyperparameter.name
        figure.legend(handles=patches, title=f"between {name} =", loc="outside upper center", ncols=min(6, len(patches)))
    return Picture(
        "fans.png",
        "Fan charts",
        f"History as the black line, then the bands between the outputs at neighbouring values of {name}. The two columns "
        "should look alike: the left one comes from the anchors' networks alone, the right one needed a network at every "
        "edge of a band. At the anchors the two are the same network.",
    )


def _fan(ax: "Axes", history: NDArray[np.float64], fan: NDArray[np.floating], colours: NDArray[np.float64]) -> None:
    """history (C,), fan (number of λ, D): bands open from the last value of the history."""
    now = len(history) - 1
    times = np.arange(now, now + fan.shape[1] + 1)
    edges = np.column_stack([np.full(len(fan), history[-1]), fan])
    for lower, upper, colour in zip(edges[:-1], edges[1:], colours, strict=True):
        ax.fill_between(times, lower, upper, color=colour, lw=0, alpha=0.9)
    ax.plot(times, edges[[0, -1]].T, c=INK, lw=0.6)
    ax.plot(np.arange(now + 1), history, c=INK, lw=1.6, marker="o", ms=2.5)
    ax.axvline(now, c=INK, lw=0.6, ls=":")
