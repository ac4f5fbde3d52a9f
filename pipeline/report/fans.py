"""Fan charts: the forecasts at every λ at once, from the surrogate and from the trained networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Sample
from pipeline.report.panels import Panel, value_at
from pipeline.report.style import INK, Picture, drawing, number, spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.surrogate import Surrogate


def draw_fans(surrogate: "Surrogate", score: Harvest, panels: list[Panel], folder: Path) -> Picture:
    """A row a context: history, then the bands between neighbouring λ; the surrogate left, trained networks right."""
    schema, values = score.schema, score.hyperparameter.tolist()
    history = max(4, 2 * len(schema.outputs))
    colours = matplotlib.colormaps["cividis"](np.linspace(0.05, 0.95, len(values) - 1))
    with drawing(folder / "fans.png", len(panels), 2, width=4.4, height=2.6, sharex=True, sharey="row") as (
        figure,
        axes,
    ):
        for (ours, trained), panel in zip(axes, panels, strict=True):
            past = np.asarray(panel.condition, np.float64)[-history:]
            fan = _edges(past, [value_at(surrogate, score, panel, value) for value in values])
            truth = _edges(past, [panel.sample(score, value) for value in values])
            _fan(ours, past, fan, colours)
            _fan(trained, past, truth, colours)
            ours.plot(np.arange(len(past) - 1, len(past) - 1 + truth.shape[1]), truth.T, c="white", lw=2.6)
            ours.plot(np.arange(len(past) - 1, len(past) - 1 + truth.shape[1]), truth.T, c=INK, lw=1, ls="--")
            ours.set(title=f"surrogate\n{panel.title}", ylabel=_value(schema.outputs[0].units))
            trained.set_title("trained networks\nthe same context")
        names = [c.name for c in (*schema.conditions[-history:], *schema.outputs)]
        ticks = spaced(len(names), 10)
        for ax in axes[-1]:
            ax.set_xticks(ticks, [names[i] for i in ticks], rotation=45, ha="right")
            ax.set_xlabel("time step")
        _legend(figure, schema.hyperparameter.name, values, colours)
    name = schema.hyperparameter.name
    return Picture(
        "fans.png",
        "Fan charts",
        f"The recent history as a black line, then the bands between the outputs at neighbouring values of {name}. The "
        "left fan is the surrogate's, from the anchors' networks alone; the right one needed a network at every edge "
        "of a band. Its edges are repeated on the left as dashed lines, where the colours should change.",
    )


def _edges(past: NDArray[np.float64], samples: Sequence[Sample]) -> NDArray[np.float64]:
    """The bands' edges (number of λ, 1 + D): they open from the last value of the past."""
    outputs = np.stack([sample.outputs[0] for sample in samples])
    return np.column_stack([np.full(len(outputs), past[-1]), outputs])


def _fan(ax: "Axes", past: NDArray[np.float64], edges: NDArray[np.float64], colours: NDArray[np.float64]) -> None:
    times = np.arange(len(past) - 1, len(past) - 1 + edges.shape[1])
    for lower, upper, colour in zip(edges[:-1], edges[1:], colours, strict=True):
        ax.fill_between(times, lower, upper, color=colour, lw=0)
    ax.plot(np.arange(len(past)), past, c=INK, lw=1.6, marker="o", ms=3)


def _value(units: str) -> str:
    return f"value [{units}]" if units else "value"


def _legend(figure: "Figure", name: str, values: Sequence[float], colours: NDArray[np.float64]) -> None:
    handles: list[Artist] = [
        Patch(color=colour, label=f"{name} {number(lower)} to {number(upper)}")
        for colour, lower, upper in zip(colours, values[:-1], values[1:], strict=True)
    ]
    handles.append(Line2D([], [], c=INK, lw=1, ls="--", label="trained networks' edges"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
