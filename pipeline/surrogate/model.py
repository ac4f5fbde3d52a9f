"""The surrogate: p̂(y | x, λ) for every λ between the anchors."""

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

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Given, locate_rows
from pipeline.errors import ConfigurationError, DataError
from pipeline.shapes import ArrayT
from pipeline.surrogate.answering import Answering, Description, finite, on_host
from pipeline.surrogate.arrays import as_given
from pipeline.surrogate.barriers import Barrier
from pipeline.surrogate.cells import make_mesh
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.ends import HarvestEnds, MatchedEnds, make_ends
from pipeline.surrogate.fitted import Candidate, Fit, resolve_device
from pipeline.surrogate.images import FittedImages
from pipeline.surrogate.own_rows import OwnRows, own_curves
from pipeline.surrogate.regions import Region
from pipeline.surrogate.store import bundle_digest, read_bundle, write_bundle
from pipeline.surrogate.trajectory import Trajectories, walk_cells
from pipeline.transport.frozen import frozen
from pipeline.transport.variant import terms_of

if TYPE_CHECKING:
    from pipeline.data.network import Network


FEW = 1024
"""The largest number of points moved on NumPy arrays; for more, torch is as fast on one thread, and has several."""


class Surrogate(Answering):
    """A fitted surrogate; make one by `fit` or `load`. Internally everything is float32 on the surrogate's device."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self._parts = fit.parts
        names = [column.name for column in fit.schema.hyperparameters]
        mesh = make_mesh(fit.vertices, names, fit.parts.clocks, fit.order, fit.config.straight_names)
        straight, uniform = terms_of(fit.config.variant).straight, fit.config.speed == "uniform"
        self._trajectories = Trajectories(fit.parts, mesh, straight=straight, uniform=uniform)
        description = Description(
            fit.schema,
            fit.vertices,
            mesh,
            fit.deterministic,
            fit.config.interpolation == "pchip",
            fit.networks,
            fit.barriers,
            fit.certificate,
        )
        samples = [(y.double().cpu().numpy(), x.cpu().numpy()) for y, x in fit.samples]
        ends = make_ends(fit.networks, samples, fit.deterministic, FittedImages(fit.parts), mesh)
        super().__init__(description, self._trajectories, ends)

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
    def fitted(self) -> Fit:
        """What was fitted, as the bundle holds it: what an export is made of."""
        return self._fit

    @property
    def trajectories(self) -> Trajectories:
        """The curves of the fitted modules."""
        return self._trajectories

    @property
    def matches_draws(self) -> bool:
        """Whether draws of neighbouring anchors are matched by the maps T_k, rather than coupled by their noise."""
        return isinstance(self._ends, MatchedEnds | HarvestEnds)

    @property
    def config(self) -> SurrogateConfig:
        """The resolved settings: variant, speed and weight of the potential are chosen."""
        return self._fit.config

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
            result = as_given(curves.restore(finite(moved)), outputs)
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
        return curves.restore(finite(moved))

    @cached_property
    def _own_rows(self) -> OwnRows | None:
        """The curves through the harvest's own rows; None where they go by the maps, as all others do."""
        fit = self._fit
        if not fit.own_share or not fit.samples:
            return None
        curves = own_curves(fit.samples, fit.deterministic, fit.parts, self._mesh)
        return None if curves is None else OwnRows(curves, fit.own_share, self._trajectories)

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
        axes, value = self._mesh.axes, on_host(value)
        if len(axes) == 1 and not isinstance(value, Mapping):
            return (axes[0].locate(value),)
        located = locate_rows(value, 1, axes)
        self._mesh.check_inside(located)
        return tuple(located[0].tolist())

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

    def _inputs(self, outputs: object, conditions: object, curves: Trajectories) -> tuple[Tensor, Tensor]:
        """Outputs (N, D) and conditions (N, C) as float64, tensors or arrays as `curves` needs."""
        y = self._table(outputs, "outputs", self.schema.outputs, curves)
        x = self._conditions(conditions, curves)
        if len(y) != len(x):
            raise DataError(f"outputs have {len(y)} rows, conditions {len(x)}; rows must match")
        return y, x
