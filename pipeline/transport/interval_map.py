"""The transport map of one interval, T(y | x): location and scale in closed form, and a kernel for the residual."""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.transport import ops
from pipeline.transport.buffers import ResizableBuffers
from pipeline.transport.condition_function import ConditionFunction, gauss
from pipeline.transport.ridge import Array

INVERSION_STEPS = 30
INVERSION_TOLERANCE = 1e-4
"""Largest |T(y) − z| that `inverse` accepts, in standardised units, where z is an image of T."""


class Kernel(NamedTuple):
    """A residual β tanh((a + Σ_m exp(−½ |(y, x) l − c_m|²) w_m) / β), and the affine correction that follows it.

    inverse_lengths (D + F,), centres (M, D + F), weights (M, D), intercept a (D,), bound β (D,), correction (D, D),
    correction_shift (D,). The bound limits extrapolation far from the samples.
    """

    inverse_lengths: Array
    centres: Array
    weights: Array
    intercept: Array
    bound: Array
    correction: Array
    correction_shift: Array


class IntervalMap(ResizableBuffers):
    """T(y | x) = (m(x) + Δ(x) + e^{δ(x)} ⊙ (y − m(x)) B + r(y, x)) P + p, without r, P and p where they do not help."""

    matrix: Tensor
    inverse_matrix: Tensor
    inverse_lengths: Tensor
    centres: Tensor
    weights: Tensor
    intercept: Tensor
    bound: Tensor
    correction: Tensor
    correction_shift: Tensor

    def __init__(self, dimension: int, inputs: int) -> None:
        super().__init__()
        self.mean = ConditionFunction(inputs, dimension)
        self.shift = ConditionFunction(inputs, dimension)
        self.log_scale = ConditionFunction(inputs, dimension)
        self.register_buffer("matrix", torch.eye(dimension))
        self.register_buffer("inverse_matrix", torch.eye(dimension))
        self.register_buffer("inverse_lengths", torch.zeros(dimension + inputs))
        self.register_buffer("centres", torch.zeros(0, dimension + inputs))
        self.register_buffer("weights", torch.zeros(0, dimension))
        self.register_buffer("intercept", torch.zeros(dimension))
        self.register_buffer("bound", torch.ones(dimension))
        self.register_buffer("correction", torch.eye(dimension))
        self.register_buffer("correction_shift", torch.zeros(dimension))

    def set_matrix(self, matrix: Array) -> None:
        """B (D, D), by which rows y are multiplied from the right, and its inverse."""
        self.matrix = torch.as_tensor(matrix, dtype=self.matrix.dtype)
        self.inverse_matrix = torch.linalg.pinv(self.matrix.double(), rtol=1e-9).to(self.matrix.dtype)

    def set_kernel(self, kernel: Kernel) -> None:
        """Add a residual."""
        for name, value in kernel._asdict().items():
            setattr(self, name, torch.as_tensor(value, dtype=self.matrix.dtype))

    def move(self, change: Tensor) -> None:
        """Add a constant (D,) to every image."""
        if len(self.centres):
            self.correction_shift = self.correction_shift + change.to(self.correction_shift)
        else:
            self.shift.intercept = self.shift.intercept + change.to(self.shift.intercept)

    def fold(self) -> None:
        """Merge the parts that are affine in the condition, so that evaluation is one product."""
        if not (self.mean.affine and self.shift.affine and self.log_scale.constant):
            return
        scaled = self.matrix * self.log_scale.intercept.exp()
        rest = torch.eye(len(scaled), dtype=scaled.dtype) - scaled
        self.shift.intercept = self.shift.intercept + self.mean.intercept @ rest
        self.shift.linear = self.shift.linear + self.mean.linear @ rest
        for function in (self.mean, self.log_scale):
            function.intercept, function.linear = function.intercept * 0, function.linear * 0
        self.set_matrix(scaled.numpy())

    def base(self, outputs: Tensor, columns: Tensor) -> Tensor:
        """The part of location and scale alone: (B, D), (B, F) → (B, D)."""
        if self.mean.constant and not bool(self.mean.intercept.any()) and self.log_scale.constant:
            shift: Tensor = self.shift(columns)
            return shift + (outputs @ self.matrix) * ops.exp(self.log_scale.intercept)
        mean: Tensor = self.mean(columns)
        scale = ops.exp(self.log_scale(columns))
        moved: Tensor = mean + self.shift(columns) + scale * ((outputs - mean) @ self.matrix)
        return moved

    def _base_inverse(self, images: Tensor, columns: Tensor) -> Tensor:
        mean: Tensor = self.mean(columns)
        centred: Tensor = (images - mean - self.shift(columns)) * (-self.log_scale(columns)).exp()
        return mean + centred @ self.inverse_matrix

    def forward(self, outputs: Tensor, columns: Tensor) -> Tensor:
        """T(y | x): outputs (B, D), columns of the condition (B, F) → (B, D)."""
        moved = self.base(outputs, columns)
        if not len(self.centres):
            return moved
        points = ops.concat([outputs, columns]) * self.inverse_lengths
        residual = self.intercept + gauss(points, self.centres) @ self.weights
        return (moved + self.bound * ops.tanh(residual / self.bound)) @ self.correction + self.correction_shift

    def inverse(self, images: Tensor, columns: Tensor, start: Tensor | None = None) -> Tensor:
        """Y with T(y | x) = z, for images z (B, D) → (B, D); the nearest point found where there is no solution.

        Exact where no kernel is in use. Else by damped Gauss–Newton steps from `start`, by default the inverse of
        location and scale.
        """
        if start is None:
            start = self._base_inverse((images - self.correction_shift) @ torch.linalg.pinv(self.correction), columns)
            if not len(self.centres):
                return start
        y, damping = start, torch.full((len(start), 1, 1), 1e-6, dtype=start.dtype, device=start.device)
        missed = self(y, columns) - images
        identity = torch.eye(images.shape[1], dtype=start.dtype, device=start.device)
        for _ in range(INVERSION_STEPS):
            if not bool((missed.norm(dim=-1) > INVERSION_TOLERANCE).any()):
                break
            jacobian = self.jacobian(y, columns)
            normal = jacobian @ jacobian.mT + damping * identity
            step = torch.linalg.solve(normal, (jacobian @ missed.unsqueeze(-1))).squeeze(-1)
            tried = y - step
            left = self(tried, columns) - images
            closer = left.norm(dim=-1, keepdim=True) < missed.norm(dim=-1, keepdim=True)
            y, missed = torch.where(closer, tried, y), torch.where(closer, left, missed)
            damping = torch.where(closer.unsqueeze(-1), damping / 4, damping * 8).clamp(1e-9, 1e6)
        return y

    def jacobian(self, outputs: Tensor, columns: Tensor) -> Tensor:
        """∂T_j / ∂y_i at [b, i, j]: (B, D, D)."""
        scale: Tensor = self.log_scale(columns).exp()
        result: Tensor = self.matrix * scale.unsqueeze(-2)
        if len(self.centres):
            dimension = outputs.shape[1]
            points = torch.cat([outputs, columns], -1) * self.inverse_lengths
            values = gauss(points, self.centres)
            lengths = self.inverse_lengths[:dimension]
            first = (points[:, :dimension] * lengths).unsqueeze(-1) * (values @ self.weights).unsqueeze(-2)
            second = torch.einsum("bm,mi,mj->bij", values, self.centres[:, :dimension] * lengths, self.weights)
            flatter = 1 - torch.tanh((self.intercept + values @ self.weights) / self.bound).square()
            result = (result + (second - first) * flatter.unsqueeze(-2)) @ self.correction
        return result
