"""Paths between fixed ends: cubic splines around the straight line, their coefficients from a network."""

import numpy as np
import torch
from scipy.interpolate import BPoly, BSpline, PPoly
from torch import Tensor, nn

from pipeline.transport import ops
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.networks import ConditionalMLP, bounded

LARGEST_BEND = 3.0
"""How far a coefficient may deviate from the straight line, in units of the distance between a path's ends."""
LENGTH_PIECES = 16
"""Pieces in which a path's length is measured, each by Simpson's rule."""
STEEPEST = 3.0
"""A cubic from 0 to 1 rises throughout if its slopes at both ends are at most this (Fritsch and Carlson, 1980)."""


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
        u, local = self._pieces(times)
        v = 1 - u
        squares = 3 * self.pieces * ops.stack([v * v, 2 * u * v, u * u], -1)
        slopes: Tensor = (squares[..., None, :] @ (local[..., 1:, :] - local[..., :-1, :]))[..., 0, :]
        return _bernstein(u, local), slopes

    def values(self, times: Tensor) -> Tensor:
        """Values (…, J) at times (…) in [0, 1]."""
        return _bernstein(*self._pieces(times))

    def _pieces(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """The share (…) of its piece that every time has passed, and the polynomials (…, 4, J) of that piece."""
        piece = ops.whole(times * self.pieces).clip(0, self.pieces - 1)
        return times * self.pieces - piece, self.polynomials[piece]


def _bernstein(u: Tensor, local: Tensor) -> Tensor:
    v = 1 - u
    cubics = ops.stack([v * v * v, 3 * u * v * v, 3 * u * u * v, u * u * u], -1)
    values: Tensor = (cubics[..., None, :] @ local)[..., 0, :]
    return values


class PathNetwork(nn.Module):
    """S(y0, y1, x): q(t) = (1 − t) y0 + t y1 + |y1 − y0| Σ_j c_j(y0, y1, x) φ_j(t).

    The factor |y1 − y0| makes a path scale with its ends, and constant where they agree. The network starts at c = 0,
    the straight line.
    """

    length_slopes: Tensor
    length_weights: Tensor

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
        _, slopes = self.basis(torch.linspace(0, 1, 2 * LENGTH_PIECES + 1))
        self.register_buffer("length_slopes", slopes.T.contiguous(), persistent=False)
        self.register_buffer("length_weights", _cumulative_simpson(LENGTH_PIECES), persistent=False)

    def coefficients(self, start: Tensor, end: Tensor, condition: Condition) -> Tensor:
        """start, end (B, D) → (B, J, D)."""
        difference = end - start
        inputs = ops.concat([start + 0.5 * difference, difference])
        raw = self.network(inputs[None], condition[None])[0]
        # Differentiable where the ends agree, unlike the norm.
        distance = ops.sqrt((difference * difference).sum(-1)[:, None] + 1e-12)
        coefficients: Tensor = distance * bounded(raw, LARGEST_BEND)
        return coefficients.reshape(start.shape[0], self.basis.functions, -1)

    def forward(self, start: Tensor, end: Tensor, condition: Condition, times: Tensor) -> tuple[Tensor, Tensor]:
        """Points and velocities (B, T, D) at times (T,), the same for all rows, or (B, T)."""
        coefficients = self.coefficients(start, end, condition)
        return evaluate_spline(start, end, coefficients, self.basis, times)

    def at_positions(self, start: Tensor, end: Tensor, condition: Condition, positions: Tensor) -> Tensor:
        """Points (B, M, D) at positions s (M,) or (B, M): after the share s of each path's length, at uniform speed.

        The ends come back exactly: position 0 is `start`, position 1 is `end`. Lengths are Euclidean.
        """
        coefficients = self.coefficients(start, end, condition)
        times = self._times(end - start, coefficients, positions)
        line = ops.lerp(start[:, None], end[:, None], times[..., None])  # exact at both ends
        points: Tensor = line + self.basis.values(times) @ coefficients
        return points

    def _times(self, difference: Tensor, coefficients: Tensor, shares: Tensor) -> Tensor:
        """The times (B, M) at which paths have passed `shares` (M,) or (B, M) of their lengths.

        Within a piece time is the cubic in the length that has the right slopes, one over the speed, at both ends.
        """
        # Time last (B, D, T): a product whose last axis is short takes ten times as long.
        velocities = difference[..., None] + ops.contiguous(ops.transposed(coefficients)) @ self.length_slopes
        speeds = ops.sqrt((velocities * velocities).sum(1))
        lengths = speeds @ self.length_weights
        total = lengths[:, -1:]
        wanted = shares * total
        right = ops.first_at_least(lengths, wanted).clip(1, LENGTH_PIECES)
        left = right - 1
        before = ops.gather(lengths, left)
        piece = (ops.gather(lengths, right) - before).clip(1e-12)
        inside = ((wanted - before) / piece).clip(0, 1)
        slow = LENGTH_PIECES * piece
        first, last = ((slow / ops.gather(speeds, 2 * knot)).clip(None, STEEPEST) - 1 for knot in (left, right))
        cubic = inside + inside * (1 - inside) * (first * (1 - inside) - last * inside)
        # A path of no length has no shares; nor must rounding move its ends.
        ends = (total <= 1e-12) | (shares <= 0) | (shares >= 1)
        times: Tensor = ops.where(ends, shares + 0 * total, (left + cubic) / LENGTH_PIECES)
        return times


def _cumulative_simpson(pieces: int) -> Tensor:
    """Weights (2 pieces + 1, pieces + 1) that make speeds at equal steps the lengths up to the end of each piece."""
    single = torch.zeros(2 * pieces + 1, pieces)
    for k in range(pieces):
        single[2 * k : 2 * k + 3, k] = torch.tensor([1.0, 4.0, 1.0]) / (6 * pieces)
    return torch.cat([torch.zeros(2 * pieces + 1, 1), single.cumsum(1)], dim=1)


def evaluate_spline(
    start: Tensor, end: Tensor, coefficients: Tensor, basis: SplineBasis, times: Tensor
) -> tuple[Tensor, Tensor]:
    """Points and velocities (B, T, D) of paths with coefficients (B, J, D) at times (T,) or (B, T)."""
    return evaluate_at_nodes(start, end, coefficients, times, *basis(times))


def evaluate_at_nodes(
    start: Tensor, end: Tensor, coefficients: Tensor, times: Tensor, values: Tensor, slopes: Tensor
) -> tuple[Tensor, Tensor]:
    """As `evaluate_spline`, the basis' values and slopes (…, T, J) at these times being known."""
    first, last = start[..., None, :], end[..., None, :]
    line = ops.lerp(first, last, times[..., None])  # exact at both ends
    if values.ndim > 2 or not isinstance(values, Tensor):
        return line + values @ coefficients, last - first + slopes @ coefficients
    # Times last, for speed: a product whose last axis is as short as D takes ten times as long.
    both = torch.matmul(coefficients.mT.contiguous(), torch.cat([values, slopes]).T)
    bend, turn = torch.split(both.mT, len(values), dim=-2)
    return line + bend, last - first + turn
