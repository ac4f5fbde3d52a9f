"""Pictures of outputs as λ moves: anchors, truth and surrogate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.straight_line import METHOD as LINE
from pipeline.report.panels import Panel, contexts, value_at
from pipeline.report.style import BLUE, INK, PALE, Picture, drawing, label, legend, number, same_scale, spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline.surrogate import Surrogate

_POINTS_PER_INTERVAL = 33


def draw_clouds(surrogate: "Surrogate", score: Harvest, panels: list[Panel], folder: Path) -> Picture:
    """Small multiples for stochastic outputs: a row a held-out λ, a column a condition, the first two outputs."""
    values = [v for v in score.hyperparameter.tolist() if v not in surrogate.anchors]
    shown = [values[i] for i in spaced(len(values), 4)]
    schema = score.schema
    size = {"width": 2.9, "height": 2.8}
    with drawing(folder / "movement.png", len(shown), len(panels), **size, sharex="col", sharey="col") as (
        figure,
        axes,
    ):
        for row, value in zip(axes, shown, strict=True):
            for ax, panel in zip(row, panels, strict=True):
                _cloud(ax, surrogate, score, panel, value)
                ax.set_title(f"{schema.hyperparameter.name} = {number(value)}\n{panel.title}", fontsize="small")
            row[0].set_ylabel(label(schema.outputs[1]))
        for ax in axes.flat:
            same_scale(ax, schema.outputs[:2])
        for ax in axes[-1]:
            ax.set_xlabel(label(schema.outputs[0]))
        legend(figure, axes[0, 0], markerscale=1.8)
    return Picture(
        "movement.png",
        f"Where outputs are as {schema.hyperparameter.name} moves",
        "At every held-out value the blue dots (the surrogate) should lie where the black "
        "crosses (the truth, never seen in the fit) lie, as wide as they are. Grey triangles are the anchors' samples.",
    )


def draw_strips(surrogate: "Surrogate", score: Harvest, panels: list[Panel], folder: Path) -> Picture:
    """One stochastic output (D = 1): a panel a condition, samples beside each other at every λ."""
    schema, values = score.schema, score.hyperparameter
    step = float(np.diff(values).min())
    with drawing(folder / "movement.png", 1, len(panels), width=3.4, height=3.2, sharey=True) as (figure, axes):
        for ax, panel in zip(axes[0], panels, strict=True):
            for value in values.tolist():
                held_out = value not in surrogate.anchors
                truth = panel.sample(score, value).outputs[:, 0]
                name, marker = ("truth", "x") if held_out else ("anchor", "<")
                colour = INK if held_out else PALE
                ax.scatter(
                    np.full(len(truth), value - 0.12 * step * held_out), truth, c=colour, marker=marker, s=12, lw=0.7,
                    alpha=0.7, label=name,
                )  # fmt: skip
                if held_out:
                    moved = value_at(surrogate, score, panel, value).outputs[:, 0]
                    ax.scatter(
                        np.full(len(moved), value + 0.12 * step), moved, c=BLUE, s=10, lw=0, alpha=0.7,
                        label="surrogate",
                    )  # fmt: skip
            ax.set_title(panel.title, fontsize="small")
            ax.set_xlabel(label(schema.hyperparameter))
        axes[0, 0].set_ylabel(label(schema.outputs[0]))
        legend(figure, axes[0, 0])
    return Picture(
        "movement.png",
        f"Where the output is as {schema.hyperparameter.name} moves",
        "At every held-out value the blue dots (the surrogate) should reach as high and as low as the black crosses "
        "(the truth, never seen in the fit).",
    )


def draw_curves(surrogate: "Surrogate", score: Harvest, panels: list[Panel], folder: Path) -> Picture:
    """Deterministic outputs against λ: a row a context, a column an output (three at most)."""
    schema, anchors = score.schema, surrogate.anchors
    columns = spaced(len(schema.outputs), 3)
    with drawing(folder / "movement.png", len(panels), len(columns), width=3.6, height=2.5, sharex=True) as (
        figure,
        axes,
    ):
        for row, panel in zip(axes, panels, strict=True):
            at_anchors = [panel.sample(score, a).outputs[0] for a in anchors]
            held_out = [v for v in score.hyperparameter.tolist() if v not in anchors]
            truth = np.array([panel.sample(score, v).outputs[0] for v in held_out]).reshape(-1, len(schema.outputs))
            pieces = contexts(surrogate, score, panel, _POINTS_PER_INTERVAL)
            for ax, column in zip(row, columns, strict=True):
                ends = [y[column] for y in at_anchors]
                ax.plot(anchors, ends, ls="--", lw=1.2, c=LINE.colour, label=LINE.label)
                for k, piece in enumerate(pieces):
                    name = "surrogate" if k == 0 else None
                    ax.plot(piece.hyperparameter, piece.outputs[0, :, column], c=BLUE, lw=1.8, label=name)
                ax.plot(anchors, ends, "s", ms=6, c=PALE, mec=INK, label="anchor", clip_on=False)
                ax.plot(held_out, truth[:, column], "x", ms=6, mew=1.6, c=INK, label="truth, held out")
                ax.set_title(f"{schema.outputs[column].name}\n{panel.title}", fontsize="small")
            row[0].set_ylabel(label(schema.outputs[0]) if len(columns) == 1 else _common_units(schema.outputs[0].units))
        for ax in axes[-1]:
            ax.set_xlabel(label(schema.hyperparameter))
        legend(figure, axes[0, 0])
    return Picture(
        "movement.png",
        f"Outputs as {schema.hyperparameter.name} moves",
        "The blue curve (the surrogate) should pass through the black crosses (networks trained at the held-out "
        "values) and through every grey square (the anchors' own networks); the dashed line joins the squares. A "
        "discontinuity of the curve at a square is an error of the surrogate. The titles give its mean squared error "
        "in the context, over all outputs and held-out values.",
    )


def _cloud(ax: "Axes", surrogate: "Surrogate", score: Harvest, panel: Panel, value: float) -> None:
    k = Anchors(surrogate.anchors).interval(value)
    styles: list[tuple[str, Sample, dict[str, Any]]] = [
        (
            "left anchor",
            panel.sample(score, surrogate.anchors[k]),
            {"c": PALE, "marker": "<", "s": 10, "alpha": 0.6, "lw": 0},
        ),
        (
            "right anchor",
            panel.sample(score, surrogate.anchors[k + 1]),
            {"c": PALE, "marker": ">", "s": 10, "alpha": 0.6, "lw": 0},
        ),
        (
            "surrogate",
            value_at(surrogate, score, panel, value),
            {"c": BLUE, "s": 16, "alpha": 0.7, "lw": 0},
        ),
        ("truth", panel.sample(score, value), {"c": INK, "marker": "x", "s": 14, "lw": 0.7}),
    ]
    for name, sample, style in styles:
        ax.scatter(sample.outputs[:, 0], sample.outputs[:, 1], label=name, **style)


def _common_units(units: str) -> str:
    return f"output [{units}]" if units else "output"
