"""The samples of the anchors as the solvers see them: standardised tensors, and which rows share a condition."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.data.harvest import Harvest
from pipeline.data.samples import group_rows
from pipeline.transport import ops
from pipeline.transport.condition import Condition
from pipeline.transport.standardise import Standardiser

BLOCK = 1024
"""Number of conditions that are compared with all known ones at once."""


@dataclass(frozen=True, eq=False)
class AnchorSamples:
    """Standardised outputs (N, D), N encoded conditions, and the number of each row's condition (N,).

    period: (D,), float32, 0 where an output does not wrap; None: none does.
    """

    outputs: Tensor
    condition: Condition
    group: Tensor
    period: Tensor | None = None


def anchor_samples(harvest: Harvest, scaling: Standardiser, device: torch.device) -> list[AnchorSamples]:
    """The samples of every anchor; equal conditions have equal group numbers across the anchors."""
    period = ops.single(scaling.standard_period).to(device) if scaling.circular else None
    return [
        AnchorSamples(
            scaling.standardise(torch.tensor(y, dtype=torch.float64, device=device)),
            scaling.condition(torch.tensor(x, dtype=torch.float64, device=device)),
            torch.as_tensor(g, device=device),
            period,
        )
        for y, x, g in zip(harvest.outputs, harvest.conditions, harvest.groups, strict=True)
    ]


def is_deterministic(harvest: Harvest) -> bool:
    """Whether one condition has one output: as the schema says, else judged from the samples.

    Where the schema does not say, purely categorical conditions, or equal conditions with different outputs at any
    anchor, mean draws. Where conditions never repeat, a harvest with the same conditions at every anchor is taken to be
    deterministic.
    """
    if harvest.schema.deterministic is not None:
        return harvest.schema.deterministic
    if all(harvest.categorical):
        return False
    for y, group in zip(harvest.outputs, harvest.groups, strict=True):
        _, first = np.unique(group, return_index=True)
        representative = np.zeros(group.max() + 1, np.intp)
        representative[group[first]] = first
        if np.abs(y - y[representative[group]]).max() > 1e-5 * (1e-30 + np.abs(y).max()):
            return False
    return harvest.shared


def draw_nearest(
    outputs: Tensor, conditions: Tensor, wanted: Tensor, scaling: Standardiser, draws: int, seed: int
) -> Tensor:
    """Draws (N, draws, D), with replacement, from the samples of the condition nearest to each of `wanted` (N, C).

    outputs (n, D) at conditions (n, C); on the device of `wanted`.
    """
    (group,) = group_rows(conditions.numpy())
    order, counts = np.argsort(group, kind="stable"), np.bincount(group)
    starts = np.cumsum(counts) - counts
    known = scaling.condition(conditions[order[starts]].to(wanted.device))
    asked = scaling.condition(wanted)
    blocks = [asked[i : i + BLOCK].distances(known).argmin(1) for i in range(0, len(wanted), BLOCK)]
    nearest = torch.cat(blocks).cpu().numpy() if blocks else np.zeros(0, np.intp)
    share = np.random.default_rng(seed).random((len(nearest), draws))
    picked = starts[nearest, None] + (share * counts[nearest, None]).astype(np.intp)
    return outputs[order[picked]].to(wanted.device)
