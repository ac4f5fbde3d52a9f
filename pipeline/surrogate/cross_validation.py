"""Cross-validation of candidates for the Lagrangian: interior anchors are left out in turn, and predicted.

Half of the draws of each condition (of a deterministic network: half of the conditions) train a candidate briefly, on
the interval between the left-out anchor's neighbours. The other half validates it by the energy distance to the
anchor's own draws (of a deterministic network: the squared distance), as a function of the path position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.clocks.clock import Clock
from pipeline.clocks.leave_one_out import POSITIONS, LeftOut, group_errors
from pipeline.clocks.select import as_good
from pipeline.data.harvest import Harvest
from pipeline.storage.checkpoint import once
from pipeline.storage.progress import counted
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.parts import Parts, make_density
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.angles import real_samples
from pipeline.transport.components import Reduced, reduce_samples
from pipeline.transport.coupling import Coupling
from pipeline.transport.pairs import Interval, Pairs, euclidean_cost
from pipeline.transport.pchip import interpolate
from pipeline.transport.solvers.paired import train_paths
from pipeline.transport.standardise import Standardiser
from pipeline.transport.training import PathTrainer
from pipeline.transport.variant import terms_of

FEWEST_ROWS = 32
"""The fewest rows in a half for which variants are compared."""
FEWEST_DRAWS = 16
"""The fewest draws of a condition for which variants are compared: exact transport of fewer is mostly noise."""
MOST_ROWS = 512
MOST_DRAWS = 64
STEPS = 250
"""Training steps of a candidate's paths."""
BRIEF = {"path_learning_rate": 6e-3, "metric_learning_rate": 6e-3, "batch_size": 64}
ROUNDING = 1e-10
"""Squared standardised errors up to this are rounding."""


def curved_coordinates(harvest: Harvest, config: SurrogateConfig) -> Reduced:
    """The samples that curved paths act on: all outputs, or their leading components."""
    scaling = Standardiser.of(harvest)
    _, samples = real_samples(harvest, scaling, torch.device("cpu"))
    return reduce_samples(samples, scaling.shape, config.components, straight=False)


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """A harvest's samples of every anchor in two halves, on which candidates are trained and validated.

    conditions: (R,), the row of the harvest's first anchor with the same condition; rows of one condition are
    contiguous.
    """

    train: list[AnchorSamples]
    validate: list[AnchorSamples]
    conditions: NDArray[np.intp]
    scaling: Standardiser
    reduced: Reduced
    deterministic: bool

    @classmethod
    def of(cls, harvest: Harvest, deterministic: bool, config: SurrogateConfig, seed: int) -> "CrossValidation | None":
        """Subsample and split; None where the halves would be too small."""
        generator = np.random.default_rng(seed)
        groups = harvest.groups
        halves = _halve_conditions(groups, generator) if deterministic else _halve_draws(groups, generator)
        if halves is None:
            return None
        reduced = curved_coordinates(harvest, config)
        train, validate = (
            [_rows(anchor, rows) for anchor, rows in zip(reduced.samples, half, strict=True)] for half in halves
        )
        first = np.unique(groups[0], return_index=True)[1]
        return cls(train, validate, first[validate[0].group.numpy()], Standardiser.of(harvest), reduced, deterministic)

    def curves(self, config: SurrogateConfig, seed: int) -> list[LeftOut]:
        """Leave-one-anchor-out error curves of a variant that is briefly trained without the anchor."""
        return [
            LeftOut(k, once(partial(self._errors, k, config, seed), "cross-validation"), self.conditions)
            for k in counted(range(1, len(self.train) - 1), "left-out anchors")
        ]

    def _errors(self, left_out: int, config: SurrogateConfig, seed: int) -> NDArray[np.float64]:
        ends = Interval(self.validate[left_out - 1], self.validate[left_out + 1])
        truth = self.validate[left_out].outputs.numpy()
        generator = np.random.default_rng(seed)
        if terms_of(config.variant).straight:
            pairs = ends.pairs(_in_order(ends.couple(euclidean_cost, config.coupling_pairs, generator)))
            at = torch.tensor(POSITIONS, dtype=torch.float32)[:, None]
            points = torch.lerp(pairs.start[:, None], pairs.end[:, None], at)
        else:
            parts, trainer = self._train(left_out, config, seed)
            pairs = ends.pairs(_in_order(ends.couple(trainer.cost, config.coupling_pairs, generator)))
            points = _along(parts, pairs)
        return group_errors(points.numpy(), truth, self.validate[left_out].group.numpy())

    def errors_at(self, clock: Clock, curves: Sequence[LeftOut]) -> NDArray[np.float64]:
        """Leave-one-anchor-out errors (R,) of error curves at the positions of a clock."""
        return np.asarray(sum(curve.at(self._positions(curve.anchor, clock))[:, 0] for curve in curves))

    def _positions(self, left_out: int, clock: Clock) -> NDArray[np.float64]:
        """Positions (R, 1) of a left-out anchor between its neighbours."""
        knots = clock.knots(self.validate[left_out].condition)
        before, here, after = (knots[..., left_out + shift, None] for shift in (-1, 0, 1))
        return np.broadcast_to((here - before) / (after - before), (len(self.conditions), 1))

    def pchip(self, clocks: Sequence[Clock], seed: int) -> tuple[Clock, NDArray[np.float64]]:
        """The first clock whose leave-one-anchor-out error with PCHIP is as good as the best, and its errors (R,)."""
        anchors = range(1, len(self.validate) - 1)
        windows = {k: self._window(k, np.random.default_rng(seed)) for k in anchors}
        errors = [np.sum([self._pchip_errors(k, *windows[k], clock) for k in anchors], axis=0) for clock in clocks]
        best = min(errors, key=lambda of_clock: float(of_clock.mean()))
        return next((c, e) for c, e in zip(clocks, errors, strict=True) if as_good(e, best, self.conditions))

    def _window(self, left_out: int, generator: np.random.Generator) -> tuple[list[int], list[NDArray[np.float64]]]:
        """The anchors around a left-out one that PCHIP uses, and their outputs (R, D), matched row by row."""
        kept = [k for k in range(left_out - 2, left_out + 3) if k != left_out and 0 <= k < len(self.validate)]
        matched = {left_out - 1: self.validate[left_out - 1]}
        for k in range(left_out + 1, kept[-1] + 1):
            matched[k] = _matched(matched[k - 1 if k - 1 in matched else k - 2], self.validate[k], generator)
        if left_out - 2 in kept:
            matched[left_out - 2] = _matched(matched[left_out - 1], self.validate[left_out - 2], generator)
        return kept, [matched[k].outputs.double().numpy() for k in kept]

    def _pchip_errors(
        self, left_out: int, kept: list[int], outputs: list[NDArray[np.float64]], clock: Clock
    ) -> NDArray[np.float64]:
        own = self.validate[left_out]
        knots = clock.knots(own.condition)[..., kept]
        points = interpolate(knots, outputs, kept.index(left_out - 1), self._positions(left_out, clock))
        return group_errors(points[:, None], own.outputs.numpy(), own.group.numpy())[:, 0]

    def floor(self) -> float:
        """The error of fresh draws of the left-out anchors themselves; of deterministic outputs that of rounding."""
        if self.deterministic:
            return ROUNDING
        pairs = list(zip(self.train, self.validate, strict=True))[1:-1]
        return sum(
            float(group_errors(fresh.outputs[:, None].numpy(), own.outputs.numpy(), own.group.numpy()).mean())
            for fresh, own in pairs
        )

    def _train(self, left_out: int, config: SurrogateConfig, seed: int) -> tuple[Parts, PathTrainer]:
        """Metric and density over all anchors' training halves, paths between the left-out anchor's neighbours."""
        density = make_density(self.train, config, seed)
        clock, components = Clock("linear", (0.0, 1.0)), self.reduced.components
        parts = Parts(self.scaling, [clock], density, config, seed, edges=1, components=components)
        brief = config.model_copy(update={"path_steps": STEPS, **BRIEF})
        trainer = PathTrainer(parts.lagrangian, parts.paths, brief, STEPS)
        near = self.train[left_out - 1 : left_out + 2]
        intervals = [Interval(near[0], near[2]), *(Interval(a, b) for a, b in pairwise(near))]
        numpy_generator, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        pairs = [i.pairs(i.couple(euclidean_cost, brief.coupling_pairs, numpy_generator)) for i in intervals]
        train_paths(trainer, intervals, pairs, brief, generator, explore=not self.deterministic)
        return parts, trainer


def _matched(known: AnchorSamples, other: AnchorSamples, generator: np.random.Generator) -> AnchorSamples:
    """The samples of another anchor in the order of their partners under the Euclidean cost."""
    coupling = Interval(known, other).couple(euclidean_cost, MOST_ROWS * MOST_ROWS, generator)
    return _rows(other, _in_order(coupling).right)


def _in_order(coupling: Coupling) -> Coupling:
    """A matching in the order of its left rows."""
    order = np.argsort(coupling.left, kind="stable")
    return Coupling(coupling.left[order], coupling.right[order], coupling.weight[order])


@torch.no_grad()
def _along(parts: Parts, pairs: Pairs) -> torch.Tensor:
    """Points (R, 41, D) on the paths of pairs at POSITIONS."""
    return parts.paths.at_positions(
        pairs.start, pairs.end, pairs.condition, torch.tensor(POSITIONS, dtype=torch.float32)
    )


def _rows(anchor: AnchorSamples, rows: NDArray[np.intp]) -> AnchorSamples:
    index = torch.from_numpy(rows)
    return replace(anchor, outputs=anchor.outputs[index], condition=anchor.condition[index], group=anchor.group[index])


Halves = tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]


def _halve_draws(groups: Sequence[NDArray[np.intp]], generator: np.random.Generator) -> Halves | None:
    """Two sets of equally many draws of every condition at all anchors; rows of a condition are contiguous."""
    counts = np.stack([np.bincount(group) for group in groups])
    half = np.minimum(counts.min(0) // 2, MOST_DRAWS)
    if half.min() * 2 < FEWEST_DRAWS or half.sum() < FEWEST_ROWS:
        return None
    order = generator.permutation(len(half))
    kept = np.sort(order[: max(1, int(np.searchsorted(np.cumsum(half[order]), MOST_ROWS, side="right")))])
    halves: Halves = ([], [])
    for group in groups:
        rows = [generator.permutation(np.flatnonzero(group == g))[: 2 * half[g]] for g in kept]
        halves[0].append(np.concatenate([r[: len(r) // 2] for r in rows]))
        halves[1].append(np.concatenate([r[len(r) // 2 :] for r in rows]))
    return halves


def _halve_conditions(groups: Sequence[NDArray[np.intp]], generator: np.random.Generator) -> Halves | None:
    """Two sets of conditions, with one row of each at every anchor."""
    first = [np.unique(group, return_index=True)[1] for group in groups]
    order = generator.permutation(len(first[0]))[: 2 * MOST_ROWS]
    if len(order) < 2 * FEWEST_ROWS:
        return None
    parts = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    return [rows[parts[0]] for rows in first], [rows[parts[1]] for rows in first]
