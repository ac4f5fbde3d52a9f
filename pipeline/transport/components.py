"""Many outputs: transport in their leading principal components, while what these leave out is carried linearly.

A learnt metric of D outputs turns D(D − 1)/2 planes, and maps in closed form hold D × D matrices. Where outputs lie
near a subspace of r dimensions, metric, potential, paths and maps act on the r coordinates z = y V / u there, and the
rest y − u z Vᵀ is moved by its mean and its size alone: rest ↦ m'(x) + (σ' / σ) (rest − m(x)). All is linear in D.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.transport import ops
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.buffers import ResizableBuffers
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.condition_function import ConditionFunction, features
from pipeline.transport.ridge import make_folds, solve

MOST_CURVED = 8
"""With more outputs, metrics and paths that are learnt act on leading components."""
MOST_STRAIGHT = 64
"""With more outputs, maps along straight lines do so, too."""
MOST = 16
"""The most components that are taken: a metric of 16 turns 120 planes."""
SHARE = 0.99
"""The share of the outputs' variance that suffices."""
MOST_ROWS = 4096
"""Rows of an anchor that components are found from."""
MOST_CONDITIONS = 1024
"""Rows of an anchor that the rest's mean is regressed on."""

Count = int | Literal["auto"]
Place = tuple[tuple[int, int], Tensor]
"""Two anchors, and positions s in [0, 1] between them: (M,), the same for all rows, or (B, M)."""


class Components(ResizableBuffers):
    """Leading principal components of standardised outputs, and the means and sizes of the rest at every anchor.

    basis: (D, r), orthonormal columns. unit: what coordinates are divided by, so that their mean variance is 1 whatever
    D is: kinetic and potential energy keep their proportion. share: the share of the outputs' variance that they hold.
    scales: (K + 1,), root mean squares of the rest about its means.
    """

    basis: Tensor
    unit: Tensor
    share: Tensor
    scales: Tensor

    def __init__(self, dimension: int, rank: int, anchors: int, condition: ConditionShape) -> None:
        super().__init__()
        self.condition_shape, self.rank = condition, rank
        inputs = condition.continuous + sum(condition.codes)
        self.register_buffer("basis", torch.zeros(dimension, rank))
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("share", torch.zeros(()))
        self.register_buffer("scales", torch.ones(anchors))
        self.means = nn.ModuleList(ConditionFunction(inputs, dimension) for _ in range(anchors))

    def leading(self, outputs: Tensor) -> Tensor:
        """Coordinates (…, r) of standardised outputs (…, D)."""
        coordinates: Tensor = outputs @ self.basis / self.unit
        return coordinates

    def lift(self, leading: Tensor) -> Tensor:
        """The points (…, D) of coordinates (…, r)."""
        points: Tensor = self.unit * leading @ self.basis.T
        return points

    def rest(self, outputs: Tensor) -> Tensor:
        """What the components leave out of outputs (…, D): (…, D)."""
        return outputs - self.lift(self.leading(outputs))

    def carried(self, outputs: Tensor, x: Condition, source: Place, target: Place) -> Tensor:
        """The rest of outputs (B, D) at a source of one position, moved to M positions of a target: (B, M, D)."""
        columns = features(x, self.condition_shape)
        mean, size = self._level(columns, *source)
        mean_there, size_there = self._level(columns, *target)
        return mean_there + size_there / size * (self.rest(outputs)[:, None] - mean)

    @staticmethod
    def at_anchor(anchor: int, other: Tensor) -> Place:
        """The place of an anchor; other: anything on the same device."""
        return (anchor, anchor), ops.like_exact(np.zeros(1), other)

    def _level(self, columns: Tensor, ends: tuple[int, int], positions: Tensor) -> tuple[Tensor, Tensor]:
        """The rest's mean (B, M, D) and size (…, M, 1) at positions s (M,) or (B, M) between two anchors."""
        first, last = (self.means[k](columns)[:, None] for k in ends)
        s = positions[..., None]
        return ops.lerp(first, last, s), ops.lerp(self.scales[ends[0]], self.scales[ends[1]], s)


@dataclass(frozen=True, eq=False)
class Reduced:
    """Samples of all anchors in leading components; components None: all of their outputs, as they were."""

    components: Components | None
    samples: list[AnchorSamples]

    @property
    def dimension(self) -> int:
        """The number of coordinates, r or D."""
        return self.samples[0].outputs.shape[1]


def reduce_samples(
    samples: Sequence[AnchorSamples], condition: ConditionShape, count: Count, straight: bool
) -> Reduced:
    """Samples of all anchors in their leading components, where they have more outputs than the transport can afford.

    count: the number of components, or "auto": as many as hold SHARE of the variance, MOST at most. straight: paths are
    straight lines. Deterministic.
    """
    from pipeline.transport.principal import principal_components  # a served surrogate needs no scikit-learn

    dimension = samples[0].outputs.shape[1]
    most = MOST_STRAIGHT if straight else MOST_CURVED
    if dimension <= most if count == "auto" else dimension <= count:
        return Reduced(None, list(samples))
    rows = torch.cat([anchor.outputs[_some(len(anchor.outputs), MOST_ROWS)] for anchor in samples]).cpu().numpy()
    wanted = min(MOST if count == "auto" else count, len(rows), dimension)
    found = principal_components(rows, wanted)
    shares = np.cumsum(found.shares)
    rank = wanted
    if count == "auto":
        rank = min(wanted, 1 + int(np.searchsorted(shares, SHARE)))
    if rank == dimension:
        return Reduced(None, list(samples))
    components = Components(dimension, rank, len(samples), condition)
    components.basis.copy_(torch.from_numpy(np.ascontiguousarray(found.axes[:rank].T)))
    components.unit.fill_(max(float(np.sqrt(found.variances[:rank].mean())), 1e-6))
    components.share.fill_(float(shares[rank - 1]))
    components.to(samples[0].outputs.device)
    return Reduced(components, [replace(a, outputs=components.leading(a.outputs), period=None) for a in samples])


def fit_rest(components: Components, samples: Sequence[AnchorSamples]) -> None:
    """Fit what the components leave out, in place; samples: with all outputs (N, D)."""
    sizes = []
    for k, anchor in enumerate(samples):
        rows = _some(len(anchor.outputs), MOST_CONDITIONS)
        rest = components.rest(anchor.outputs[rows]).cpu().double().numpy()
        columns = features(anchor.condition[rows], components.condition_shape).cpu().double().numpy()
        folds = make_folds(anchor.group[rows].cpu().numpy())
        found = solve(columns, rest, np.ones(len(rest)), folds)
        components.means[k].set(found.intercept, found.weights)  # type: ignore[operator]
        sizes.append(float(np.sqrt(np.mean((rest - columns @ found.weights - found.intercept) ** 2))))
    if min(sizes) > 1e-6 * max(sizes):
        components.scales.copy_(torch.tensor(sizes))
    components.to(samples[0].outputs.device)


def _some(count: int, most: int) -> Tensor:
    """At most so many of `count` rows, drawn at random, ascending."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort().values
