"""The curves of an export: paths, maps and mean directions are graphs, all else is arithmetic on arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks.formulas import Calibration, ClockFormulas, SkewFormulas
from pipeline.data.mesh import Mesh
from pipeline.export.sessions import Graph, encoded
from pipeline.surrogate.arrays import to_array
from pipeline.surrogate.cells import Edge
from pipeline.surrogate.curves import CellCurves
from pipeline.surrogate.ends import Mapped
from pipeline.transport import ops
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.scaling import Scaling

if TYPE_CHECKING:
    from torch import Tensor

START, END, POSITIONS = "start", "end", "positions"
"""Inputs of the paths' graph: (B, D) float32 twice, standardised; (B, 1) float32. A map's graph has the first alone."""

SKEW = ("mean", "weights", "frequencies", "phases")
"""The arrays of a skew."""
Array = NDArray[np.float64]


class ExportedSkew(SkewFormulas):
    """A clock's skew on arrays: their cosines are quicker than those of a graph."""

    mean: Any
    weights: Any
    frequencies: Any
    phases: Any

    def __init__(self, shape: ConditionShape, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """arrays: by the names of SKEW; KeyError where one is missing."""
        self.shape = shape
        self.mean, self.weights, self.frequencies, self.phases = (arrays[name] for name in SKEW)


class ExportedClock(ClockFormulas):
    """A clock of an export."""

    def __init__(
        self, base: str, anchors: tuple[float, ...], skew: ExportedSkew, calibration: Calibration | None
    ) -> None:
        self.base, self.anchors, self.skew, self.calibration = base, anchors, skew, calibration


@dataclass(frozen=True, eq=False)
class Graphs:
    """The graphs beside the networks: the paths', None where they are straight; those of maps and of mean directions.

    maps: by the edge's number; {} where draws are not matched. directions: of circular outputs, by the anchor.
    """

    path: Graph | None
    maps: Mapping[int, Graph]
    directions: Mapping[int, Graph]


@dataclass(frozen=True, eq=False)
class ExportedCurves(CellCurves):
    """As `CellCurves`, on NumPy arrays. bounds: the atoms (lower, upper), (D,) each, infinite where there is none."""

    mesh: Mesh
    exported_scaling: Scaling
    exported_clocks: Sequence[ExportedClock]
    graphs: Graphs
    bounds: tuple[Array, Array]

    @property
    def scaling(self) -> Scaling:
        """As `CellCurves.scaling`."""
        return self.exported_scaling

    @property
    def clocks(self) -> Sequence[ExportedClock]:
        """As `CellCurves.clocks`."""
        return self.exported_clocks

    def given(self, values: Array) -> Any:
        """As `CellCurves.given`: unchanged."""
        return values

    def read(self, values: object, field: str) -> Any:
        """As `CellCurves.read`; a tensor becomes an array."""
        return to_array(ops.to_numpy(values) if ops.is_tensor(values) else values, field)

    def on_turn(self, outputs: "Tensor", x: Condition, anchor: int) -> "Tensor":
        """As `CellCurves.on_turn`."""
        columns = self.scaling.circular
        if not columns:
            return outputs
        result = outputs + 0  # a copy
        directions: Any = np.asarray(self.graphs.directions[anchor](encoded(x)), np.float64)
        result[:, columns] = nearest_turn(outputs[:, columns], directions, self.scaling.period[columns])
        return result

    def between(self, start: "Tensor", end: "Tensor", x: Condition, positions: "Tensor") -> "Tensor":
        """As `CellCurves.between`, at one position a row, (B, 1): (B, 1, D)."""
        if self.graphs.path is None:
            return ops.lerp(start[:, None], end[:, None], positions[..., None])
        single: Any = np.broadcast_to(ops.to_numpy(positions), (len(start), 1))
        found: Any = self.graphs.path(encoded(x) | {START: start, END: end, POSITIONS: single.astype(np.float32)})
        moved: Tensor = found[:, None]
        return moved

    def clipped(self, outputs: "Tensor") -> "Tensor":
        """As `CellCurves.clipped`."""
        lower, upper = self.bounds
        inside: Any = ops.to_numpy(outputs).clip(lower, upper)
        clipped: Tensor = inside
        return clipped


class ExportedImages:
    """As `ends.Images`, by the graphs of maps."""

    def __init__(self, curves: ExportedCurves) -> None:
        self._curves = curves
        self.period: Array = ops.to_numpy(curves.scaling.standard_period)

    def encode(self, conditions: Array) -> Condition:
        """Conditions (N, C) encoded."""
        return self._curves.scaling.condition(self._curves.given(conditions))

    def standard(self, outputs: NDArray[np.floating]) -> Array:
        """Outputs (…, D) standardised."""
        given: Any = outputs
        return np.asarray(self._curves.scaling.standardise(given), np.float64)

    def at(self, conditions: Array) -> Mapped:
        """The images of outputs (T, n, D) at conditions (T · n, C), standardised."""
        x, curves = self.encode(conditions), self._curves

        def mapped(outputs: NDArray[np.floating], edge: Edge) -> Array:
            flat: Any = outputs.reshape(-1, outputs.shape[-1]).astype(np.float64)
            start = curves.scaling.standardise(curves.on_turn(flat, x, edge.ends[0]))
            moved = curves.graphs.maps[edge.number](encoded(x) | {START: start})
            return moved.astype(np.float64).reshape(outputs.shape)

        return mapped
