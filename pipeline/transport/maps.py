"""Transport maps T_k(y | x), one an interval: an affine part in closed form, and a network for the rest."""

import math

import torch
from torch import Tensor, nn

from pipeline.transport import ops
from pipeline.transport.networks import Condition, ConditionalMLP, ConditionShape, bounded

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of what continuous conditions explain; outputs take the first."""
LARGEST_RESIDUAL = 6.0
"""In units of the root mean square of what the affine part leaves."""


class TransportMaps(nn.Module):
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

    def solve_affine(
        self, interval: int, start: Tensor, condition: Condition, end: Tensor, weight: Tensor, distinct: int
    ) -> None:
        """Weighted ridge regression of end − start (P, D) on (start, x); weight (P,) positive.

        distinct: how many conditions the pairs have. The ridge of x is the one of RIDGES with the least generalised
        cross-validation (Golub, Heath and Wahba, 1979), where only distinct conditions count as observations of x: few
        of them in many columns would be learnt by heart.
        """
        features = torch.cat([start, condition.values], -1).double()
        target, weight = (end - start).double(), (weight / weight.sum()).double().unsqueeze(-1)
        mean_x, mean_y = (weight * features).sum(0), (weight * target).sum(0)
        centred = features - mean_x
        gram, product = centred.T @ (weight * centred), centred.T @ (weight * (target - mean_y))
        dimension = start.shape[1]
        least, solution = math.inf, torch.zeros_like(product)
        for ridge in RIDGES if condition.values.shape[1] else RIDGES[:1]:
            penalty = torch.full_like(mean_x, ridge)
            penalty[:dimension] = RIDGES[0]
            both = torch.linalg.solve(gram + torch.diag(penalty), torch.cat([product, gram], dim=1))
            freedom = both[:, product.shape[1] :].diagonal()
            share = float(freedom[:dimension].sum()) / len(start) + float(freedom[dimension:].sum() + 1) / distinct
            missed = (weight * (target - mean_y - centred @ both[:, : product.shape[1]]).square()).sum()
            score = float(missed) / (1 - share) ** 2 if share < 1 else math.inf
            if score <= least:
                least, solution = score, both[:, : product.shape[1]]
        residual = target - mean_y - centred @ solution
        self.affine[interval] = solution.float()
        self.offset[interval, 0] = (mean_y - mean_x @ solution).float()
        self.residual_scale[interval] = (weight * residual.square()).sum(0).mean().sqrt().clamp_min(1e-6).float()

    def forward(self, start: Tensor, condition: Condition, interval: int | None = None) -> Tensor:
        """One interval: start (B, D) and B conditions → (B, D). interval None: all of them, leading dimension K."""
        if interval is not None:
            only = slice(interval, interval + 1)
            return self._move(start[None], condition[None], only)[0]
        return self._move(start, condition, slice(None))

    def _move(self, start: Tensor, condition: Condition, intervals: slice) -> Tensor:
        features = ops.concat([start, condition.values])
        moved = start + ops.affine(self.offset[intervals], features, self.affine[intervals])
        rest: Tensor = self.network(start, condition, intervals)
        return moved + self.residual_scale[intervals] * bounded(rest, LARGEST_RESIDUAL)
