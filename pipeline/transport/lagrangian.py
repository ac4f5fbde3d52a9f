"""The action ∫₀¹ K − U dt of paths, by Gauss–Legendre quadrature on the spline's exact velocity."""

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.transport.condition import Condition
from pipeline.transport.metric import EuclideanMetric, GivensMetric
from pipeline.transport.potential import KernelPotential


class Lagrangian(nn.Module):
    """L(q, q̇ | x) = ½ q̇ᵀ G(q | x) q̇ − U(q | x), and its action along paths. potential None: U = 0."""

    nodes: Tensor
    node_weights: Tensor

    def __init__(
        self, metric: EuclideanMetric | GivensMetric, potential: KernelPotential | None, quadrature_points: int
    ) -> None:
        super().__init__()
        self.metric = metric
        self.potential = potential
        nodes, weights = np.polynomial.legendre.leggauss(quadrature_points)
        self.register_buffer("nodes", torch.tensor((nodes + 1) / 2, dtype=torch.float32), persistent=False)
        self.register_buffer("node_weights", torch.tensor(weights / 2, dtype=torch.float32), persistent=False)

    def forward(self, points: Tensor, velocities: Tensor, condition: Condition) -> Tensor:
        """L at points (B, T, D) with velocities (B, T, D) → (B, T)."""
        return self.less_potential(self.metric.kinetic(points, velocities, condition), points, condition)

    def less_potential(self, kinetic: Tensor, points: Tensor, condition: Condition) -> Tensor:
        """K − U at points (B, T, D), from K (B, T)."""
        if self.potential is None:
            return kinetic
        potential: Tensor = self.potential(points, condition)
        return kinetic - potential

    def action(self, points: Tensor, velocities: Tensor, condition: Condition) -> Tensor:
        """Actions (B,) of paths given at the quadrature nodes."""
        values: Tensor = self(points, velocities, condition)
        return values @ self.node_weights
