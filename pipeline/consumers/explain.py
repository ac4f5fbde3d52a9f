"""How the outputs at one condition move as λ moves: means and bands over draws that keep their numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.consumers.tables import columns_of, read_portions
from pipeline.data.mesh import Grid
from pipeline.errors import ConfigurationError, DataError
from pipeline.serving.frames import read_conditions

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

BAND = (0.05, 0.95)
"""The quantiles of the draws between which a band lies."""
LEVELS = "▁▂▃▄▅▆▇█"
PORTION = 65_536
MOST_PANELS, LINES = 9, 12
"""Outputs, and draws of each, that a picture shows."""


@dataclass(frozen=True, eq=False)
class Course:
    """Outputs at one condition (C,) along one hyperparameter.

    name: of that one; fixed: the values of the others. values: λ (L,), the anchors' among them. draws: (L, M, D), a
    draw's number being its own at every λ. mean, low, high: (L, D) over draws. anchors: of the hyperparameter.
    """

    name: str
    fixed: dict[str, float]
    condition: NDArray[np.float64]
    values: NDArray[np.float64]
    draws: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    anchors: tuple[float, ...]


def read_condition(surrogate: "Surrogate", source: Path, row: int) -> NDArray[np.float64]:
    """The condition (C,) in a row of a table, counted from 0; DataError where there is none."""
    columns, before = surrogate.schema.conditions, 0
    names = [column.name for column in columns]
    if missing := [name for name in names if name not in columns_of(source)]:
        raise DataError(f"{source}: columns {missing} are missing; conditions are {names}")
    for frame in read_portions(source, names, [c.name for c in columns if c.categories], PORTION):
        if row < before + len(frame):
            return np.asarray(read_conditions(frame[names].iloc[[row - before]], columns)[0])
        before += len(frame)
    raise DataError(f"{source} has {before} rows; there is no row {row}, counted from 0")


def follow(
    surrogate: "Surrogate",
    condition: NDArray[np.float64],
    fixed: Mapping[str, float] | None = None,
    *,
    steps: int = 41,
    draws: int = 64,
    seed: int = 0,
) -> Course:
    """The course of the outputs at a condition (C,), along the one hyperparameter that `fixed` does not name.

    steps: values of λ, evenly from the first anchor to the last, to which the anchors are added. Raises
    ConfigurationError where not all but one hyperparameter are fixed, HyperparameterError for a value that is outside.
    """
    axes, fixed = surrogate.mesh.axes, dict(fixed or {})
    free = [p for p, axis in enumerate(axes) if axis.name not in fixed]
    names = [axis.name for axis in axes]
    if len(free) != 1 or set(fixed) - set(names):
        raise ConfigurationError(f"fixed are {sorted(fixed)} of the hyperparameters {names}; fix all but one of them")
    along = axes[free[0]]
    values = np.union1d(np.linspace(along.values[0], along.values[-1], steps), along.values)
    asked = np.column_stack(
        [values if p == free[0] else np.full(len(values), fixed[a.name]) for p, a in enumerate(axes)]
    )
    if not isinstance(surrogate.mesh, Grid):  # of scattered anchors' hull a line may cross only a part
        inside = surrogate.mesh.cell_rows(asked) >= 0
        values, asked = values[inside], asked[inside]
    samples = surrogate.sample(
        np.tile(condition, (len(values), 1)), asked, draws=draws, seed=seed, occurrence=np.zeros(len(values), np.intp)
    )
    drawn = np.asarray(samples, np.float64)
    mean, low, high = _summary(drawn, np.array(surrogate.schema.periods))
    return Course(along.name, fixed, condition, values, drawn, mean, low, high, along.values)


def _summary(draws: NDArray[np.float64], periods: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Means and bands (L, D) of draws (L, M, D); of angles about their mean direction."""
    centre = draws.mean(1)
    for i in np.flatnonzero(periods):
        turn = 2j * np.pi / periods[i]
        centre[:, i] = np.angle(np.exp(turn * draws[..., i]).mean(1)) / turn.imag
    apart = draws - centre[:, None]
    wraps = periods > 0
    apart[..., wraps] -= periods[wraps] * np.round(apart[..., wraps] / periods[wraps])
    low, high = np.quantile(apart, BAND, axis=1)
    return centre, centre + low, centre + high


def sparkline(values: NDArray[np.float64]) -> str:
    """Numbers (L,) as a line of blocks, from the least to the greatest."""
    low, high = values.min(), values.max()
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    return "".join(LEVELS[min(int(s * len(LEVELS)), len(LEVELS) - 1)] for s in share)


def draw(surrogate: "Surrogate", course: Course, path: Path) -> None:
    """Draw a course as PNG: an output a panel, with its band, single draws, anchors, and where λ is not trusted."""
    from pipeline.report.style import BLUE, INK, PALE, describe, drawing, label, legend
    from pipeline.storage.atomic import atomic_file

    outputs = surrogate.schema.outputs[:MOST_PANELS]
    columns = min(3, len(outputs))
    rows = -(-len(outputs) // columns)
    by_name = {column.name: column for column in surrogate.schema.hyperparameters}
    with (
        atomic_file(path) as temporary,
        drawing(temporary, rows, columns, width=4.2, height=3.0) as (figure, axes),
    ):
        for ax, (i, column) in zip(axes.flat, enumerate(outputs), strict=False):
            ax.fill_between(course.values, course.low[:, i], course.high[:, i], color=BLUE, alpha=0.2, label="90 %")
            if not surrogate.deterministic:
                ax.plot(course.values, course.draws[:, :LINES, i], color=BLUE, alpha=0.35, lw=0.6)
            ax.plot(course.values, course.mean[:, i], color=BLUE, lw=2, label="mean")
            for k, anchor in enumerate(course.anchors):
                ax.axvline(anchor, color=INK, lw=0.8, ls=":", label=None if k else "anchors")
            for region in surrogate.certificate:
                if region.status != "trusted":
                    ax.axvspan(region.low, region.high, color=PALE, alpha=0.25, lw=0, label="not trusted, or untested")
            ax.set_xlabel(label(by_name[course.name]))
            ax.set_ylabel(label(column))
        for ax in axes.flat[len(outputs) :]:
            ax.set_visible(False)
        axes[0, 0].set_title(describe(course.condition, surrogate.schema.conditions))
        legend(figure, axes[0, 0])
