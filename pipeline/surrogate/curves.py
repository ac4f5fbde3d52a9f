"""CellCurves between draws of neighbouring anchors that belong together: the points of a cell, in any implementation.

`surrogate.trajectory` has those of fitted modules, on torch or NumPy, and `export.curves` those of ONNX graphs. What
they share is here, and needs no torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks.formulas import ClockFormulas
from pipeline.data.mesh import Mesh
from pipeline.surrogate.cells import within
from pipeline.transport.condition import Condition
from pipeline.transport.scaling import Scaling

if TYPE_CHECKING:
    from torch import Tensor


class CellCurves(ABC):
    """CellCurves in standardised units; positions on them by the clocks."""

    mesh: Mesh

    @property
    @abstractmethod
    def scaling(self) -> Scaling:
        """Standardised units, and back."""

    @property
    @abstractmethod
    def clocks(self) -> Sequence[ClockFormulas]:
        """One clock a hyperparameter."""

    @abstractmethod
    def given(self, values: NDArray[np.float64]) -> "Tensor":
        """An array as the parts need it: a tensor on their device, or unchanged."""

    @abstractmethod
    def read(self, values: object, field: str) -> "Tensor":
        """A user's table (rows, columns) as the parts need it, float64; DataError names `field` where it is none."""

    @abstractmethod
    def on_turn(self, outputs: "Tensor", x: Condition, anchor: int) -> "Tensor":
        """Outputs (B, D) of an anchor in their own units, circular ones as real numbers; see `transport.angles`."""

    @abstractmethod
    def between(self, start: "Tensor", end: "Tensor", x: Condition, positions: "Tensor") -> "Tensor":
        """Paths from start to end (B, D) at positions (M,), the same for all rows, or (B, M): (B, M, D)."""

    @abstractmethod
    def clipped(self, outputs: "Tensor") -> "Tensor":
        """Outputs (…, D) in their own units, within their atoms."""

    def corners(self, cell: int, outputs: "Sequence[Tensor]", x: Condition) -> "list[Tensor]":
        """Outputs (B, D) of a cell's corners, which belong together, standardised: circular ones side by side."""
        numbers = self.mesh.corners(cell)
        given = dict(zip(numbers, outputs, strict=True))
        found = {numbers[0]: self.scaling.standardise(self.on_turn(given[numbers[0]], x, numbers[0]))}
        for parent, child in self.mesh.cell_tree(cell):
            found[child] = self.scaling.shorter(found[parent], self.scaling.standardise(given[child]))
        return [found[number] for number in numbers]

    def within(self, cell: int, corners: "Sequence[Tensor]", located: NDArray[np.float64], x: Condition) -> "Tensor":
        """Points (B, D) in a cell between its corners' draws (B, D), at located λ (B, P)."""

        def one(start: "Tensor", end: "Tensor", positions: "Tensor") -> "Tensor":
            return self.between(start, end, x, positions)[:, 0]

        return within(self.mesh, cell, corners, located, self.clocks, x, one)

    def restore(self, points: "Tensor") -> "Tensor":
        """Standardised points (…, D) → outputs in their own units, float64, within their bounds and atoms."""
        return self.clipped(self.scaling.restore(points))
