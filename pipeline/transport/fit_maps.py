"""Which map an interval gets: the simplest that left-out conditions do not refute."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.storage.checkpoint import once
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.common_movement import share_movement
from pipeline.transport.condition import Condition
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
from pipeline.transport.pairs import Edges, Interval, Pairs
from pipeline.transport.ridge import Array, clearly_less, make_folds

FEWEST_PAIRS = 40
"""With fewer pairs no kernel is learnt."""
FEWEST_REPEATS = 4.0
"""Fewer draws of a condition, on average, are coupled by chance: a regression on such pairs moves every draw to the
conditional mean."""


@dataclass(frozen=True, eq=False)
class _Samples:
    """What the map of one interval is fitted on.

    left, right: the draws at its ends; moves: the pairs that were coupled of them. directions: for the left end's
    locations, and for the right end's. categories: the numbers of the rows' categories, at the left end, at the right
    end and of the pairs, where every category has a map of its own; else None.
    """

    left: Draws
    right: Draws
    moves: Moves
    directions: Sequence[Directions]
    categories: tuple[NDArray[np.int64], ...] | None = None

    @classmethod
    def of(cls, interval: Interval, pairs: Pairs, maps: TransportMaps, directions: Sequence[Directions]) -> "_Samples":
        """The samples of an interval, in the columns that the maps take."""
        conditions = interval.left.condition, interval.right.condition, pairs.condition
        categories = tuple(maps.category(c).cpu().numpy() for c in conditions) if maps.by_category else None
        left, right = (_draws(anchor, maps) for anchor in (interval.left, interval.right))
        return cls(left, right, _moves(pairs, maps), directions, categories)

    def select(self, left: NDArray[np.intp], right: NDArray[np.intp], pairs: NDArray[np.intp]) -> "_Samples":
        """Some of the rows at either end, and some of the pairs."""
        return _Samples(self.left.select(left), self.right.select(right), self.moves.select(pairs), self.directions)


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
        _fit_interval(maps, k, _Samples.of(interval, pair, maps, [directions[a], directions[b]]), known, straight)
        for k, (interval, pair, (a, b)) in enumerate(zip(edges.intervals, pairs, edges.ends, strict=True))
    ]
    if not known and knots is not None:
        numbers = [maps.category(a.condition).cpu().numpy() if maps.by_category else None for a in samples]
        for c in range(maps.categories):
            here = [a if n is None else a.select(n == c) for a, n in zip(anchors, numbers, strict=True)]
            if all(map(len, here)):
                share_movement(maps.of_category(c), here, knots)
    return errors


def _fit_interval(maps: TransportMaps, number: int, samples: _Samples, known: bool, straight: bool) -> float:
    """Fit the maps of interval `number`, one a category where maps are by category; returns their mean error."""
    if samples.categories is None:
        return _fit_one(maps, (number, 0), samples, known, straight)
    errors = []
    for c in range(maps.categories):
        here = [np.flatnonzero(which == c) for which in samples.categories]
        some = samples.select(*here) if all(map(len, here)) else samples  # missing at one end: the map of all rows
        errors.append(_fit_one(maps, (number, c), some, known, straight))
    return float(np.mean(errors))


def _fit_one(maps: TransportMaps, which: tuple[int, int], samples: _Samples, known: bool, straight: bool) -> float:
    """Fit the map of an interval and category; returns its mean error."""
    return once(lambda: _fitted(maps, which, samples, known, straight), "map", member=maps.member(*which))


def _fitted(maps: TransportMaps, which: tuple[int, int], samples: _Samples, known: bool, straight: bool) -> float:
    moves, backward = samples.moves, None
    if known:
        dimension = moves.start.shape[1]
        forward = regression_map(moves, dimension)
        reverse = Moves(moves.end, moves.start, moves.columns, moves.weight, moves.group)
        backward = regression_map(reverse, dimension)
    else:
        forward = _stochastic(samples, straight)
    error = _error(forward, moves)
    maps.set(*which, forward, backward)
    return error


def _stochastic(samples: _Samples, straight: bool) -> IntervalMap:
    left, right, moves, directions = samples.left, samples.right, samples.moves, samples.directions
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
