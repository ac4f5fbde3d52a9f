"""`transport` of the harvest's own rows, where every anchor holds their condition: their other ends are rows, too.

An output of a deterministic network at λ_k and x has its end known: the network's output at λ_{k+1} and x. A draw's
partners are found as those of `sample` are, by exact assignment of the mapped draws to the draws of the next anchor. So
the harvest's rows lie on curves, each of which passes one row of every anchor. By its `share` an own row follows its
curve (1), the map T_k (0), or the point half way between both (½), which averages the noise of few draws.

Rows are recognised by condition and value up to the rounding to float32, at an anchor and, so that a round trip
returns, on their way between anchors. Where the harvest has equal rows of a condition, equal rows of a call are these
in turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from pipeline.data.mesh import Mesh
from pipeline.data.samples import group_rows
from pipeline.surrogate.draws import Rows
from pipeline.surrogate.ends import CHUNK, MOST_ROWS, matched
from pipeline.surrogate.images import FittedImages
from pipeline.surrogate.parts import Parts
from pipeline.surrogate.trajectory import Trajectories
from pipeline.transport.column_kinds import nearest_turn

Array = NDArray[np.float64]
Index = NDArray[np.intp]

TOLERANCE = 1e-5
"""How far a recognised row may be from its curve, in standardised units and relative to 1 + its size."""
REMEMBERED = 4
"""The number of sources whose points are kept."""


@dataclass(frozen=True, eq=False)
class Curves:
    """R curves through the harvest's rows: conditions (R, C), outputs (R, D) at every anchor, in their own units."""

    conditions: Array
    outputs: tuple[Array, ...]


def own_curves(
    samples: Sequence[tuple[Tensor, Tensor]], deterministic: bool, parts: Parts, mesh: Mesh
) -> Curves | None:
    """The curves through the rows of those conditions that all anchors hold; None where there are none.

    samples: outputs (N_k, D) and conditions (N_k, C) of every anchor. Draws of a condition have curves where all
    anchors hold equally many of them; more than MOST_ROWS are matched in blocks.
    """
    outputs, conditions = ([t[i].double().numpy() for t in samples] for i in (0, 1))
    groups = group_rows(*conditions)
    counts = np.stack([np.bincount(group, minlength=1 + max(map(np.max, groups))) for group in groups])
    if deterministic:
        counts = counts.clip(max=1)
    orders = [np.argsort(group, kind="stable") for group in groups]
    starts = [
        np.searchsorted(group[order], np.arange(counts.shape[1])) for group, order in zip(groups, orders, strict=True)
    ]
    found: list[Curves] = []
    images = FittedImages(parts)
    for count, block in _blocks(counts):
        for numbers in np.array_split(np.arange(count), -(-count // MOST_ROWS)):
            rows = [order[start[block, None] + numbers] for order, start in zip(orders, starts, strict=True)]
            x = conditions[0][rows[0][:, 0]]
            drawn = [y[r] for y, r in zip(outputs, rows, strict=True)]
            ordered = drawn if deterministic else matched(drawn.__getitem__, range(len(drawn)), mesh, x, images)
            flat = tuple(np.asarray(y, np.float64).reshape(-1, y.shape[-1]) for y in ordered)
            found.append(Curves(np.repeat(x, len(numbers), axis=0), flat))
    if not found:
        return None
    columns = zip(*(curves.outputs for curves in found), strict=True)
    return Curves(np.concatenate([c.conditions for c in found]), tuple(np.concatenate(column) for column in columns))


def _blocks(counts: Index) -> Iterator[tuple[int, Index]]:
    """Conditions of which every anchor has the same number of rows, by that number, at most CHUNK at once."""
    alike = np.flatnonzero((counts == counts[0]).all(0) & (counts[0] > 0))
    for count in np.unique(counts[0][alike]).tolist():
        members = alike[counts[0][alike] == count]
        for i in range(0, len(members), CHUNK):
            yield count, members[i : i + CHUNK]


@dataclass(frozen=True, eq=False)
class Found:
    """Rows of a call on curves: their numbers (M,), their curves' (M,), the anchor whose own rows they were."""

    rows: Index
    curves: Index
    anchor: int


class OwnRows:
    """The curves through the harvest's rows, and the rows of a call that are on them."""

    def __init__(self, curves: Curves, share: float, trajectories: Trajectories) -> None:
        self._curves, self.share, self._trajectories = curves, share, trajectories
        self._known: dict[float, list[_Points]] = {}

    def find(self, outputs: Array, conditions: Array, source: float) -> list[Found]:
        """The rows, outputs (N, D) at conditions (N, C), that are on a curve at λ = source, by the curve's origin."""
        group = self._groups_of(conditions)
        left = np.flatnonzero(group >= 0)
        if not len(left):
            return []
        y = self._standard(outputs)
        equal = Rows.of(np.hstack([conditions, outputs]).astype(np.float32).astype(np.float64)).occurrence
        found = []
        for points in self._points(source):
            curves = points.curves_at(y[left], group[left], equal[left])
            found.append(Found(left[curves >= 0], curves[curves >= 0], points.anchor))
            left = left[curves < 0]
        return [some for some in found if len(some.rows)]

    def moved(self, found: Found, targets: Sequence[float], trajectories: Trajectories) -> Array:
        """Recognised rows (M) moved to each of `targets`, in their own units: (M, targets, D).

        trajectories: those that walk downwards, too, where the share is below 1.
        """
        along = self._along(found.curves, targets, trajectories)
        if self.share == 1:
            return along
        mapped = self._mapped(found.anchor, found.curves, targets)
        scaling = self._trajectories.parts.scaling
        if scaling.circular:
            mapped = nearest_turn(mapped, along, scaling.period.cpu().numpy())
        return _array(scaling.valid(self._trajectories.given(along + (1 - self.share) * (mapped - along))))

    def _along(self, chosen: Index, targets: Sequence[float], trajectories: Trajectories) -> Array:
        """Points (M, targets, D) of curves (M,)."""
        anchors, scaling = trajectories.anchors, trajectories.parts.scaling
        x = scaling.condition(trajectories.given(self._curves.conditions[chosen]))
        result = np.empty((len(chosen), len(targets), self._curves.outputs[0].shape[1]))
        for m, target in enumerate(targets):
            number = anchors.near(target)
            if number is not None:
                result[:, m] = self._curves.outputs[number][chosen]
                continue
            k = anchors.interval(target)
            first, second = (trajectories.given(self._curves.outputs[i][chosen]) for i in (k, k + 1))
            start, end = trajectories.ends(first, second, x, k)
            positions = trajectories.positions(k, [target], x)
            result[:, m] = _array(trajectories.restore(trajectories.between(start, end, x, positions)))[:, 0]
        return result

    def _mapped(self, anchor: int, chosen: Index, targets: Sequence[float]) -> Array:
        """Rows (M,) of an anchor moved by the maps T_k: (M, targets, D)."""
        walk, value = self._trajectories, self._trajectories.anchors.values[anchor]
        y, given = (walk.given(t[chosen]) for t in (self._curves.outputs[anchor], self._curves.conditions))
        x = walk.parts.scaling.condition(given)
        return _array(walk.restore(walk.walk(walk.latent(y, given, x, value), x, value, targets)))

    def _points(self, source: float) -> list["_Points"]:
        """The curves' points at λ = source, those of its own rows first; by origin where the maps have a share."""
        if source not in self._known:
            anchors = self._trajectories.anchors
            number = anchors.near(source)
            near = anchors.interval(source) if number is None else number
            origins = [near] if self.share == 1 else sorted(range(len(anchors.values)), key=lambda k: abs(k - near))
            every = np.arange(len(self._curves.conditions))
            made = []
            for origin in origins:
                at = self.moved(Found(every, every, origin), [source], self._trajectories)[:, 0]
                made.append(_Points.of(self._standard(at), self._group, origin))
            while len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[source] = made
        return self._known[source]

    def _standard(self, outputs: Array) -> Array:
        scaling = self._trajectories.parts.scaling
        mean, scale = (t.cpu().numpy() for t in (scaling.output_mean, scaling.output_scale))
        return np.asarray((outputs - mean) / scale)

    @cached_property
    def _group(self) -> Index:
        """The number of each curve's condition (R,)."""
        return group_rows(self._curves.conditions)[0]

    @cached_property
    def _numbers(self) -> dict[bytes, tuple[int, Array]]:
        """The number and the exact values of each condition, by its values in float32."""
        first = np.unique(self._group, return_index=True)[1]
        known = self._curves.conditions[first]
        return {key: (g, row) for g, (key, row) in enumerate(zip(_keys(known), known, strict=True))}

    def _groups_of(self, conditions: Array) -> Index:
        """The number of each condition (N, C) among those of the curves: (N,), −1 where it is none of them."""
        result = np.full(len(conditions), -1, np.intp)
        single = (conditions.astype(np.float32) == conditions).all(1)
        for i, key in enumerate(_keys(conditions)):
            known = self._numbers.get(key)
            if known is not None and (single[i] or np.array_equal(known[1], conditions[i])):
                result[i] = known[0]
        return result


@dataclass(frozen=True, eq=False)
class _Points:
    """The curves' points at one λ, with equal ones gathered: class c holds the curves members[starts[c] …]."""

    anchor: int
    tree: cKDTree
    members: Index
    starts: Index
    counts: Index

    @classmethod
    def of(cls, points: Array, group: Index, anchor: int) -> "_Points":
        """Standardised points (R, D) of curves by the group (R,) of their condition."""
        table = np.hstack([group[:, None], points])  # conditions lie a unit apart, far beyond the tolerance
        rounded = np.hstack([group[:, None], points.astype(np.float32)])
        _, first, number = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
        counts = np.bincount(number.reshape(-1))
        members = np.argsort(number.reshape(-1), kind="stable")
        return cls(anchor, cKDTree(table[first]), members, np.cumsum(counts) - counts, counts)

    def curves_at(self, points: Array, group: Index, occurrence: Index) -> Index:
        """The curves (B,) through standardised points (B, D) of numbered conditions (B,), −1 where there is none.

        occurrence: (B,), the number of earlier equal points. Where several curves pass a point, as at the end of an
        output's range, each is given once; further points are none of the harvest's.
        """
        allowed = TOLERANCE * (1 + np.linalg.norm(points, axis=1))
        distance, nearest = self.tree.query(np.hstack([group[:, None], points]), distance_upper_bound=0.5)
        kind = np.where(distance <= allowed, nearest, 0)
        turn = np.where(self.counts[kind] == 1, 0, occurrence)
        found = (distance <= allowed) & (turn < self.counts[kind])
        return np.where(found, self.members[self.starts[kind] + np.where(found, turn, 0)], -1)


def _keys(conditions: Array) -> list[bytes]:
    """The values of each condition (N, C) in float32, to look them up by."""
    return [row.tobytes() for row in (conditions + 0.0).astype(np.float32)]  # −0 is 0


def _array(points: Tensor) -> Array:
    return np.asarray(points.detach().cpu() if isinstance(points, torch.Tensor) else points, np.float64)
