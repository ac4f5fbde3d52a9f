"""Moving samples along λ: within an interval on the path between its two ends, across intervals by the maps T_k."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.clocks.clock import Clock
from pipeline.data.anchors import Anchors
from pipeline.data.mesh import Mesh, pruned
from pipeline.errors import HyperparameterError
from pipeline.surrogate.arrays import to_array, to_tensor
from pipeline.surrogate.cells import carrying
from pipeline.surrogate.curves import CellCurves
from pipeline.surrogate.draws import row_quantiles
from pipeline.surrogate.parts import Parts
from pipeline.transport import ops
from pipeline.transport.components import Place
from pipeline.transport.condition import Condition
from pipeline.transport.condition_function import features
from pipeline.transport.root import Root, invert
from pipeline.transport.standardise import Standardiser

ROUND_TRIP = 1e-4
"""The largest round-trip error of a sample, in standardised units."""


@dataclass(frozen=True, eq=False)
class Trajectories(CellCurves):
    """The curves of a fitted surrogate in standardised units; positions on the paths by the clock."""

    parts: Parts
    mesh: Mesh
    straight: bool
    uniform: bool

    @property
    def anchors(self) -> Anchors:
        """The anchors of the first hyperparameter."""
        return self.mesh.axes[0]

    @property
    def device(self) -> torch.device:
        """Where the parts are."""
        return self.parts.scaling.output_mean.device

    @property
    def scaling(self) -> Standardiser:
        """As `CellCurves.scaling`."""
        return self.parts.scaling

    @property
    def clocks(self) -> list[Clock]:
        """As `CellCurves.clocks`."""
        return self.parts.clocks

    def on_turn(self, outputs: Tensor, x: Condition, anchor: int) -> Tensor:
        """As `CellCurves.on_turn`."""
        return self.parts.angles.lifted(outputs, x, anchor)

    def clipped(self, outputs: Tensor) -> Tensor:
        """As `CellCurves.clipped`."""
        return self.parts.atoms.clipped(outputs)

    def given(self, values: NDArray[np.float64]) -> Tensor:
        """As `CellCurves.given`: unchanged where the parts are frozen."""
        return torch.from_numpy(values).to(self.device) if isinstance(self.parts, Parts) else values

    def read(self, values: object, field: str) -> Tensor:
        """As `CellCurves.read`."""
        if isinstance(values, Tensor):
            return to_tensor(values, field).to(self.device, torch.float64)
        return self.given(to_array(values, field))

    def latent(self, outputs: Tensor, conditions: Tensor, x: Condition, source: float) -> Tensor:
        """Outputs (B, D) of λ = source in their own units → standardised (B, D); latent where they are at an atom.

        conditions: (B, C), in their own units; x: the same, encoded. Between anchors the latent output lies between
        those that the neighbouring anchors give.
        """
        outputs = self.lifted(outputs, x, source)
        y = self.parts.scaling.standardise(outputs)
        number = self.anchors.near(source)
        if number is not None:
            return latent(self.parts, outputs, conditions, x, number)
        if not self.parts.atoms.columns:
            return y
        interval = self.anchors.interval(source)
        left, right = (latent(self.parts, outputs, conditions, x, k) for k in (interval, interval + 1))
        return ops.lerp(left, right, self.positions(interval, [source], x))

    def lifted(self, outputs: Tensor, x: Condition, source: float) -> Tensor:
        """Outputs (B, D) of λ = source in their own units, circular ones as real numbers; see `transport.angles`."""
        if not (angles := self.parts.angles).columns:
            return outputs
        if (number := self.anchors.near(source)) is not None:
            return angles.lifted(outputs, x, number)
        interval = self.anchors.interval(source)
        s = ops.double(self.positions(interval, [source], x))
        return angles.beside(outputs, (1 - s) * angles.mean(x, interval) + s * angles.mean(x, interval + 1))

    def ends(self, first: Tensor, second: Tensor, x: Condition, interval: int) -> tuple[Tensor, Tensor]:
        """Outputs (B, D) of an interval's anchors, which belong together, standardised: circular ones side by side."""
        start = self.parts.scaling.standardise(self.lifted(first, x, self.anchors.values[interval]))
        return start, self.parts.scaling.shorter(start, self.parts.scaling.standardise(second))

    def positions(self, interval: int, values: Sequence[float] | NDArray[np.float64], x: Condition) -> Tensor:
        """The clock's positions s of λ = values in an interval: (M,) where equal for all rows, or (B, M).

        values: (M,), the same for all rows, or (B, M).
        """
        found: Tensor = self.parts.clock.positions(interval, values, x)
        return found

    def between(self, start: Tensor, end: Tensor, x: Condition, positions: Tensor) -> Tensor:
        """Paths from start to end (B, D) at positions (M,), the same for all rows, or (B, M): (B, M, D)."""
        if self.straight or (components := self.parts.components) is None:
            return self._within(start, end, x, positions)
        first, last = components.leading(start), components.leading(end)
        share = positions[..., None]
        bend = self._within(first, last, x, positions) - ops.lerp(first[:, None], last[:, None], share)
        return ops.lerp(start[:, None], end[:, None], share) + components.lift(bend)  # the rest is not bent

    def _within(self, start: Tensor, end: Tensor, x: Condition, positions: Tensor) -> Tensor:
        """As `between`, of the outputs or components that maps and paths act on."""
        if self.straight:
            return ops.lerp(start[:, None], end[:, None], positions[..., None])
        paths = self.parts.paths
        points: Tensor = (
            paths.at_positions(start, end, x, positions) if self.uniform else paths(start, end, x, positions)[0]
        )
        return points

    def walk(self, y: Tensor, x: Condition, source: float, targets: Sequence[float]) -> Tensor:
        """Samples y (B, D) of λ = source moved to each of `targets` (M, in any order): (B, M, D)."""
        if (components := self.parts.components) is None:
            return self._walk(y, x, source, targets)
        leading = components.lift(self._walk(components.leading(y), x, source, targets))
        origin = self._place(source, x)
        rests = [components.carried(y, x, origin, self._place(target, x))[:, 0] for target in targets]
        return leading + ops.stack(rests, 1)

    def _place(self, value: float, x: Condition) -> Place:
        """A value's interval, and its position there by the clock."""
        interval = self.anchors.interval(value)
        return (interval, interval + 1), self.positions(interval, [value], x)

    def _walk(self, y: Tensor, x: Condition, source: float, targets: Sequence[float]) -> Tensor:
        """As `walk`, of the outputs or components that maps act on."""
        curve = self._through(y, x, source)
        results = ops.empty((len(y), len(targets), y.shape[1]), y)
        by_interval: dict[int, list[int]] = {}
        for m, target in enumerate(targets):
            if target == source:
                results[:, m] = y
            else:
                by_interval.setdefault(self._interval(source, target), []).append(m)
        for interval, chosen in by_interval.items():
            start, end = curve.at(interval), curve.at(interval + 1)
            positions = self.positions(interval, [targets[m] for m in chosen], x)
            results[:, chosen] = self._within(start, end, x, positions)
        return results

    def _interval(self, source: float, target: float) -> int:
        """The interval that contains a target; an anchor belongs to the interval on the side of the source."""
        interval = self.anchors.interval(target)
        return interval - 1 if target > source and target == self.anchors.values[interval] else interval

    def _through(self, y: Tensor, x: Condition, source: float) -> "_Curve":
        """The curve through samples of λ = source, known at one or both neighbouring anchors."""
        number = self.anchors.near(source)
        if number is not None:
            return _Curve(self, x, {number: y})
        interval = self.anchors.interval(source)
        start = self._start(y, x, interval, self.positions(interval, [source], x))
        return _Curve(self, x, {interval: start, interval + 1: self.parts.maps(start, x, interval)})

    def _start(self, y: Tensor, x: Condition, interval: int, positions: Tensor) -> Tensor:
        """The left ends (B, D) of the paths through y (B, D) at positions (1,) or (B, 1)."""

        def passed(start: Tensor) -> Tensor:
            return self._within(start, self.parts.maps(start, x, interval), x, positions)[:, 0]

        moved = self.parts.maps(y, x, interval) - y
        return checked(invert(passed, y, y - positions * moved))

    def down(self, y: Tensor, x: Condition, interval: int) -> Tensor:
        """T_k⁻¹: samples y (B, D) of an interval's right anchor at its left one."""
        start = self.parts.maps.inverse(y, x, interval)
        return checked(Root(start, (self.parts.maps(start, x, interval) - y).norm(dim=-1)))


def latent(parts: Parts, outputs: Tensor, conditions: Tensor, x: Condition, anchor: int) -> Tensor:
    """Standardised outputs (B, D), latent where outputs (B, D) of an anchor are at an atom; see `transport.atoms`.

    A latent output depends on the row's output and condition alone, and on how many equal rows precede it.
    """
    y, atoms = parts.scaling.standardise(outputs), parts.atoms
    if not atoms.columns or not bool((rows := atoms.rows(outputs)).any()):
        return y
    given, known = (np.asarray(t[rows].cpu() if isinstance(t, Tensor) else t[rows]) for t in (outputs, conditions))
    quantiles = row_quantiles(given, known)
    uniform = torch.from_numpy(quantiles).to(y.device) if isinstance(y, Tensor) else quantiles
    columns = features(x[rows], parts.scaling.shape)
    y[rows] = atoms.latent(y[rows], outputs[rows], columns, anchor, uniform)
    return y


class _Curve:
    """Samples of one curve at the anchors, computed on demand from the known ones."""

    def __init__(self, trajectories: Trajectories, x: Condition, known: dict[int, Tensor]) -> None:
        self._trajectories, self._x, self._known = trajectories, x, known

    def at(self, anchor: int) -> Tensor:
        """Samples (B, D) at an anchor."""
        while anchor > (last := max(self._known)):
            self._known[last + 1] = self._trajectories.parts.maps(self._known[last], self._x, last)
        while anchor < (first := min(self._known)):
            self._known[first - 1] = self._trajectories.down(self._known[first], self._x, first - 1)
        return self._known[anchor]


def walk_cells(
    curves: Trajectories,
    mesh: Mesh,
    given: tuple[Tensor, Tensor, Condition],
    source: tuple[float, ...],
    targets: Sequence[tuple[float, ...]],
) -> Tensor:
    """Samples of the anchor λ = source moved to each of `targets` (M of P numbers): (B, M, D), standardised.

    given: outputs (B, D) and conditions (B, C) in their own units, and the conditions encoded. Maps are chained along
    edges to the corners of a target's cell that the target depends on; around a cell they need not commute, so the way
    is fixed: along the first coordinate of the mesh's order, then along the next. Raises HyperparameterError for a
    source that is no anchor.
    """
    y, conditions, x = given
    if source not in mesh.vertices:
        names = ", ".join(axis.name for axis in mesh.axes)
        raise HyperparameterError(
            f"source ({names}) = {source}: with several hyperparameters samples are moved from an anchor; choose one "
            f"of {list(mesh.vertices)}"
        )
    root, components = mesh.vertices.index(source), curves.parts.components
    start = latent(curves.parts, curves.parts.angles.lifted(y, x, root), conditions, x, root)
    known = {root: start if components is None else components.leading(start)}
    located = np.array(targets)
    cells = mesh.cell_rows(located)
    needed = {k for cell, target in zip(cells.tolist(), targets, strict=True) for k in carrying(mesh, cell, target)}
    for parent, child in pruned(mesh.tree(root), needed):
        if (parent, child) in mesh.edge_numbers:
            known[child] = curves.parts.maps(known[parent], x, mesh.edge_numbers[(parent, child)])
        else:
            known[child] = curves.down(known[parent], x, mesh.edge_numbers[(child, parent)])
    if components is not None:
        origin = components.at_anchor(root, start)
        for k, leading in known.items():
            rest = components.carried(start, x, origin, components.at_anchor(k, start))[:, 0]
            known[k] = components.lift(leading) + rest
    moved = ops.empty((len(y), len(targets), y.shape[1]), start)
    for m, cell in enumerate(cells.tolist()):
        corners = [known.get(k, known[root]) for k in mesh.corners(cell)]  # what the point does not depend on, is any
        moved[:, m] = curves.within(cell, corners, np.repeat(located[m : m + 1], len(y), axis=0), x)
    return moved


def checked(root: Root) -> Tensor:
    """The points of an inversion; a UserWarning where some residuals exceed ROUND_TRIP."""
    scale = 1 + root.points.norm(dim=-1)
    if bool((far := root.residual > ROUND_TRIP * scale).any()):
        warnings.warn(
            f"{int(far.sum())} of {len(far)} samples cannot be moved back exactly: the map is not injective there; the "
            f"nearest points are returned (standardised residual up to {float(root.residual.max()):.2g})",
            UserWarning,
            stacklevel=2,
        )
    return root.points
