"""Transport maps T_k(y | x), one an interval: an affine part in closed form, and a network for the rest."""

import torch
from torch import Tensor, nn

from pipeline.transport.networks import Condition, ConditionalMLP, ConditionShape, bounded

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of what continuous conditions explain; outputs take the first."""
LARGEST_RESIDUAL = 6.0
"""In units of the root mean square of what the affine part leaves."""


class NetworkMaps(nn.Module):
    """T_k(y | x) = y + A_k (y, x) + b_k + r_k network_k(y | x) for every interval k.

    The affine part is solved by ridge regression; what is left for the networks, of size r_k, is small. The networks
    of all intervals are one batched product.
    """

    affine: Tensor
    offset: Tensor
    residual_scale: Tensor

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
        self.register_buffer("affine", torch.zeros(intervals, dimension + condition.continuous, dimension))
        self.register_buffer("offset", torch.zeros(intervals, 1, dimension))
        self.register_buffer("residual_scale", torch.ones(intervals, 1, 1))

    def forward(self, start: Tensor, condition: Condition, interval: int | None = None) -> Tensor:
        """One interval: start (B, D) and B conditions → (B, D). interval None: all of them, leading dimension K."""
        if interval is not None:
            only = slice(interval, interval + 1)
            return self._move(start.unsqueeze(0), condition.unsqueeze(0), only)[0]
        return self._move(start, condition, slice(None))

    def _move(self, start: Tensor, condition: Condition, intervals: slice) -> Tensor:
        features = torch.cat([start, condition.values], -1)
        moved = start + torch.baddbmm(self.offset[intervals], features, self.affine[intervals])
        rest: Tensor = self.network(start, condition, intervals)
        return moved + self.residual_scale[intervals] * bounded(rest, LARGEST_RESIDUAL)
