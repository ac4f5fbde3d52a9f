"""Leave-one-anchor-out error as a function of the path position s.

Each interior anchor is left out in turn. Its neighbours' samples, coupled within shared conditions, are interpolated on
straight lines; the error against the anchor's own samples at each s of a grid is the curve that clocks are chosen by.
Held-out λ are not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pipeline.data.harvest import Harvest
from pipeline.storage.checkpoint import once
from pipeline.transport.column_kinds import nearest_turn, squared_arcs
from pipeline.transport.coupling import squared_distances
from pipeline.transport.standardise import Standardiser

POSITIONS = np.linspace(0.0, 1.0, 41)
"""The grid of s. Curves are interpolated by parabolas, which they nearly are."""

MOST_CONDITIONS = 2048
MOST_DRAWS = 256
"""Limits on conditions, and on draws of one condition: more change little, and exact transport is slow."""
MOST_STOCHASTIC = 4096
"""Limit on rows in all where draws of a condition have to be matched."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The error curves of one left-out anchor.

    anchor: its number. errors: (R, 41), standardised errors of R rows at every s of POSITIONS: squared errors averaged
    over the outputs, or contributions to an energy distance. conditions: (R,), the row of the harvest's first anchor
    with the same condition; rows of one condition are contiguous.
    """

    anchor: int
    errors: NDArray[np.float64]
    conditions: NDArray[np.intp]

    def at(self, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Errors (R, M) at positions (M,), or (R, M), in [0, 1]: parabolas through the three nearest grid points."""
        step = POSITIONS[1]
        centre = np.clip(np.rint(np.asarray(positions) / step).astype(int), 1, len(POSITIONS) - 2)
        t = np.asarray(positions) / step - centre
        rows = np.arange(len(self.errors))[:, None]
        before, here, after = (self.errors[rows, centre + shift] for shift in (-1, 0, 1))
        return np.asarray(here + 0.5 * t * (after - before) + 0.5 * t * t * (after - 2 * here + before))


def leave_anchors_out(harvest: Harvest, deterministic: bool) -> list[LeftOut]:
    """Curves of every interior anchor; empty for two anchors, or where the anchors do not share their conditions."""
    groups = harvest.groups
    if len(groups) < 3 or not harvest.shared:
        return []
    scale = _scale(harvest)
    rows = _thin(groups, 1 if deterministic else MOST_DRAWS, MOST_CONDITIONS if deterministic else MOST_STOCHASTIC)
    outputs = [y[kept] / scale for y, kept in zip(harvest.outputs, rows, strict=True)]
    curves = _deterministic_curves if deterministic else _stochastic_curves
    group, period = groups[0][rows[0]], np.array(harvest.schema.periods) / scale
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    conditions = rows[0][first][number]
    return [
        LeftOut(
            k,
            once(partial(curves, outputs[k - 1], outputs[k], outputs[k + 1], group, period), "left-out anchor"),
            conditions,
        )
        for k in range(1, len(groups) - 1)
    ]


def _scale(harvest: Harvest) -> NDArray[np.float64]:
    """The divisor of each output: outputs of one unit, or within the same bounds, share one.

    With a scale per column, columns that hardly vary (an image's border) would weigh as much as the others.
    """
    kinds = {(column.units, column.lower, column.upper) for column in harvest.schema.outputs}
    units, *bounds = next(iter(kinds))
    if len(kinds) == 1 and (units or None not in bounds):
        deviations = np.concatenate(harvest.outputs).astype(np.float64).std(0)
        size = float(np.sqrt(np.mean(deviations**2)))
        return np.full(len(deviations), size if size > 0 else 1.0)
    return np.asarray(Standardiser.of(harvest).output_scale.numpy(), np.float64)


def _thin(groups: Sequence[NDArray[np.intp]], most_draws: int, most_rows: int) -> list[NDArray[np.intp]]:
    """Rows of every anchor, ordered by condition, with equally many of a condition at all anchors.

    At most `most_draws` of each condition; conditions are added at random until `most_rows` is reached.
    """
    counts = np.stack([np.bincount(group) for group in groups])
    limit = np.minimum(counts.min(0), most_draws)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(limit))
    limit[order[1 + np.searchsorted(np.cumsum(limit[order]), most_rows) :]] = 0
    kept = []
    for group, count in zip(groups, counts, strict=True):
        shuffled = generator.permutation(len(group))
        by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
        rank = np.arange(len(by_group)) - np.repeat(np.cumsum(count) - count, count)
        kept.append(by_group[rank < limit[group[by_group]]])
    return kept


def _deterministic_curves(
    left: NDArray[np.floating],
    middle: NDArray[np.floating],
    right: NDArray[np.floating],
    _: NDArray[np.intp],
    period: NDArray[np.float64],
) -> NDArray[np.float64]:
    """|y_k − (1 − s) y_{k−1} − s y_{k+1}|² / D, a parabola in s, (R, 41); circular outputs the short way round."""
    right = _shorter(left, right, period)
    middle = _shorter(0.5 * (left + right), middle, period)
    move, gone = (v.astype(np.float64) for v in (right - left, middle - left))
    a, b, c = ((u * v).mean(1)[:, None] for u, v in ((move, move), (move, gone), (gone, gone)))
    return np.asarray(c - 2 * b * POSITIONS + a * POSITIONS**2)


def _shorter(
    start: NDArray[np.floating], end: NDArray[np.floating], period: NDArray[np.float64]
) -> NDArray[np.floating]:
    return nearest_turn(end.astype(np.float64), start.astype(np.float64), period) if period.any() else end


def _stochastic_curves(
    left: NDArray[np.floating],
    middle: NDArray[np.floating],
    right: NDArray[np.floating],
    group: NDArray[np.intp],
    period: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The cost of each interpolated sample in the exact transport to the anchor's draws of its condition, (R, 41)."""
    errors = np.empty((len(left), len(POSITIONS)))
    for rows in split_by(group):
        y0, y1, truth = left[rows], right[rows], middle[rows]
        y1 = y1[linear_sum_assignment(squared_distances(y0, y1) + squared_arcs(y0, y1, period))[1]]
        y1 = _shorter(y0, y1, period)
        for m, s in enumerate(POSITIONS):
            points = (1 - s) * y0 + s * y1
            cost = squared_distances(points, truth) + squared_arcs(points, truth, period)
            errors[rows, m] = cost[linear_sum_assignment(cost)] / left.shape[1]
    return errors


def group_errors(
    points: NDArray[np.floating], truth: NDArray[np.floating], group: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The contribution of each point to the energy distance between the points and the truth of its group.

    points (R, M, D) and truth (R, D), equally many in each group of `group` (R,), whose rows are contiguous → (R, M).
    Row i is 2 mean_j |q_i − y_j| − mean_j |q_i − q_j| − mean_jl |y_j − y_l|; the mean over a group is the squared
    energy distance (Székely and Rizzo 2013), 0 where both samples agree. Exact transport between few draws in many
    dimensions is biased towards concentrated points, hence towards wrong positions. In a group of one row: the squared
    distance, averaged over the outputs.
    """
    errors = np.empty(points.shape[:2])
    for rows in split_by(group):
        if len(rows) == 1:
            errors[rows] = np.square(points[rows].astype(np.float64) - truth[rows, None]).mean(-1)
            continue
        own = cdist(truth[rows], truth[rows]).mean()
        for m in range(points.shape[1]):
            q = points[rows, m]
            errors[rows, m] = 2 * cdist(q, truth[rows]).mean(1) - cdist(q, q).mean(1) - own
    return errors


def split_by(group: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The rows of every group; rows of one group are contiguous."""
    return np.split(np.arange(len(group)), np.flatnonzero(np.diff(group)) + 1)
