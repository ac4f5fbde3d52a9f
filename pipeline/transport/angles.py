"""Circular outputs as real numbers: the turn of every angle is the one nearest to its anchor's mean direction at x.

Maps, metric and density act on real numbers. The mean direction of anchor k at condition x is atan2 of regressed sines
and cosines (Mardia and Jupp, Directional Statistics, 2000, section 11.3); that of anchor k + 1 is taken on the turn
nearest to that of anchor k, with several hyperparameters along a tree of the anchors' edges. So a cloud at the seam is
not torn, and moves the short way round. Answers are wrapped.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Tree
from pipeline.data.schema import Schema
from pipeline.transport import ops
from pipeline.transport.anchor_samples import AnchorSamples, anchor_samples
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.condition_function import ConditionFunction, features
from pipeline.transport.ridge import make_folds, solve
from pipeline.transport.standardise import Standardiser

MOST_ROWS = 2048
"""Rows of an anchor that its mean direction is regressed on."""


class Angles(nn.Module):
    """The mean directions of circular outputs at every anchor, by condition; without such outputs nothing changes.

    centre: (n,), float64, the mean direction over all anchors, on whose turn the first anchor's directions lie.
    """

    period: Tensor
    centre: Tensor

    def __init__(self, schema: Schema, anchors: int, condition: ConditionShape, tree: Tree = ()) -> None:
        """Untrained directions; tree: edges (parent, child) from anchor 0; (): those of a line, k to k + 1."""
        super().__init__()
        self.condition_shape = condition
        self.parents = {child: parent for parent, child in tree or pairwise(range(anchors))}
        self.columns = [i for i, period in enumerate(schema.periods) if period]
        periods = torch.tensor([schema.periods[i] for i in self.columns], dtype=torch.float64)
        self.register_buffer("period", periods, persistent=False)
        self.register_buffer("centre", torch.zeros(len(self.columns), dtype=torch.float64))
        inputs, count = condition.continuous + sum(condition.codes), anchors if self.columns else 0
        self.directions = nn.ModuleList(ConditionFunction(inputs, 2 * len(self.columns)) for _ in range(count))

    def lifted(self, outputs: Tensor, x: Condition, anchor: int) -> Tensor:
        """Outputs (B, D) of an anchor in their own units, circular ones on the turn nearest to the mean direction."""
        return self.beside(outputs, self.mean(x, anchor)) if self.columns else outputs

    def beside(self, outputs: Tensor, directions: Tensor) -> Tensor:
        """Outputs (B, D) with circular ones on the turn nearest to directions (B, n)."""
        result = outputs + 0  # a copy
        result[:, self.columns] = nearest_turn(outputs[:, self.columns], directions, self.period)
        return result

    def mean(self, x: Condition, anchor: int) -> Tensor:
        """The mean directions (B, n) of an anchor's circular outputs, float64."""
        columns, found = features(x, self.condition_shape), self.centre
        way = [anchor]
        while way[-1] in self.parents:
            way.append(self.parents[way[-1]])
        for k in reversed(way):
            both = ops.double(self.directions[k](columns))
            count = both.shape[-1] // 2
            angle = ops.arctan2(both[..., count:], both[..., :count]) * self.period / (2 * np.pi)
            found = nearest_turn(angle, found, self.period)
        return found


def fit_angles(
    schema: Schema,
    outputs: Sequence[NDArray[np.float64]],
    samples: Sequence[AnchorSamples],
    condition: ConditionShape,
    tree: Tree = (),
) -> Angles:
    """The mean directions of a harvest; outputs: (N, D) per anchor, in their own units. tree: as for `Angles`."""
    angles = Angles(schema, len(samples), condition, tree)
    if not angles.columns:
        return angles
    turns = [2 * np.pi * y[:, angles.columns] / angles.period.numpy() for y in outputs]
    all_of_them = np.concatenate(turns)
    centre = np.arctan2(np.sin(all_of_them).mean(0), np.cos(all_of_them).mean(0)) / (2 * np.pi)
    angles.centre.copy_(torch.from_numpy(centre) * angles.period)
    for k, (turn, anchor) in enumerate(zip(turns, samples, strict=True)):
        rows = np.random.default_rng(0).permutation(len(turn))[:MOST_ROWS]
        columns = features(anchor.condition[torch.from_numpy(rows)], condition).cpu().double().numpy()
        target = np.hstack([np.cos(turn[rows]), np.sin(turn[rows])])
        folds = make_folds(anchor.group.cpu().numpy()[rows])
        found = solve(columns, target, np.ones(len(rows)), folds)
        angles.directions[k].set(found.intercept, found.weights)  # type: ignore[operator]
    return angles.to(samples[0].outputs.device)


def real_samples(
    harvest: Harvest, scaling: Standardiser, device: torch.device, tree: Tree = ()
) -> tuple[Angles, list[AnchorSamples]]:
    """A harvest's standardised samples with circular outputs as real numbers, and these outputs' mean directions."""
    samples = anchor_samples(harvest, scaling, device)
    outputs = [np.asarray(y, np.float64) for y in harvest.outputs]
    angles = fit_angles(harvest.schema, outputs, samples, scaling.shape, tree)
    if not angles.columns:
        return angles, samples
    given = [torch.from_numpy(y).to(device) for y in outputs]
    lifted = [angles.lifted(y, a.condition, k) for k, (y, a) in enumerate(zip(given, samples, strict=True))]
    return angles, [replace(a, outputs=scaling.standardise(y)) for a, y in zip(samples, lifted, strict=True)]
