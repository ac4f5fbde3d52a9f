"""Levels of anchors with few draws, pulled to a common movement per unit of the clock, as far as their noise allows."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import expit

from pipeline.transport.interval_map import IntervalMap
from pipeline.transport.location_scale import Draws, Groups, heavy_tails
from pipeline.transport.ridge import Array

FEWEST_FREE = 4
"""The fewest degrees of freedom that tell a noise: with fewer its inverse has no useful mean."""
PRIOR_FREEDOM = 8.0
"""The weight, in draws, of the variance over all anchors in that of one."""


def share_movement(maps: Sequence[IntervalMap], anchors: Sequence[Draws], knots: Array) -> None:
    """Pull the maps of successive intervals to equal movement per unit of the clock, in place.

    Noise in an anchor's level (its mean over conditions) makes the maps on both of its sides wrong, in opposite
    directions. Two models of the levels are averaged by their posterior probabilities (BIC: Kass and Raftery, JASA 90,
    1995): a straight line over the clock, and levels that are free. So levels are pulled to the line where noise alone
    explains how far they lie off it, and stay where it does not. Only where all anchors share their conditions, these
    repeat, and tails are light. knots: the clock at the anchors (K + 1,).
    """
    if len(anchors) < 3 or (np.diff(knots) <= 0).any() or heavy_tails(*anchors):
        return
    groups = [Groups.of(draws, heavy=False) for draws in anchors]
    freedom = np.array([len(draws) - len(of.names) for draws, of in zip(anchors, groups, strict=True)], np.float64)
    if freedom.sum() < FEWEST_FREE or any(not np.array_equal(of.names, groups[0].names) for of in groups):
        return
    level = np.stack([of.locations.mean(0) for of in groups])
    squares = np.stack(
        [((d.outputs - of.locations[of.number]) ** 2).sum(0) for d, of in zip(anchors, groups, strict=True)]
    )
    pooled = squares.sum(0) / freedom.sum()
    variance = (squares + PRIOR_FREEDOM * pooled) / (freedom[:, None] + PRIOR_FREEDOM)
    rows = np.array([(1 / of.counts).mean() / len(of.names) for of in groups])
    noise = (variance * rows[:, None]).clip(1e-24)
    off = level - _line(knots, level, 1 / noise)
    ratio = freedom.sum() * np.log1p((off**2 / noise).sum(0) / freedom.sum()).sum()  # noise is estimated, hence not Σ
    numbers = (len(anchors) - 2) * level.shape[1] * np.log(sum(map(len, anchors)))
    pulled = -expit(0.5 * (numbers - ratio)) * off
    for made, change in zip(maps, np.diff(pulled, axis=0), strict=True):
        made.move(torch.from_numpy(change))


def _line(knots: Array, level: Array, weight: Array) -> Array:
    """Weighted least-squares lines over the clock, a column each: levels, weights (K + 1, D) → (K + 1, D)."""
    total = weight.sum(0)
    middle = (weight * knots[:, None]).sum(0) / total
    centred = knots[:, None] - middle
    slope = (weight * centred * level).sum(0) / (weight * centred**2).sum(0)
    return np.asarray((weight * level).sum(0) / total + centred * slope)
