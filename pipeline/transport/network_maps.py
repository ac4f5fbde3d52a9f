"""Transport maps T_k(y | x) as networks, one an interval: for the semi-dual solver, and for draws on curved paths."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.transport import ops
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.networks import ConditionalMLP, bounded
from pipeline.transport.ridge import solve
from pipeline.transport.root import invert

LARGEST_RESIDUAL = 6.0
"""In units of the residual's scale."""


class NetworkMaps(nn.Module):
    """T_k(y | x) = y + (y, x) A_k + b_k + r_k network_k(y | x) for every interval k.

    A_k and b_k are zero, and r_k is one, unless `fit_affine` sets them. The networks of all intervals are one batched
    product.
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

    def fit_affine(
        self, interval: int, start: Tensor, condition: Condition, end: Tensor, weight: Tensor, folds: NDArray[np.intp]
    ) -> None:
        """Ridge regression of end − start (P, D) on (start, x), the penalties by the folds (P,) of whole conditions.

        weight: (P,), positive. r_k becomes the root mean square of the residuals.
        """
        points, target, share = (
            t.detach().cpu().double().numpy()
            for t in (torch.cat([start, condition.values], -1), end - start, weight / weight.sum())
        )
        solution = solve(points, target, share, folds)
        residual = target - points @ solution.weights - solution.intercept
        like = self.affine
        self.affine[interval] = torch.from_numpy(solution.weights).to(like)
        self.offset[interval, 0] = torch.from_numpy(solution.intercept).to(like)
        self.residual_scale[interval] = max(float(np.sqrt((share @ residual**2).mean())), 1e-6)

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
        features = ops.concat([start, condition.values])
        moved = start + ops.affine(self.offset[intervals], features, self.affine[intervals])
        rest: Tensor = self.network(start, condition, intervals)
        return moved + self.residual_scale[intervals] * bounded(rest, LARGEST_RESIDUAL)
