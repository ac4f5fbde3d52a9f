"""The kinetic term ½ q̇ᵀ G(q | x) q̇ with G = R E Rᵀ: R from Givens rotations, E within an eigenvalue budget."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.networks import ConditionalMLP


class Metric(Protocol):
    """G(q | x), symmetric positive definite."""

    def kinetic(self, points: Tensor, velocities: Tensor, condition: Condition) -> Tensor:
        """½ q̇ᵀ G(q | x) q̇: points and velocities (B, T, D), condition of B rows → (B, T)."""
        ...


class EuclideanMetric(nn.Module):
    """G = I (K_I)."""

    def kinetic(self, points: Tensor, velocities: Tensor, condition: Condition) -> Tensor:
        """½ |q̇|², (B, T)."""
        return 0.5 * velocities.square().sum(-1)


def rotation_rounds(dimension: int) -> list[tuple[list[int], list[int]]]:
    """All D(D−1)/2 planes in rounds of disjoint ones (a round-robin tournament), so that a round is one operation.

    D even gives D−1 rounds of D/2 planes, D odd D rounds of (D−1)/2.
    """
    even = dimension + dimension % 2
    players = list(range(even))
    rounds = []
    for _ in range(even - 1):
        pairs = [(players[i], players[even - 1 - i]) for i in range(even // 2)]
        kept = sorted((min(p), max(p)) for p in pairs if max(p) < dimension)
        rounds.append(([i for i, _ in kept], [j for _, j in kept]))
        players = [players[0], players[-1], *players[1:-1]]
    return [r for r in rounds if r[0]]


def _orders(rounds: list[tuple[list[int], list[int]]], dimension: int) -> Tensor:
    """Permutations (rounds + 1, D), one after the other: to [left, right, rest] of each round, and back at the end."""
    now, orders = list(range(dimension)), []
    wanted = [[*left, *right, *sorted(set(range(dimension)) - {*left, *right})] for left, right in rounds]
    for target in [*wanted, list(range(dimension))]:
        orders.append([now.index(i) for i in target])
        now = target
    return torch.tensor(orders, dtype=torch.long)


def _softmax(values: Tensor) -> Tensor:
    """The softmax over the last axis; torch's own takes ten times as long where that axis is short."""
    if values.shape[-1] > 8:
        return functional.softmax(values, dim=-1)
    return functional.softmax(values.movedim(-1, 0).contiguous(), dim=0).movedim(0, -1)


class GivensMetric(nn.Module):
    """G = R E Rᵀ with angles atan2 of two network outputs each, and eigenvalues within a budget (METHOD: K_θ).

    e_i = e_min + (e_max − e_min) softmax_i: the sum is fixed, so that no direction becomes cheap unless another becomes
    expensive. With learn_eigenvalues False they are (e_max, e_min, …, e_min), the older fixed metric (NLOT).
    D = 1: G = 1.
    """

    orders: Tensor

    def __init__(
        self,
        dimension: int,
        condition: ConditionShape,
        widths: tuple[int, ...],
        eigenvalues: tuple[float, float],
        generator: torch.Generator,
        learn_eigenvalues: bool = True,
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.smallest, self.largest = eigenvalues
        self.learn_eigenvalues = learn_eigenvalues
        self.rounds = rotation_rounds(dimension)
        self.planes = sum(len(r[0]) for r in self.rounds)
        self.register_buffer("orders", _orders(self.rounds, dimension), persistent=False)
        outputs = 2 * self.planes + (dimension if learn_eigenvalues else 0)
        self.network = ConditionalMLP(dimension, outputs, widths, condition, generator)

    def spectrum(self, points: Tensor, condition: Condition) -> tuple[Tensor, Tensor, Tensor]:
        """Cosines and sines (B, T, planes) of the rotations, and eigenvalues (B, T, D), at points (B, T, D)."""
        raw = self.network.along(points, condition)
        first, second, logits = torch.split(raw, [self.planes, self.planes, raw.shape[-1] - 2 * self.planes], dim=-1)
        # atan2(b, a + 1): an untrained network (all outputs 0) then has angle 0, where atan2 is differentiable.
        radius = torch.rsqrt((first + 1).square() + second.square() + 1e-12)
        if self.learn_eigenvalues:
            share = _softmax(logits)
            eigenvalues = self.smallest + (self.largest - self.smallest) * share
        else:
            fixed = torch.full((self.dimension,), self.smallest, device=points.device, dtype=points.dtype)
            fixed[0] = self.largest
            eigenvalues = fixed.expand(points.shape)
        return (first + 1) * radius, second * radius, eigenvalues

    def rotate(self, vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Rᵀ v for vectors (B, T, D)."""
        counts = [len(left) for left, _ in self.rounds]
        # All rounds are split off at once: the gradient of a slice would be as large as what it was taken from.
        angles = zip(torch.split(cosines, counts, dim=-1), torch.split(sines, counts, dim=-1), strict=True)
        for k, (count, (c, s)) in enumerate(zip(counts, angles, strict=True)):
            vectors = self._reorder(vectors, k)
            a, b, rest = torch.split(vectors, [count, count, self.dimension - 2 * count], dim=-1)
            vectors = torch.cat([c * a + s * b, c * b - s * a, rest], dim=-1)
        return self._reorder(vectors, len(self.rounds))

    def _reorder(self, vectors: Tensor, k: int) -> Tensor:
        # In two dimensions no reordering is needed.
        return vectors if self.dimension == 2 else vectors.index_select(-1, self.orders[k])

    def kinetic(self, points: Tensor, velocities: Tensor, condition: Condition) -> Tensor:
        """½ Σ_i e_i (Rᵀ q̇)_i², (B, T)."""
        if self.dimension == 1:
            return 0.5 * velocities.square().sum(-1)
        cosines, sines, eigenvalues = self.spectrum(points, condition)
        return 0.5 * (eigenvalues * self.rotate(velocities, cosines, sines).square()).sum(-1)

    def tensor(self, points: Tensor, condition: Condition) -> Tensor:
        """G itself, (B, T, D, D)."""
        rows, count, dimension = points.shape
        if dimension == 1:
            return torch.ones(rows, count, 1, 1, device=points.device, dtype=points.dtype)
        cosines, sines, eigenvalues = self.spectrum(points, condition)
        basis = torch.eye(dimension, device=points.device, dtype=points.dtype)
        columns = [self.rotate(basis[i].expand(points.shape), cosines, sines) for i in range(dimension)]
        rotation = torch.stack(columns, dim=-2)  # row i is Rᵀ e_i, so this is R
        return torch.einsum("btij,btj,btkj->btik", rotation, eigenvalues, rotation)
