"""Paths between fixed ends: cubic splines around the straight line, their coefficients from a network."""

import numpy as np
import torch
from scipy.interpolate import BPoly, BSpline, PPoly
from torch import Tensor, nn

from pipeline.surrogate.modules import Condition, ConditionalMLP, ConditionShape, bounded

LARGEST_BEND = 3.0
"""How far a coefficient may lead off the straight line, in units of the distance between a path's ends."""
LENGTH_TABLE = 32
"""Pieces in which a path's length is measured."""


class SplineBasis(nn.Module):
    """J cubic B-splines on uniform knots that vanish at both ends of [0, 1]."""

    polynomials: Tensor

    def __init__(self, functions: int) -> None:
        super().__init__()
        self.functions = functions
        self.pieces = functions - 1
        knots = np.concatenate([np.zeros(3), np.linspace(0, 1, self.pieces + 1), np.ones(3)])
        polynomials = np.zeros((self.pieces, 4, functions))
        for j in range(functions):
            spline = BSpline(knots, np.eye(functions + 2)[j + 1], 3)
            piecewise = BPoly.from_power_basis(PPoly.from_spline(spline))
            polynomials[:, :, j] = piecewise.c[:, 3 : 3 + self.pieces].T  # the clamped knots give empty pieces
        # In Bernstein's basis an end is one coefficient, which is 0: no rounding moves the path's ends.
        polynomials[np.abs(polynomials) < 1e-12] = 0.0
        self.register_buffer("polynomials", torch.tensor(polynomials, dtype=torch.float32), persistent=False)

    def forward(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Values and derivatives (…, J) at times (…) in [0, 1]."""
        piece = (times * self.pieces).long().clamp(0, self.pieces - 1)
        u = times * self.pieces - piece
        v = 1 - u
        cubics = torch.stack([v**3, 3 * u * v * v, 3 * u * u * v, u**3], dim=-1)
        squares = 3 * self.pieces * torch.stack([v * v, 2 * u * v, u * u], dim=-1)
        local = self.polynomials[piece]
        slopes = torch.einsum("...p,...pj->...j", squares, local[..., 1:, :] - local[..., :-1, :])
        return torch.einsum("...p,...pj->...j", cubics, local), slopes


class PathNetwork(nn.Module):
    """S(y0, y1, x): q(t) = (1 − t) y0 + t y1 + |y1 − y0| Σ_j c_j(y0, y1, x) φ_j(t).

    The distance in front makes a path scale with its ends, and stay where it is when they agree. The network starts at
    c = 0, the straight line.
    """

    def __init__(
        self,
        dimension: int,
        condition: ConditionShape,
        widths: tuple[int, ...],
        functions: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.basis = SplineBasis(functions)
        self.network = ConditionalMLP(2 * dimension, functions * dimension, widths, condition, generator)

    def coefficients(self, start: Tensor, end: Tensor, condition: Condition) -> Tensor:
        """start, end (B, D) → (B, J, D)."""
        difference = end - start
        inputs = torch.cat([start + 0.5 * difference, difference], dim=-1)
        raw = self.network(inputs.unsqueeze(0), condition.unsqueeze(0))[0]
        # Differentiable where the ends agree, unlike the norm.
        distance = (difference.square().sum(-1, keepdim=True) + 1e-12).sqrt()
        coefficients: Tensor = distance * bounded(raw, LARGEST_BEND)
        return coefficients.reshape(len(start), self.basis.functions, -1)

    def forward(self, start: Tensor, end: Tensor, condition: Condition, times: Tensor) -> tuple[Tensor, Tensor]:
        """Points and velocities (B, T, D) at times (T,), the same for all rows, or (B, T)."""
        coefficients = self.coefficients(start, end, condition)
        return evaluate_spline(start, end, coefficients, self.basis, times)

    def at_places(self, start: Tensor, end: Tensor, condition: Condition, places: Tensor) -> Tensor:
        """Points (B, M, D) after the shares `places` (M,) of each path's Euclidean length: uniform speed.

        The ends come back exactly: place 0 is `start`, place 1 is `end`.
        """
        coefficients = self.coefficients(start, end, condition)
        table = torch.linspace(0, 1, LENGTH_TABLE + 1, device=start.device)
        knots, _ = evaluate_spline(start, end, coefficients, self.basis, table)
        lengths = torch.cumsum((knots[:, 1:] - knots[:, :-1]).norm(dim=-1), dim=1)
        total = lengths[:, -1:].clamp_min(1e-12)
        share = torch.cat([torch.zeros_like(total), lengths / total], dim=1)
        wanted = places.expand(len(start), -1).contiguous()
        right = torch.searchsorted(share, wanted).clamp(1, LENGTH_TABLE)
        before, after = share.gather(1, right - 1), share.gather(1, right)
        inside = ((wanted - before) / (after - before).clamp_min(1e-12)).clamp(0, 1)
        times = (right - 1 + inside) / LENGTH_TABLE
        # A path of no length has no shares; nor must rounding move its ends.
        times = torch.where((total <= 1e-12) | (wanted <= 0) | (wanted >= 1), wanted, times)
        points, _ = evaluate_spline(start, end, coefficients, self.basis, times)
        return points


def evaluate_spline(
    start: Tensor, end: Tensor, coefficients: Tensor, basis: SplineBasis, times: Tensor
) -> tuple[Tensor, Tensor]:
    """Points and velocities (B, T, D) of paths with coefficients (B, J, D) at times (T,) or (B, T)."""
    return evaluate_at_nodes(start, end, coefficients, times, *basis(times))


def evaluate_at_nodes(
    start: Tensor, end: Tensor, coefficients: Tensor, times: Tensor, values: Tensor, slopes: Tensor
) -> tuple[Tensor, Tensor]:
    """As `evaluate_spline`, the basis' values and slopes (…, T, J) at these times being known."""
    first, last = start.unsqueeze(-2), end.unsqueeze(-2)
    line = torch.lerp(first, last, times.unsqueeze(-1))  # exact at both ends
    return line + torch.matmul(values, coefficients), last - first + torch.matmul(slopes, coefficients)
