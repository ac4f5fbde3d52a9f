"""Answers: draws at any λ, and what is to be said of them, from curves between the anchors' draws.

`surrogate.model` answers by fitted modules, `export.reader` by an export of them; this module needs no torch.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.data.forms import with_codes
from pipeline.data.mesh import Given, Grid, Mesh, locate_rows
from pipeline.data.network import Network
from pipeline.data.schema import Column, Schema
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.shapes import ArrayT
from pipeline.surrogate.arrays import as_given, check_finite, whole_number
from pipeline.surrogate.barriers import Barrier, Broken
from pipeline.surrogate.curves import CellCurves
from pipeline.surrogate.draws import Rows
from pipeline.surrogate.ends import Ends
from pipeline.surrogate.regions import Region, objections, trusted_rows
from pipeline.transport import ops
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.pchip import interpolate, window

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 8192
"""Draws that `sample` computes at a time, which bounds its memory; the draws of a row stay together."""
NEAREST = "this surrogate carries no networks: draws start and end at the harvest's samples of the nearest condition"

Hyperparameter: TypeAlias = "Given | NDArray[np.floating] | Tensor | Mapping[str, NDArray[np.floating]]"
"""One λ, or one a row: (N,), with P ≥ 2 hyperparameters (N, P), or a mapping of names to numbers or arrays (N,)."""


@dataclass(frozen=True, eq=False)
class Description:
    """What answers depend on beside curves and draws.

    vertices: the anchors, each of P ≥ 1 numbers, in the harvest's order. deterministic: whether a condition has one
    output. smooth: whether outputs between anchors are interpolated by PCHIP. networks: one an anchor, or None.
    """

    schema: Schema
    vertices: tuple[tuple[float, ...], ...]
    mesh: Mesh
    deterministic: bool
    smooth: bool
    networks: tuple[Network, ...] | None
    barriers: tuple[Barrier, ...] | None
    certificate: tuple[Region, ...]


class Answering(ABC):
    """What surrogates have in common: NumPy in, NumPy out; torch in, torch out, with the input's dtype and device.

    Rows are independent of each other, except that equal rows are further draws.
    """

    def __init__(self, description: Description, curves: CellCurves, ends: Ends) -> None:
        self._description, self._curves, self._ends = description, curves, ends
        self._mesh = description.mesh
        self._broken = Broken(self._mesh.axes[0].values, description.barriers or ())

    @property
    def schema(self) -> Schema:
        """Names, units, kinds and bounds of the columns."""
        return self._description.schema

    @property
    def deterministic(self) -> bool:
        """Whether each condition has exactly one output."""
        return self._description.deterministic

    @property
    def barriers(self) -> tuple[Barrier, ...] | None:
        """What mixtures of both anchors' networks score in every interval; None where that was not looked for.

        In a broken interval `sample` answers, with a UserWarning, by the network of the end that scores better at λ.
        """
        return self._description.barriers

    @property
    def certificate(self) -> tuple[Region, ...]:
        """Where along λ validation found that the surrogate can be trusted, and why; () before it."""
        return self._description.certificate

    @property
    def anchors(self) -> tuple[float, ...]:
        """λ_0 < … < λ_K of one hyperparameter; ConfigurationError with several, whose anchors are `vertices`."""
        if len(self._mesh.axes) > 1:
            raise ConfigurationError("this surrogate has several hyperparameters; its anchors are in `vertices`")
        return self._mesh.axes[0].values

    @property
    def vertices(self) -> tuple[tuple[float, ...], ...]:
        """The anchors, each a tuple of P ≥ 1 numbers, in the harvest's order."""
        return self._description.vertices

    @property
    def mesh(self) -> Mesh:
        """The anchors as a mesh: a line, a grid, or a triangulation in the clocks' coordinates."""
        return self._mesh

    def sample(
        self,
        conditions: ArrayT,
        hyperparameter: Hyperparameter,
        draws: int = 1,
        seed: int = 0,
        *,
        strict: bool = False,
        occurrence: NDArray[np.integer] | None = None,
    ) -> ArrayT:
        """Draw outputs at λ: conditions (N, C), one λ or one a row (N,) → (N, draws, D).

        With P ≥ 2 hyperparameters λ is (P,), one a row (N, P), or a mapping of names to numbers or arrays (N,).
        All anchors around λ are evaluated at the condition: their networks, or, for a harvest without networks (with a
        UserWarning), its samples of the nearest condition. A draw follows the path between its two ends: it is
        continuous in λ, and at an anchor it is an output of that anchor. Inside a broken interval (`barriers`) it is an
        output of the end that scores better at λ, with a UserWarning. Draws depend on the seed and their condition
        alone; rows of equal conditions are further draws of it. Raises HyperparameterError for a λ outside the anchors
        (no extrapolation), DataError for conditions that cannot be used.

        Where the surrogate has a `certificate`, λ in a region that is not trusted, or untested, or not trusted at one
        of the conditions, is answered with a UserWarning; strict: refused with a HyperparameterError.

        occurrence: (N,), which run of `draws` of its condition a row takes, from 0, in place of the number of earlier
        rows of equal conditions. Rows with equal numbers share their draws, at any λ; further ones continue a call.
        """
        draws, seed = whole_number(draws, "draws", 1), whole_number(seed, "seed", 0)
        curves = self._curves_for(conditions, len(conditions) * draws)
        x = self._conditions(conditions, curves)
        curves.scaling.categories(x)  # refuses unknown categories before a network sees them
        cells, located = self._rows_at(hyperparameter, len(x))
        known = ops.to_numpy(x)
        self._heed_certificate(located[:, 0], known, strict=strict)
        if not self._description.networks:
            warnings.warn(NEAREST, UserWarning, stacklevel=2)
        for verdict in self._broken.verdicts(cells, located[:, 0]):
            warnings.warn(f"{self.schema.hyperparameter.name}: {verdict}", UserWarning, stacklevel=2)
        rows = Rows.of(known).renumbered(occurrence)
        result = np.empty((len(x), draws, len(self.schema.outputs)))
        distinct = 1 if self.deterministic else draws  # equal draws are computed once
        for cell in np.unique(cells).tolist():
            for chosen in _blocks(np.flatnonzero(cells == cell), max(1, BLOCK // distinct)):
                block = known[chosen], located[chosen], rows.select(chosen)
                result[chosen] = self._sample_cell(cell, *block, distinct, seed)
        return as_given(result, conditions)

    def matched(
        self, conditions: NDArray[np.floating], anchors: Sequence[int], draws: int = 1, seed: int = 0
    ) -> list[NDArray[np.float64]]:
        """Outputs (N, draws, D) of anchors, by their numbers, that belong together: what `sample` draws paths between.

        conditions: (N, C). The draws of a seed are those that `sample` answers with at each of these anchors.
        """
        known = np.asarray(self._conditions(conditions, self._curves), np.float64)
        outputs = self._ends.outputs(anchors, known, Rows.of(known), draws, seed)
        return [np.asarray(y, np.float64) for y in outputs]

    def _sample_cell(
        self,
        cell: int,
        conditions: NDArray[np.float64],
        located: NDArray[np.float64],
        rows: Rows,
        draws: int,
        seed: int,
    ) -> NDArray[np.float64]:
        """Outputs (n, draws, D) at located λ (n, P) within one cell, in their original units."""
        smooth = self._description.smooth
        corners = self._mesh.corners(cell)
        anchors = window(cell, len(self.vertices)) if smooth else corners
        outputs = [np.asarray(y, np.float64) for y in self._ends.outputs(anchors, conditions, rows, draws, seed)]
        shape = outputs[0].shape
        curves = self._curves_for(conditions, len(conditions) * draws)
        scaling = curves.scaling
        x = scaling.condition(curves.given(np.repeat(conditions, draws, axis=0)))
        flat = [y.reshape(len(x), -1) for y in outputs]
        repeated = np.repeat(located, draws, axis=0)
        if smooth:
            s = np.asarray(ops.to_numpy(curves.clocks[0].positions(cell, repeated, x)), np.float64)
            knots = curves.clocks[0].knots(x)[..., anchors]
            period = np.array(self.schema.periods)
            for k in range(1, len(flat)):
                flat[k] = nearest_turn(flat[k], flat[k - 1], period)
            points = interpolate(knots, flat, cell - anchors[0], s)
            result = np.asarray(as_given(scaling.valid(curves.given(points)), points)).reshape(shape)
        else:
            ends = curves.corners(cell, [curves.given(y) for y in flat], x)
            moved = curves.within(cell, ends, repeated, x)
            result = np.array(as_given(curves.restore(finite(moved)), outputs[0]), np.float64).reshape(shape)
        for at, corner in zip(self._own(cell, located), corners, strict=True):
            own = outputs[corner - anchors[0] if smooth else corners.index(corner)]
            result[at] = own[at]
        return np.asarray(result, np.float64)

    def _own(self, cell: int, located: NDArray[np.float64]) -> Sequence[NDArray[np.bool_]]:
        """Which of the located λ (n, P) each corner's own network, or sample, answers: (n,) a corner."""
        if len(self._mesh.axes) == 1:
            return self._broken.at_ends(cell, located[:, 0])
        return [(located == self.vertices[corner]).all(1) for corner in self._mesh.corners(cell)]

    def positions(
        self,
        conditions: ArrayT,
        hyperparameter: Hyperparameter,
    ) -> NDArray[np.float64]:
        """The clocks' positions s in [0, 1] within λ's cell, at conditions (N, C) and one λ or one a row.

        (N,) with one hyperparameter, (N, P) with several, a position a coordinate. An anchor's value other than the
        first is the end of the interval before it. Errors as `sample`; ConfigurationError for scattered anchors, whose
        cells have barycentric weights instead (`mesh.weights`).
        """
        if not isinstance(self._mesh, Grid):
            raise ConfigurationError(
                "positions are defined within the boxes of a grid; the anchors are scattered: use mesh.weights"
            )
        x = self._conditions(conditions, self._curves)
        cells, located = self._rows_at(hyperparameter, len(x))
        condition = self._curves.scaling.condition(x)
        result = np.empty((len(x), len(self._mesh.axes)))
        for cell in np.unique(cells).tolist():
            chosen = np.flatnonzero(cells == cell)
            rows = condition[chosen]
            for p, (clock, interval) in enumerate(zip(self._curves.clocks, self._mesh.place(cell), strict=True)):
                found = clock.positions(interval, located[chosen, p : p + 1], rows)
                result[chosen, p] = ops.to_numpy(found)[:, 0]
        return result[:, 0] if result.shape[1] == 1 else result

    def trusted(
        self,
        conditions: ArrayT,
        hyperparameter: Hyperparameter,
    ) -> NDArray[np.bool_]:
        """Whether the certificate trusts the answer at conditions (N, C) and one λ or one a row: (N,).

        Anchors answer for themselves; without a certificate nothing else is trusted. Errors as `sample`.
        """
        known = np.asarray(as_given(self._conditions(conditions, self._curves), np.zeros(0)), np.float64)
        _, located = self._rows_at(hyperparameter, len(known))
        at_anchor = (located[:, None] == np.array(self.vertices)).all(2).any(1)
        if not self.certificate:
            return np.asarray(at_anchor)
        return np.asarray(at_anchor | trusted_rows(self.certificate, located[:, 0], known))

    def distance(self, conditions: ArrayT) -> NDArray[np.float64]:
        """How far conditions (N, C) lie outside the range of the harvest's, in standard deviations: (N,), 0 inside.

        The Euclidean norm over the continuous columns. From `scaling.MARGIN` on, conditions are clipped before
        maps and paths see them.
        """
        known = self._conditions(conditions, self._curves)
        return np.asarray(ops.to_numpy(self._curves.scaling.distance(known)), np.float64)

    def answering(
        self,
        conditions: ArrayT,
        hyperparameter: Hyperparameter,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The anchors left and right of λ, and the position between them: (N, P) each, a column a hyperparameter.

        Where one network answers, at an anchor or in a broken interval, both are its own, and the position is 0.
        Errors as `positions`.
        """
        position = self.positions(conditions, hyperparameter).reshape(len(conditions), len(self._mesh.axes))
        cells, located = self._rows_at(hyperparameter, len(conditions))
        of_cell = np.array([self._mesh.corners(cell) for cell in range(self._mesh.cell_count)])
        corners = np.array(self.vertices)[of_cell[cells]]
        left, right = corners.min(1), corners.max(1)
        low, high = located == left, located == right
        if len(self._mesh.axes) == 1:
            for cell in np.unique(cells).tolist():
                rows = np.flatnonzero(cells == cell)
                low[rows, 0], high[rows, 0] = self._broken.at_ends(cell, located[rows, 0])
        position = np.where(low | high, 0.0, position)
        return np.where(high, right, left), np.where(low, left, right), position

    def _heed_certificate(self, values: NDArray[np.float64], conditions: NDArray[np.floating], *, strict: bool) -> None:
        """Warn, or refuse, where some rows λ = values (n,), conditions (n, C), are not trusted."""
        if not self.certificate:
            return
        verdicts = objections(self.certificate, values, conditions, self.anchors)
        if verdicts and strict:
            raise HyperparameterError(
                f"{self.schema.hyperparameter.name}: {'; '.join(verdicts)}; ask without strict to get an answer anyway"
            )
        for verdict in verdicts:
            warnings.warn(f"{self.schema.hyperparameter.name}: {verdict}", UserWarning, stacklevel=3)

    def _rows_at(self, hyperparameter: object, count: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Cell and located λ (N, P) of each of `count` rows."""
        located = locate_rows(on_host(hyperparameter), count, self._mesh.axes)
        self._mesh.check_inside(located)
        return self._mesh.cell_rows(located), located

    def _conditions(self, conditions: object, curves: CellCurves) -> "Tensor":
        """Conditions (N, C) as float64: codes may exceed the precision of float32."""
        coded = with_codes(conditions, self.schema.conditions, "conditions")
        return self._table(coded, "conditions", self.schema.conditions, curves)

    @staticmethod
    def _table(values: object, field: str, columns: Sequence[Column], curves: CellCurves) -> "Tensor":
        table = curves.read(values, field)
        if table.shape[1] != len(columns):
            names = [column.name for column in columns]
            raise DataError(f"{field} have shape {tuple(table.shape)}; (N, {len(names)}) is needed, columns {names}")
        check_finite(table, field)
        return table

    @abstractmethod
    def transport(self, outputs: ArrayT, conditions: ArrayT, source: Given, target: Given) -> ArrayT:
        """Move samples from λ = source to λ = target: outputs (N, D), conditions (N, C) → (N, D).

        Raises ConfigurationError where this surrogate does not move outputs of one's own.
        """

    def _curves_for(self, given: object, points: int) -> CellCurves:
        """The implementation for so many points, given as a tensor or an array."""
        return self._curves


def on_host(value: object) -> object:
    """A λ without torch's devices and gradients: tensors, and those of a mapping, on the CPU."""
    if isinstance(value, Mapping):
        return {name: on_host(given) for name, given in value.items()}
    return value.detach().cpu() if ops.is_tensor(value) else value


def _blocks(rows: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    """Rows in portions of at most `size`."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def finite(moved: "Tensor") -> "Tensor":
    """The points, if all are finite, else DataError."""
    if not ops.is_finite(moved):
        raise DataError("the samples cannot be moved within float32; they are too far from those of the harvest")
    return moved
