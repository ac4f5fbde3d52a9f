"""LAND: a diagonal metric from samples, under which moves are cheap where samples are (Arvanitidis et al., 2016).

As Kapusniak et al. (NeurIPS 2024, arXiv 2405.14780) use it, with conditions added:
G_α(q | x) = 1 / (h_α(q | x) + ρ), h_α = Σ_i w_i(x) (y_iα − q_α)² exp(−|q − y_i|² / 2σ²), over samples y_i of all
anchors. The weights w_i are 1 there. Here they are Nadaraya–Watson's, k_hx(x − x_i) / Σ_j k_hx(x − x_j), and 0 in other
categories; h is divided by its mean over the samples, so that ρ has no units and the number of samples no effect.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.bandwidth import choose_bandwidths
from pipeline.transport.condition import Condition

SUPPORT = 512
"""Samples that the metric is made of, at most."""
WIDER = 1.5
"""σ in units of the density's leave-one-out bandwidth, at which samples just hold together."""
FLOOR = 0.005
"""ρ: where no samples are a move costs up to (1 + ρ) / ρ times as much as amidst them."""


class LandMetric:
    """The diagonal of G at points, from the samples of all anchors."""

    def __init__(self, samples: Sequence[AnchorSamples], generator: torch.Generator) -> None:
        outputs, period = torch.cat([s.outputs for s in samples]), samples[0].period
        condition = Condition(
            torch.cat([s.condition.values for s in samples]), torch.cat([s.condition.codes for s in samples])
        )
        rows = torch.randperm(len(outputs), generator=generator)[:SUPPORT]
        self._support, self._known, self._period = outputs[rows], condition[rows], period
        bandwidth, self._condition_width = choose_bandwidths(outputs, condition, None, None, generator)
        self._width, self._unit = WIDER * bandwidth, 1.0
        self._unit = max(float(self._spread(self._support, self._known).mean()), 1e-12)

    def __call__(self, points: Tensor, condition: Condition) -> Tensor:
        """G's diagonal (B, D) at points (B, D) and B conditions."""
        return 1 / (self._spread(points, condition) / self._unit + FLOOR)

    def _spread(self, points: Tensor, condition: Condition) -> Tensor:
        """The sums h (B, D), before its division by the mean."""
        gaps = points[:, None] - self._support
        if self._period is not None:
            gaps = gaps - self._period * (gaps / (self._period + (self._period == 0))).round()
        squares = gaps.square()
        near = torch.softmax(-0.5 * condition.distances(self._known) / self._condition_width**2, dim=-1)
        kernel = near * torch.exp(-0.5 * squares.sum(-1) / self._width**2)
        return torch.einsum("bn,bnd->bd", kernel, squares)


def flat(points: Tensor, condition: Condition) -> Tensor:
    """The metric of flat space, ones (B, D)."""
    return torch.ones_like(points)


def kinetic(metric: Tensor, velocity: Tensor) -> Tensor:
    """½ Σ_α G_α q̇_α², (B,), of diagonals and velocities (B, D)."""
    return 0.5 * (metric * velocity.square()).sum(-1)
