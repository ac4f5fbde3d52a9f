"""Which map an interval gets: the simplest that left-out conditions do not refute."""

from collections.abc import Sequence

import numpy as np

from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.common_movement import share_movement
from pipeline.transport.interval_map import IntervalMap
from pipeline.transport.kernel_residual import (
    JUDGED,
    MOST_ROWS,
    SMOOTH_LENGTHS,
    Moves,
    affine_map,
    best_lengths,
    correction,
    judge,
    kernel_of,
    regression_map,
    run,
)
from pipeline.transport.location_scale import (
    Directions,
    Draws,
    directions_without_each,
    fit_location_scale,
    heavy_tails,
)
from pipeline.transport.maps import TransportMaps
from pipeline.transport.networks import Condition
from pipeline.transport.pairs import Edges, Interval, Pairs
from pipeline.transport.ridge import Array, clearly_less, make_folds

FEWEST_PAIRS = 40
"""With fewer pairs no kernel is learnt."""
FEWEST_REPEATS = 4.0
"""Fewer draws of a condition, on average, are coupled by chance: a regression on such pairs moves every draw to the
conditional mean."""


def fit_intervals(
    maps: TransportMaps,
    edges: Edges,
    pairs: Sequence[Pairs],
    known: bool,
    straight: bool,
    knots: Array | None,
) -> list[float]:
    """Fit the maps of all edges; returns their mean squared errors on the coupled pairs.

    known: the pairs are the network's own, one output a condition. straight: they were coupled by straight lines; then
    the map follows from the anchors' draws alone, and pairs are used only for its residual. knots: the clock at the
    anchors (K + 1,) of one hyperparameter, whose intervals may share a movement.
    """
    samples = edges.samples
    directions: list[Directions] = [None] * len(samples)
    anchors = [] if known else [_draws(anchor, maps) for anchor in samples]
    if not known:
        directions = directions_without_each(anchors)
    errors = [
        _fit_interval(maps, k, interval, pair, known, straight, [directions[a], directions[b]])
        for k, (interval, pair, (a, b)) in enumerate(zip(edges.intervals, pairs, edges.ends, strict=True))
    ]
    if not known and knots is not None:
        numbers = [maps.category(a.condition).cpu().numpy() if maps.by_category else None for a in samples]
        for c in range(maps.categories):
            here = [a if n is None else a.select(n == c) for a, n in zip(anchors, numbers, strict=True)]
            if all(map(len, here)):
                share_movement(maps.of_category(c), here, knots)
    return errors


def _fit_interval(
    maps: TransportMaps,
    number: int,
    interval: Interval,
    pairs: Pairs,
    known: bool,
    straight: bool,
    directions: Sequence[Directions],
) -> float:
    """Fit the map of interval `number`; directions: for its left and its right anchor."""
    moves = _moves(pairs, maps)
    left, right = (_draws(anchor, maps) for anchor in (interval.left, interval.right))
    if not maps.by_category:
        return _fit_one(maps, number, 0, left, right, moves, known, straight, directions)
    errors = []
    category = maps.category(pairs.condition).cpu().numpy()
    category0, category1 = (maps.category(a.condition).cpu().numpy() for a in (interval.left, interval.right))
    for c in range(maps.categories):
        here = [np.flatnonzero(which == c) for which in (category0, category1, category)]
        if any(not len(rows) for rows in here):  # missing at one end: use the map of all rows
            here = [np.arange(len(which)) for which in (category0, category1, category)]
        some = left.select(here[0]), right.select(here[1]), moves.select(here[2])
        errors.append(_fit_one(maps, number, c, *some, known, straight, directions))
    return float(np.mean(errors))


def _fit_one(
    maps: TransportMaps,
    number: int,
    category: int,
    left: Draws,
    right: Draws,
    moves: Moves,
    known: bool,
    straight: bool,
    directions: Sequence[Directions],
) -> float:
    if known:
        dimension = moves.start.shape[1]
        backward = Moves(moves.end, moves.start, moves.columns, moves.weight, moves.group)
        forward = regression_map(moves, dimension)
        error = _error(forward, moves)
        maps.set(number, category, forward, regression_map(backward, dimension))
        return error
    chosen = _stochastic(left, right, moves, straight, directions)
    error = _error(chosen, moves)
    maps.set(number, category, chosen)
    return error


def _stochastic(
    left: Draws, right: Draws, moves: Moves, straight: bool, directions: Sequence[Directions]
) -> IntervalMap:
    dimension = left.outputs.shape[1]
    heavy = heavy_tails(left, right)
    base = fit_location_scale(left, right, heavy, directions)
    repeats = min(len(draws) / len(np.unique(draws.group)) for draws in (left, right))
    if len(moves) < FEWEST_PAIRS or heavy or repeats < FEWEST_REPEATS:
        return base
    moves = moves.thinned(MOST_ROWS)
    folds = make_folds(moves.group, most=JUDGED)
    share = np.array([moves.weight[folds == f].sum() for f in np.unique(folds)]) / moves.weight.sum()

    def location_scale(some: Moves) -> IntervalMap:
        return fit_location_scale(*_ends(some), heavy, directions)

    def regressed(some: Moves) -> IntervalMap:
        return _corrected(affine_map(some, dimension), some)

    simple = judge(location_scale, moves, folds)
    if not straight:
        other = judge(regressed, moves, folds)
        if clearly_less(other[1], simple[1], share):
            base, simple, location_scale = regressed(moves), other, regressed
    found = best_lengths(base, moves, SMOOTH_LENGTHS)
    if found is None:
        return base
    lengths = found[0]

    def with_kernel(some: Moves) -> IntervalMap:
        made = location_scale(some)
        made.set_kernel(kernel_of(made, some, lengths, correct=True))
        return made

    richer = judge(with_kernel, moves, folds)
    better = clearly_less(richer[0], simple[0], share, 2.0)
    if better or (
        not straight and clearly_less(richer[1], simple[1], share) and not clearly_less(simple[0], richer[0], share)
    ):
        base.set_kernel(kernel_of(base, moves, lengths, correct=True))
    return base


def _corrected(made: IntervalMap, moves: Moves) -> IntervalMap:
    """The affine map, corrected to the moments of the ends."""
    matrix, offset = correction(run(made, moves), moves)
    made.set_matrix(made.matrix.numpy() @ matrix)
    shift = made.shift
    shift.set(shift.intercept.numpy() @ matrix + offset, shift.linear.numpy() @ matrix)
    return made


def _ends(moves: Moves) -> tuple[Draws, Draws]:
    return Draws(moves.start, moves.columns, moves.group), Draws(moves.end, moves.columns, moves.group)


def _error(made: IntervalMap, moves: Moves) -> float:
    return float(moves.weight @ ((run(made, moves) - moves.end) ** 2).mean(1) / moves.weight.sum())


def _columns(condition: Condition, maps: TransportMaps) -> Array:
    return np.asarray(maps.columns(condition).cpu().double().numpy())


def _draws(anchor: AnchorSamples, maps: TransportMaps) -> Draws:
    outputs = anchor.outputs.cpu().double().numpy()
    return Draws(outputs, _columns(anchor.condition, maps), anchor.group.cpu().numpy())


def _moves(pairs: Pairs, maps: TransportMaps) -> Moves:
    start, end, weight = (t.cpu().double().numpy() for t in (pairs.start, pairs.end, pairs.weight))
    columns = _columns(pairs.condition, maps)
    group = np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1) if columns.shape[1] else np.zeros(len(start))
    return Moves(start, end, columns, weight, group.astype(np.intp))
