"""Transport maps T_k(y | x), one an interval, in closed form; their inverses too.

The semi-dual solver trains networks instead: `pipeline.transport.network_maps`.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from pipeline.transport.condition_function import features
from pipeline.transport.interval_map import IntervalMap
from pipeline.transport.networks import Condition, ConditionShape


class Maps(Protocol):
    """What a surrogate needs of maps, whatever they are made of."""

    def __call__(self, start: Tensor, condition: Condition, interval: int) -> Tensor:
        """Images (B, D) of start (B, D) under T_interval."""


class TransportMaps(nn.Module):
    """T_k for every interval k, each location, scale and, where it pays, a kernel's residual."""

    intervals: nn.ModuleList
    backwards: nn.ModuleList
    refitted: Tensor

    def __init__(self, intervals: int, dimension: int, condition: ConditionShape) -> None:
        super().__init__()
        self.condition_shape = condition
        inputs = condition.continuous + sum(condition.codes)
        self.intervals = nn.ModuleList(IntervalMap(dimension, inputs) for _ in range(intervals))
        self.backwards = nn.ModuleList(IntervalMap(dimension, inputs) for _ in range(intervals))
        self.register_buffer("refitted", torch.zeros(intervals, dtype=torch.bool))

    def set(self, interval: int, forward: IntervalMap, backward: IntervalMap | None = None) -> None:
        """Take over the map of an interval; backward: where to start looking for its inverse."""
        device = self.refitted.device
        self.intervals[interval] = forward.float().to(device)
        if backward is not None:
            self.backwards[interval] = backward.float().to(device)
            self.refitted[interval] = True

    def forward(self, start: Tensor, condition: Condition, interval: int) -> Tensor:
        """Images under T_interval of start (B, D) at B conditions: (B, D)."""
        image: Tensor = self.intervals[interval](start, features(condition, self.condition_shape))
        return image

    def inverse(self, end: Tensor, condition: Condition, interval: int) -> Tensor:
        """Starts (B, D) whose images under T_interval are end (B, D): exact, or by Gauss–Newton steps."""
        columns = features(condition, self.condition_shape)
        start = self.backwards[interval](end, columns) if self.refitted[interval] else None
        y: Tensor = self.intervals[interval].inverse(end, columns, start)  # type: ignore[operator]
        return y
