"""Pictures of outputs that are images: one draw followed as λ moves, and how much the draws of a condition vary."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.served import TRANSPORT, drawn, served_by
from pipeline.report.panels import Panel
from pipeline.report.style import Picture, drawing, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline.surrogate import Surrogate

_GAP = 1
"""Pixels between two images of a strip."""


@dataclass(frozen=True, eq=False)
class Followed:
    """The draws of one panel at all λ, moved (n, M, D) as the surrogate serves them, beside the truth.

    truth: the samples at each of the M λ. partner (n, M): the row of the truth that exact transport pairs with a draw.
    """

    moved: NDArray[np.floating]
    truth: tuple[Sample, ...]
    partner: NDArray[np.intp]

    @classmethod
    def of(cls, surrogate: "Surrogate", score: Harvest, panel: Panel, comparison: Comparison) -> "Followed":
        """Move the panel's draws, and pair them with the truth at every λ."""
        values = score.hyperparameter.tolist()
        start = panel.sample(score, values[0])
        moved = _moved(surrogate, score, start, values)
        truth = tuple(panel.sample(score, value) for value in values)
        partner = [partner_rows(comparison, Sample(moved[:, m], start.conditions), t) for m, t in enumerate(truth)]
        return cls(moved, truth, np.stack(partner, axis=1))

    @property
    def partners(self) -> NDArray[np.floating]:
        """The truth's images (n, M, D), each in its partner's place."""
        return np.stack([t.outputs[self.partner[:, m]] for m, t in enumerate(self.truth)], axis=1)

    @property
    def median_draw(self) -> int:
        """The draw whose mean squared error against its partners is the median one: neither a good nor a bad one."""
        errors = np.square(self.moved - self.partners).mean(axis=(1, 2))
        return int(np.argsort(errors, kind="stable")[(len(errors) - 1) // 2])


def draw_images(
    surrogate: "Surrogate", score: Harvest, panels: list[Panel], comparison: Comparison, folder: Path
) -> list[Picture]:
    """Images as λ moves, and where the draws are stochastic their deviations: a strip a condition, a column a λ.

    In every strip the surrogate's row stands above the truth's.
    """
    followed = [Followed.of(surrogate, score, panel, comparison) for panel in panels]
    rows = [np.stack([f.moved[f.median_draw], f.partners[f.median_draw]]) for f in followed]
    limits = bounds(score, rows)
    _strips(folder / "movement.png", surrogate, score, panels, rows, limits)
    name = score.schema.hyperparameter.name
    pictures = [
        Picture(
            "movement.png",
            f"Images as {name} moves",
            f"One draw of the surrogate, followed through all values of {name}, above the truth's draw that exact "
            "transport pairs with it there. The truths at two values are draws of two networks, so their row may jump "
            "where the surrogate's cannot. Shown is the draw of median error.",
        )
    ]
    if min(len(f.moved) for f in followed) > 1 and comparison.kind != "matched":
        spread = [np.stack([f.moved.std(axis=0), np.stack([t.outputs.std(axis=0) for t in f.truth])]) for f in followed]
        _strips(folder / "deviations.png", surrogate, score, panels, spread, (0.0, float(np.max(spread))))
        pictures.append(
            Picture(
                "deviations.png",
                "Where images vary",
                "The standard deviation of every pixel over the draws of a condition, the darkest being "
                f"{number(float(np.max(spread)))}; the surrogate's row should be as dark as the truth's below it. "
                "Paler means that its draws are too much alike, darker that they vary too much.",
            )
        )
    return pictures


def _moved(surrogate: "Surrogate", score: Harvest, start: Sample, values: Sequence[float]) -> NDArray[np.floating]:
    """Every draw at all λ, (n, M, D): a draw keeps its number as λ moves."""
    if served_by(surrogate, score) == TRANSPORT:
        return surrogate.path(start.outputs, start.conditions, values[0], values)
    return np.stack([drawn(surrogate, start, value, 0).outputs for value in values], axis=1)


def mosaic(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Images (R, M, D) of D = side² pixels as one (R (side + 1) − 1, M (side + 1) − 1), NaN between them."""
    count, columns, pixels = rows.shape
    side = math.isqrt(pixels)
    tiles = np.full((count, columns, side + _GAP, side + _GAP), np.nan)
    tiles[:, :, :side, :side] = rows.reshape(count, columns, side, side)
    whole = tiles.transpose(0, 2, 1, 3).reshape(count * (side + _GAP), columns * (side + _GAP))
    return whole[:-_GAP, :-_GAP]


def _strips(
    path: Path,
    surrogate: "Surrogate",
    score: Harvest,
    panels: list[Panel],
    rows: list[NDArray[np.floating]],
    limits: tuple[float, float],
) -> None:
    columns = 1 if len(panels) == 1 else 2
    values = score.hyperparameter.tolist()
    width = max(3.0, 0.5 * len(values) + 0.9)
    with drawing(path, -(-len(panels) // columns), columns, width=width, height=1.75) as (_, axes):
        for ax, panel, images in zip(axes.flat, panels, rows, strict=False):
            ax.imshow(mosaic(images), cmap="Greys", vmin=limits[0], vmax=limits[1], interpolation="nearest")
            ax.set_title(panel.title, fontsize="small")
            _label(ax, surrogate, score, math.isqrt(images.shape[-1]))
        for ax in axes.flat[len(panels) - columns : len(panels)]:
            ax.set_xlabel(score.schema.hyperparameter.name, fontsize="small")
        for ax in axes.flat[len(panels) :]:
            ax.remove()


def _label(ax: "Axes", surrogate: "Surrogate", score: Harvest, side: int) -> None:
    values = score.hyperparameter.tolist()
    names = [number(v) + ("\nanchor" if v in surrogate.anchors else "") for v in values]
    middle = (side - 1) / 2
    ax.set_xticks(middle + np.arange(len(values)) * (side + _GAP), names, fontsize="x-small")
    ax.set_yticks([middle, middle + side + _GAP], ["surrogate", "truth"], fontsize="x-small")
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def partner_rows(comparison: Comparison, sample: Sample, truth: Sample) -> NDArray[np.intp]:
    """For every row of the sample (n,) the row of the truth that the coupling gives most of its weight to."""
    coupling = comparison.coupling(sample, truth)
    order = np.argsort(coupling.weight, kind="stable")  # of a row's pairs, the heaviest is written last
    partner = np.zeros(len(sample.outputs), np.intp)
    partner[coupling.left[order]] = coupling.right[order]
    return partner


def bounds(score: Harvest, rows: list[NDArray[np.floating]]) -> tuple[float, float]:
    """White and black: the outputs' bounds where they have common ones, else the range of what is shown."""
    lower, upper = ({getattr(c, side) for c in score.schema.outputs} for side in ("lower", "upper"))
    shown = np.concatenate([r.reshape(-1) for r in rows])
    low, high = (
        extreme if len(bound) > 1 or None in bound else bound.pop()
        for bound, extreme in ((lower, float(shown.min())), (upper, float(shown.max())))
    )
    return low, high
