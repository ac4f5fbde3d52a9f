"""The order of several hyperparameters, in which draws are coupled and geodesics nested inside cells.

With straight paths of deterministic networks no order matters. Else the middle value of every hyperparameter is left
out, surrogates with every order are fitted to the rest, and the vertex in the middle, which then lies inside a cell, is
predicted by each. The declared order is kept unless another saves the share GAIN of its error. Where a hyperparameter
has no interior value, no order can be left out: the declared one is a prior. How far the answers inside cells depend on
the order is measured wherever it is not named.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.clocks.leave_one_out import group_errors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid
from pipeline.data.samples import group_rows
from pipeline.surrogate.choice import GAIN
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.draws import Rows
from pipeline.surrogate.ends import Ends
from pipeline.surrogate.fitted import Candidate
from pipeline.surrogate.trajectory import Trajectories
from pipeline.transport.column_kinds import on_circles
from pipeline.transport.standardise import Standardiser

if TYPE_CHECKING:
    from pipeline.surrogate.model import Surrogate

Fitted = Callable[[Harvest, SurrogateConfig], "Surrogate"]
Order = tuple[str, ...]

ORDER = "order "
"""What the names of these candidates begin with."""
EFFECT_DRAWS = 8
"""Draws of a condition on which the effect of the order is measured."""


def declared_order(harvest: Harvest, config: SurrogateConfig) -> SurrogateConfig:
    """The configuration with the order that it names, or that of the harvest's hyperparameters."""
    names = tuple(column.name for column in harvest.schema.hyperparameters)
    return config if config.order != "auto" else config.model_copy(update={"order": names})


def choose_order(harvest: Harvest, full: "Surrogate", fitted: Fitted) -> tuple[Order, list[Candidate]]:
    """The order of the coordinates for a harvest, and the record of the comparison.

    full: a surrogate of the harvest, in the declared order, whose settings those of all comparisons are. fitted: fits a
    surrogate to a harvest by a configuration.
    """
    declared, grid = tuple(full.config.order), harvest.grid()
    if grid is None:
        return declared, []
    if full.deterministic and full.config.variant == "K_I":
        return declared, [Candidate(_name(declared), chosen=True, remark="straight paths do not depend on it")]
    if min(grid.numbers.shape) < 3:
        remark = "no interior value of every hyperparameter: the declared order"
        return declared, [Candidate(_name(declared), chosen=True, remark=remark)]
    rest, left_out = _without_middles(harvest, grid)
    orders = [declared, *(order for order in permutations(declared) if order != declared)]
    errors = {}
    for order in orders:
        errors[order] = _error(fitted(rest, full.config.model_copy(update={"order": order})), harvest, left_out)
    best = min(errors, key=lambda order: errors[order])
    chosen = best if errors[declared] - errors[best] > GAIN * errors[declared] else declared
    return chosen, [Candidate(_name(order), error, chosen=order == chosen) for order, error in errors.items()]


def with_effect(record: list[Candidate], effect: float) -> tuple[Candidate, ...]:
    """The record with the effect of the order in the remark of the chosen one."""
    text = f"nested the other way, points inside cells differ by {100 * effect:.1f} % of the corners' distances"
    return tuple(replace(c, remark=f"{c.remark}; {text}" if c.remark else text) if c.chosen else c for c in record)


def _name(order: Order) -> str:
    return ORDER + ", ".join(order)


def _without_middles(harvest: Harvest, grid: Grid) -> tuple[Harvest, int]:
    """The harvest without the middle value of every hyperparameter, and the number of the vertex at all of them."""
    middles = [n // 2 for n in grid.numbers.shape]
    kept = grid.numbers
    for p, middle in enumerate(middles):
        kept = np.delete(kept, middle, axis=p)
    values = [harvest.values[k] for k in kept.reshape(-1).tolist()]
    return harvest.select(values), int(grid.numbers[tuple(middles)])


def _error(surrogate: "Surrogate", harvest: Harvest, vertex: int) -> float:
    """The energy distance of the surrogate's draws to the harvest's at a vertex, standardised, over conditions."""
    y, x = harvest.outputs[vertex], harvest.conditions[vertex]
    order = np.argsort(group_rows(x)[0], kind="stable")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this surrogate carries no networks")
        drawn = surrogate.sample(x, np.array([harvest.vertices[vertex]]), draws=1, seed=0)[:, 0]
    scaling = Standardiser.of(harvest)
    scale, period = scaling.output_scale.numpy(), scaling.standard_period.numpy()
    groups = group_rows(x)[0][order]
    predicted, truth = (on_circles(np.asarray(some, np.float64)[order] / scale, period) for some in (drawn, y))
    return float(group_errors(predicted[:, None], truth, groups).mean())


@torch.no_grad()
def order_effect(curves: Trajectories, ends: Ends, x: NDArray[np.float64]) -> float:
    """As `Surrogate.order_effect`, of curves between the draws of `ends`, at conditions x (N, C)."""
    mesh = curves.mesh
    if not isinstance(mesh, Grid) or len(mesh.axes) == 1:
        return 0.0
    backwards = replace(curves, mesh=replace(mesh, order=mesh.order[::-1]))
    condition = curves.parts.scaling.condition(curves.given(np.repeat(x, EFFECT_DRAWS, axis=0)))
    difference = size = 0.0
    for cell in range(mesh.cell_count):
        corners = mesh.corners(cell)
        outputs = ends.outputs(corners, x, Rows.of(x), EFFECT_DRAWS, 0)
        flat = [curves.given(np.asarray(y, np.float64).reshape(len(condition), -1)) for y in outputs]
        points = curves.corners(cell, flat, condition)
        centre = np.mean([mesh.vertices[c] for c in corners], axis=0)
        at = np.repeat(centre[None], len(condition), axis=0)
        one, other = (some.within(cell, points, at, condition) for some in (curves, backwards))
        difference += float((one - other).square().sum())
        stacked = torch.stack(points)
        size += float((stacked - stacked.mean(0)).square().sum(-1).mean(0).sum())
    return float(np.sqrt(difference / size)) if size else 0.0


def shown_conditions(harvest: Harvest, most: int = 32) -> NDArray[np.float64]:
    """At most `most` distinct conditions (n, C) of the harvest, on which the effect is measured."""
    x = np.asarray(harvest.conditions[0], np.float64)
    first = np.unique(group_rows(x)[0], return_index=True)[1]
    chosen = first[np.linspace(0, len(first) - 1, min(most, len(first))).round().astype(int)]
    return np.asarray(x[chosen])
