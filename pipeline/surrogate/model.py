"""The surrogate: p̂(y | x, λ) for every λ between the anchors."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.forms import with_codes
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Given, Grid, Mesh, locate_rows
from pipeline.data.schema import Column, Schema
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.shapes import ArrayT
from pipeline.surrogate.arrays import as_given, check_finite, to_array, to_tensor, whole_number
from pipeline.surrogate.barriers import Barrier, Broken
from pipeline.surrogate.cells import make_mesh
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.draws import Rows
from pipeline.surrogate.ends import make_ends
from pipeline.surrogate.fitted import Candidate, Fit, resolve_device
from pipeline.surrogate.own_rows import OwnRows, own_curves
from pipeline.surrogate.regions import Region, objections, trusted_rows
from pipeline.surrogate.store import bundle_digest, read_bundle, write_bundle
from pipeline.surrogate.trajectory import Trajectories, walk_cells
from pipeline.transport import ops
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.frozen import frozen
from pipeline.transport.pchip import interpolate, window
from pipeline.transport.variant import terms_of

if TYPE_CHECKING:
    from pipeline.data.network import Network


FEW = 1024
"""The largest number of points moved on NumPy arrays; for more, torch is as fast on one thread, and has several."""
BLOCK = 8192
"""Draws that `sample` computes at a time, which bounds its memory; the draws of a row stay together."""


class Surrogate:
    """A fitted surrogate; make one by `fit` or `load`.

    NumPy in, NumPy out; torch in, torch out, with the input's dtype and device; internally everything is float32 on the
    surrogate's device. Rows are independent of each other, except that equal rows are further draws.
    """

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self._parts = fit.parts
        names = [column.name for column in fit.schema.hyperparameters]
        self._mesh = make_mesh(fit.vertices, names, fit.parts.clocks, fit.order, fit.config.straight_names)
        self._trajectories = Trajectories(
            fit.parts,
            self._mesh,
            straight=terms_of(fit.config.variant).straight,
            uniform=fit.config.speed == "uniform",
        )
        self._broken = Broken(self._mesh.axes[0].values, fit.barriers or ())
        self._ends = make_ends(fit.networks, fit.samples, fit.deterministic, fit.parts, self._mesh)

    @classmethod
    def fit(cls, harvest: Harvest, config: SurrogateConfig | None = None, seed: int = 0, device: str = "cpu") -> Self:
        """Fit a surrogate to a harvest.

        config None is the shipped default, for every harvest. device: "cpu", "cuda" or "auto". Deterministic for a
        seed on one machine. Raises ConfigurationError for settings that do not fit the harvest, FitError where the
        result is not finite.
        """
        # What fits is imported here: a served model only answers.
        from pipeline.surrogate.fit import fit_parts
        from pipeline.surrogate.order import choose_order, declared_order, shown_conditions, with_effect

        config = config or SurrogateConfig()
        if len(harvest.schema.hyperparameters) == 1:
            return cls(fit_parts(harvest, config, seed, device))
        declared = declared_order(harvest, config)
        full = cls(fit_parts(harvest, declared, seed, device))
        if config.order != "auto":
            return full
        order, record = choose_order(harvest, full, lambda some, given: cls(fit_parts(some, given, seed, device)))
        if order != declared.order:
            full = cls(fit_parts(harvest, declared.model_copy(update={"order": order}), seed, device))
        seen = with_effect(record, full.order_effect(shown_conditions(harvest)))
        return cls(replace(full._fit, candidates=(*full.candidates, *seen)))

    @property
    def schema(self) -> Schema:
        """Names, units, kinds and bounds of the columns."""
        return self._fit.schema

    @property
    def config(self) -> SurrogateConfig:
        """The resolved settings: variant, speed and weight of the potential are chosen."""
        return self._fit.config

    @property
    def deterministic(self) -> bool:
        """Whether each condition has exactly one output."""
        return self._fit.deterministic

    @property
    def networks(self) -> "tuple[Network, ...] | None":
        """One network per anchor, or None for a harvest without networks."""
        return self._fit.networks

    @property
    def sampled_conditions(self) -> tuple[NDArray[np.float64], ...]:
        """The conditions (N_k, C) of the samples that stand in for networks, an anchor each; () with networks."""
        return tuple(conditions.cpu().numpy() for _, conditions in self._fit.samples)

    @property
    def history(self) -> dict[str, list[float]]:
        """The training curves by name; and map_error, the maps' mean squared error in every interval, standardised."""
        return self._fit.history

    @property
    def clock_errors(self) -> dict[str, float]:
        """Leave-one-anchor-out errors of the clocks that were compared, by name."""
        return self._fit.clock_errors

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What was compared: the variants, then the clocks ("clock NAME"), then the ways to move own rows.

        An error is that of the left-out anchors, in standardised units; None where none could be left out, so that the
        choice is a declared prior. standard_error: of the difference from the best candidate's error. Of the ways to
        move the harvest's own rows ("own rows NAME") it is that of draws held back: exact W₂².
        """
        return self._fit.candidates

    @property
    def own_share(self) -> float:
        """How far `transport` of the harvest's own rows follows their partners: 0 (the maps alone), ½ or 1."""
        return self._fit.own_share

    @property
    def barriers(self) -> tuple[Barrier, ...] | None:
        """What mixtures of both anchors' networks score in every interval; None where that was not looked for.

        In a broken interval `sample` answers, with a UserWarning, by the network of the end that scores better at λ.
        """
        return self._fit.barriers

    def with_barriers(self, barriers: Sequence[Barrier]) -> Self:
        """This surrogate with what `pipeline.surrogate.barrier_check.find_barriers` found, one for every interval.

        Raises ConfigurationError for those of other anchors, or for a harvest without networks.
        """
        found, own = [barrier.anchors for barrier in barriers], list(pairwise(self.anchors))
        if found != own or self.networks is None:
            raise ConfigurationError(
                f"barriers are of the intervals {found}; this surrogate has {own} and "
                f"{'no ' if self.networks is None else ''}networks; check its own harvest, with networks"
            )
        return type(self)(replace(self._fit, barriers=tuple(barriers)))

    @property
    def certificate(self) -> tuple[Region, ...]:
        """Where along λ validation found that the surrogate can be trusted, and why; () before it."""
        return self._fit.certificate

    def certified(self, regions: Sequence[Region]) -> Self:
        """This surrogate with a certificate of `pipeline.evaluation.certificate`: `save` writes it, `sample` heeds it.

        Outputs and digest stay what they are. Raises ConfigurationError for regions that do not span the anchors.
        """
        found = [edge for region in regions for edge in (region.low, region.high)]
        if found and (found != sorted(found) or [found[0], found[-1]] != [self.anchors[0], self.anchors[-1]]):
            raise ConfigurationError(
                f"the certificate's regions {found} do not run from {self.anchors[0]} to {self.anchors[-1]}; take that "
                "of this surrogate's own validation"
            )
        return type(self)(replace(self._fit, certificate=tuple(regions)))

    @property
    def variance_share(self) -> float:
        """The share of the outputs' variance in the components that the transport acts on; 1 where it acts on all."""
        components = self._parts.components
        return 1.0 if components is None else float(components.share)

    @property
    def anchors(self) -> tuple[float, ...]:
        """λ_0 < … < λ_K of one hyperparameter; ConfigurationError with several, whose anchors are `vertices`."""
        if len(self._mesh.axes) > 1:
            raise ConfigurationError("this surrogate has several hyperparameters; its anchors are in `vertices`")
        return self._mesh.axes[0].values

    @property
    def vertices(self) -> tuple[tuple[float, ...], ...]:
        """The anchors, each a tuple of P ≥ 1 numbers, in the harvest's order."""
        return self._fit.vertices

    @property
    def mesh(self) -> Mesh:
        """The anchors as a mesh: a line, a grid, or a triangulation in the clocks' coordinates."""
        return self._mesh

    @property
    def clock_base(self) -> str:
        """The name of the clock's base; with several hyperparameters one a coordinate, comma-separated."""
        return ", ".join(clock.base for clock in self._parts.clocks)

    @property
    def clock(self) -> str:
        """The clock's label: its base, and whether it is skewed, by condition or equally for all.

        With several hyperparameters every one has its clock, after its name.
        """
        labels = self.clocks
        return next(iter(labels.values())) if len(labels) == 1 else "; ".join(f"{n}: {c}" for n, c in labels.items())

    @property
    def clocks(self) -> dict[str, str]:
        """The label of every hyperparameter's clock, by the hyperparameter's name."""
        names = [column.name for column in self.schema.hyperparameters]
        return dict(zip(names, (clock.label for clock in self._parts.clocks), strict=True))

    @property
    def device(self) -> torch.device:
        """The device of the surrogate's tensors."""
        return self._parts.scaling.output_mean.device

    def to(self, device: str) -> Self:
        """Move the surrogate to a device, in place; returns itself."""
        self._parts.to(resolve_device(device))
        return self

    def transport(self, outputs: ArrayT, conditions: ArrayT, source: Given, target: Given) -> ArrayT:
        """Move samples from λ = source to λ = target, both anywhere between the anchors, in either direction.

        outputs (N, D), conditions (N, C) → (N, D). Across intervals the maps T_k, or their inverses, are chained;
        within one the path is evaluated at the clock's position. A round trip returns within
        `trajectory.ROUND_TRIP` standardised units; a UserWarning is issued where a map folds, so that it cannot. Where
        many of the harvest's rows are exactly at an end of an output's range, rows at that end are spread over their
        images, equal rows of a call evenly; a sample that arrives at an end cannot be moved back. Rows of the harvest
        itself, where it has no networks and all anchors hold their condition, are moved to rows of the other anchors,
        or nearer to them, as `own_share` says; those of a deterministic network exactly. With several hyperparameters
        samples start at an anchor, and maps are chained along edges to all corners of the target's cell. Raises
        HyperparameterError for a λ outside the anchors, DataError for samples that cannot be used.
        """
        return self.path(outputs, conditions, source, [target])[:, 0]

    @torch.no_grad()
    def path(self, outputs: ArrayT, conditions: ArrayT, source: Given, targets: Sequence[Given]) -> ArrayT:
        """Samples of λ = source moved to each of `targets` (M, in any order): (N, M, D).

        Arguments and errors as `transport`.
        """
        start, *ends = (self._located(value) for value in (source, *targets))
        # Moving down inverts a map, which needs its gradient. Around a cell of several hyperparameters some edges may
        # lead down to a corner, whatever the target is.
        upward = len(start) == 1 and start in self._fit.vertices and all(start <= end for end in ends)
        curves = self._curves_for(outputs, len(outputs) * len(ends)) if upward else self._trajectories
        y, x = self._inputs(outputs, conditions, curves)
        if not len(y) or not ends:
            return as_given(torch.empty(len(y), len(ends), y.shape[1], device=self.device), outputs)
        if len(start) > 1:
            condition = curves.parts.scaling.condition(x)
            moved = walk_cells(curves, self._mesh, (y, x, condition), start, ends)
            result = as_given(curves.restore(_finite(moved)), outputs)
        else:
            result = as_given(self._moved(curves, y, x, start[0], [end[0] for end in ends]), outputs)
        for m, end in enumerate(ends):
            if end == start:
                result[:, m] = outputs  # exact, without the rounding to float32
        return result

    def _moved(self, curves: Trajectories, y: Tensor, x: Tensor, start: float, ends: Sequence[float]) -> Tensor:
        """Outputs (N, D) at conditions (N, C) of λ = start moved to each of `ends`, in their own units: (N, M, D)."""
        if self._own_rows is None:
            return self._mapped(curves, y, x, start, ends)
        outputs, known = (np.asarray(t.cpu() if isinstance(t, Tensor) else t, np.float64) for t in (y, x))
        found = self._own_rows.find(outputs, known, start)
        others = np.setdiff1d(np.arange(len(y)), np.concatenate([np.zeros(0, np.intp), *(f.rows for f in found)]))
        result = np.empty((len(y), len(ends), y.shape[1]))
        if len(others):
            moved = self._mapped(curves, y[others], x[others], start, ends)
            result[others] = moved.cpu() if isinstance(moved, Tensor) else moved
        for own in found:
            result[own.rows] = self._own_rows.moved(own, ends, curves)
        return torch.from_numpy(result)

    @staticmethod
    def _mapped(curves: Trajectories, y: Tensor, x: Tensor, start: float, ends: Sequence[float]) -> Tensor:
        """As `_moved`, by the maps T_k alone."""
        condition = curves.parts.scaling.condition(x)
        moved = curves.walk(curves.latent(y, x, condition, start), condition, start, ends)
        return curves.restore(_finite(moved))

    @cached_property
    def _own_rows(self) -> OwnRows | None:
        """The curves through the harvest's own rows; None where they go by the maps, as all others do."""
        fit = self._fit
        if not fit.own_share or not fit.samples:
            return None
        curves = own_curves(fit.samples, fit.deterministic, fit.parts, self._mesh)
        return None if curves is None else OwnRows(curves, fit.own_share, self._trajectories)

    @torch.no_grad()
    def sample(
        self,
        conditions: ArrayT,
        hyperparameter: "Given | NDArray[np.floating] | Tensor | Mapping[str, NDArray[np.floating]]",
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
        curves.parts.scaling.categories(x)  # refuses unknown categories before a network sees them
        cells, located = self._rows_at(hyperparameter, len(x))
        known = x.cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
        self._heed_certificate(located[:, 0], known, strict=strict)
        if self.networks is None:
            self._warn_of_nearest()
        for verdict in self._broken.verdicts(cells, located[:, 0]):
            warnings.warn(f"{self.schema.hyperparameter.name}: {verdict}", UserWarning, stacklevel=3)
        rows = Rows.of(known).renumbered(occurrence)
        result = np.empty((len(x), draws, len(self.schema.outputs)))
        distinct = 1 if self.deterministic else draws  # equal draws are computed once
        for cell in np.unique(cells).tolist():
            for chosen in _blocks(np.flatnonzero(cells == cell), max(1, BLOCK // distinct)):
                block = known[chosen], located[chosen], rows.select(chosen)
                result[chosen] = self._sample_cell(cell, *block, distinct, seed)
        return as_given(torch.from_numpy(result), conditions)

    def matched(
        self, conditions: NDArray[np.floating], anchors: Sequence[int], draws: int = 1, seed: int = 0
    ) -> list[NDArray[np.float64]]:
        """Outputs (N, draws, D) of anchors, by their numbers, that belong together: what `sample` draws paths between.

        conditions: (N, C). The draws of a seed are those that `sample` answers with at each of these anchors.
        """
        known = np.asarray(self._conditions(conditions, self._trajectories), np.float64)
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
        smooth = self.config.interpolation == "pchip"
        corners = self._mesh.corners(cell)
        anchors = window(cell, len(self.vertices)) if smooth else corners
        outputs = [np.asarray(y, np.float64) for y in self._ends.outputs(anchors, conditions, rows, draws, seed)]
        shape = outputs[0].shape
        curves = self._curves_for(conditions, len(conditions) * draws)
        scaling = curves.parts.scaling
        x = scaling.condition(curves.given(np.repeat(conditions, draws, axis=0)))
        flat = [y.reshape(len(x), -1) for y in outputs]
        repeated = np.repeat(located, draws, axis=0)
        if smooth:
            positions = curves.positions(cell, repeated, x)
            s = np.asarray(positions.cpu() if isinstance(positions, Tensor) else positions, np.float64)
            knots = curves.parts.clock.knots(x)[..., anchors]
            period = np.array(self.schema.periods)
            for k in range(1, len(flat)):
                flat[k] = nearest_turn(flat[k], flat[k - 1], period)
            points = interpolate(knots, flat, cell - anchors[0], s)
            result = np.asarray(as_given(scaling.valid(curves.given(points)), points)).reshape(shape)
        else:
            ends = curves.corners(cell, [curves.given(y) for y in flat], x)
            moved = curves.within(cell, ends, repeated, x)
            result = np.array(as_given(curves.restore(_finite(moved)), outputs[0]), np.float64).reshape(shape)
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
        hyperparameter: "Given | NDArray[np.floating] | Tensor | Mapping[str, NDArray[np.floating]]",
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
        x = self._conditions(conditions, self._trajectories)
        cells, located = self._rows_at(hyperparameter, len(x))
        condition = self._parts.scaling.condition(x)
        result = np.empty((len(x), len(self._mesh.axes)))
        for cell in np.unique(cells).tolist():
            chosen = np.flatnonzero(cells == cell)
            rows = condition[torch.as_tensor(chosen, device=self.device)]
            for p, (clock, interval) in enumerate(zip(self._parts.clocks, self._mesh.place(cell), strict=True)):
                result[chosen, p] = clock.positions(interval, located[chosen, p : p + 1], rows)[:, 0].cpu().numpy()
        return result[:, 0] if result.shape[1] == 1 else result

    @torch.no_grad()
    def order_effect(self, conditions: ArrayT) -> float:
        """How far answers depend on the order of the hyperparameters: 0 where geodesics commute, as straight ones do.

        The root mean square distance between the centres of all cells when geodesics are nested in this order and in
        the reverse one, between the same draws of the corners, in units of the corners' distances from their mean.
        conditions: (N, C). 0 for one hyperparameter, and for scattered anchors, whose order is that of the vertices.
        """
        from pipeline.surrogate.order import order_effect

        x = np.asarray(as_given(self._conditions(conditions, self._trajectories), np.zeros(0)), np.float64)
        return order_effect(self._trajectories, self._ends, x)

    def _located(self, value: object) -> tuple[float, ...]:
        """One λ as P numbers."""
        axes, value = self._mesh.axes, _on_host(value)
        if len(axes) == 1 and not isinstance(value, Mapping):
            return (axes[0].locate(value),)
        located = locate_rows(value, 1, axes)
        self._mesh.check_inside(located)
        return tuple(located[0].tolist())

    def _rows_at(self, hyperparameter: object, count: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Cell and located λ (N, P) of each of `count` rows."""
        located = locate_rows(_on_host(hyperparameter), count, self._mesh.axes)
        self._mesh.check_inside(located)
        return self._mesh.cell_rows(located), located

    def trusted(
        self,
        conditions: ArrayT,
        hyperparameter: "Given | NDArray[np.floating] | Tensor | Mapping[str, NDArray[np.floating]]",
    ) -> NDArray[np.bool_]:
        """Whether the certificate trusts the answer at conditions (N, C) and one λ or one a row: (N,).

        Anchors answer for themselves; without a certificate nothing else is trusted. Errors as `sample`.
        """
        known = np.asarray(as_given(self._conditions(conditions, self._trajectories), np.zeros(0)), np.float64)
        _, located = self._rows_at(hyperparameter, len(known))
        at_anchor = (located[:, None] == np.array(self.vertices)).all(2).any(1)
        if not self._fit.certificate:
            return np.asarray(at_anchor)
        return np.asarray(at_anchor | trusted_rows(self._fit.certificate, located[:, 0], known))

    def distance(self, conditions: ArrayT) -> NDArray[np.float64]:
        """How far conditions (N, C) lie outside the range of the harvest's, in standard deviations: (N,), 0 inside.

        The Euclidean norm over the continuous columns. From `standardise.MARGIN` on, conditions are clipped before
        maps and paths see them.
        """
        known = self._conditions(conditions, self._trajectories)
        return np.asarray(self._parts.scaling.distance(known).cpu().numpy(), np.float64)

    def answering(
        self,
        conditions: ArrayT,
        hyperparameter: "Given | NDArray[np.floating] | Tensor | Mapping[str, NDArray[np.floating]]",
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
        if not self._fit.certificate:
            return
        verdicts = objections(self._fit.certificate, values, conditions, self.anchors)
        if verdicts and strict:
            raise HyperparameterError(
                f"{self.schema.hyperparameter.name}: {'; '.join(verdicts)}; ask without strict to get an answer anyway"
            )
        for verdict in verdicts:
            warnings.warn(f"{self.schema.hyperparameter.name}: {verdict}", UserWarning, stacklevel=4)

    def _warn_of_nearest(self) -> None:
        warnings.warn(
            "this surrogate carries no networks: draws start and end at the harvest's samples of the nearest condition",
            UserWarning,
            stacklevel=3,
        )

    @torch.no_grad()
    def log_density(self, outputs: ArrayT, conditions: ArrayT) -> ArrayT:
        """Log p̂(y | x) of the kernel density estimate behind the potential, in standardised units: (N,).

        Where outputs are many, of their leading components; see `variance_share`.
        """
        y, x = self._inputs(outputs, conditions, self._trajectories)
        scaling, components = self._parts.scaling, self._parts.components
        condition = scaling.condition(x)
        points = scaling.standardise(self._parts.angles.lifted(y, condition, len(self.vertices) // 2))
        if components is not None:
            points = components.leading(points)
        value = self._parts.density.log_density(points.unsqueeze(1), condition)
        return as_given(value[:, 0], outputs)

    def save(self, path: Path | str) -> None:
        """Write the folder `path` atomically: JSON, safetensors, and the anchors' networks. Never a pickle."""
        write_bundle(self._fit, Path(path))

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu") -> Self:
        """Read a folder that `save` wrote; BundleError where files are missing or corrupted."""
        return cls(read_bundle(Path(path), device))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that determines the surrogate's outputs; computed once."""
        return bundle_digest(self._fit)

    @cached_property
    def _frozen(self) -> Trajectories:
        """The same curves on NumPy arrays."""
        return replace(self._trajectories, parts=frozen(self._parts))

    def _curves_for(self, given: object, points: int) -> Trajectories:
        """The faster implementation: NumPy for few points given as arrays, else torch."""
        if points > FEW or isinstance(given, Tensor) or self.device.type != "cpu":
            return self._trajectories
        return self._frozen

    def _conditions(self, conditions: object, curves: Trajectories) -> Tensor:
        """Conditions (N, C) as float64: codes may exceed the precision of float32."""
        coded = with_codes(conditions, self.schema.conditions, "conditions")
        return self._table(coded, "conditions", self.schema.conditions, curves)

    def _inputs(self, outputs: object, conditions: object, curves: Trajectories) -> tuple[Tensor, Tensor]:
        """Outputs (N, D) and conditions (N, C) as float64, tensors or arrays as `curves` needs."""
        y = self._table(outputs, "outputs", self.schema.outputs, curves)
        x = self._conditions(conditions, curves)
        if len(y) != len(x):
            raise DataError(f"outputs have {len(y)} rows, conditions {len(x)}; rows must match")
        return y, x

    @staticmethod
    def _table(values: object, field: str, columns: Sequence[Column], curves: Trajectories) -> Tensor:
        table = to_tensor(values, field) if isinstance(values, Tensor) else curves.given(to_array(values, field))
        if table.shape[1] != len(columns):
            names = [column.name for column in columns]
            raise DataError(f"{field} have shape {tuple(table.shape)}; (N, {len(names)}) is needed, columns {names}")
        check_finite(table, field)
        return table.to(curves.device, torch.float64) if isinstance(values, Tensor) else table


def _on_host(value: object) -> object:
    """A λ without torch's devices and gradients: tensors, and those of a mapping, on the CPU."""
    if isinstance(value, Mapping):
        return {name: _on_host(given) for name, given in value.items()}
    return value.detach().cpu() if isinstance(value, Tensor) else value


def _blocks(rows: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    """Rows in portions of at most `size`."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _finite(moved: Tensor) -> Tensor:
    if not ops.is_finite(moved):
        raise DataError("the samples cannot be moved within float32; they are too far from those of the harvest")
    return moved
