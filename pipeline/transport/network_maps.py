"""Transport maps T_k(y | x) as networks, one an interval, for the solver that trains them by gradient."""

import torch
from torch import Tensor, nn

from pipeline.transport.networks import Condition, ConditionalMLP, ConditionShape, bounded
from pipeline.transport.root import invert

LARGEST_RESIDUAL = 6.0
"""In standardised units, as the networks' outputs are."""


class NetworkMaps(nn.Module):
    """T_k(y | x) = y + network_k(y | x) for every interval k; the networks of all intervals are one batched product.

    Trained by the semi-dual solver.
    """

    def __init__(
        self,
        intervals: int,
        dimension: int,
        condition: ConditionShape,
        widths: tuple[int, ...],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.network = ConditionalMLP(dimension, dimension, widths, condition, generator, copies=intervals)

    def forward(self, start: Tensor, condition: Condition, interval: int | None = None) -> Tensor:
        """One interval: start (B, D) and B conditions → (B, D). interval None: all of them, leading dimension K."""
        if interval is not None:
            only = slice(interval, interval + 1)
            return self._move(start[None], condition[None], only)[0]
        return self._move(start, condition, slice(None))

    def inverse(self, end: Tensor, condition: Condition, interval: int) -> Tensor:
        """Starts (B, D) whose images under T_interval are end (B, D), by Newton steps, or the nearest."""

        def mapped(start: Tensor) -> Tensor:
            image: Tensor = self(start, condition, interval)
            return image

        return invert(mapped, end, end - (mapped(end) - end)).points

    def _move(self, start: Tensor, condition: Condition, intervals: slice) -> Tensor:
        rest: Tensor = self.network(start, condition, intervals)
        return start + bounded(rest, LARGEST_RESIDUAL)
