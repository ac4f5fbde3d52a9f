"""The skew γ of a clock: one number, or a function γ(x) of the condition."""

import math
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.transport import ops
from pipeline.transport.condition import Condition, ConditionShape

FEATURES = 128
RIDGE = 1e-3
LARGEST = 12.0
"""Skews are clipped to ± this: the middle of the whole range is then at s = 0.0025 or 0.9975."""


class Skew(nn.Module):
    """γ(x) = γ̄ + w · √2 cos(Ω x + b): random Fourier features of a Gaussian kernel (Rahimi and Recht 2007).

    x: continuous conditions, standardised, then one-hot categories. w = 0 is one γ for all conditions. All tensors are
    buffers; `of` solves for w in closed form.
    """

    mean: Tensor
    weights: Tensor
    frequencies: Tensor
    phases: Tensor

    def __init__(self, shape: ConditionShape, mean: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        width = shape.continuous + sum(shape.codes)
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("weights", torch.zeros(FEATURES))
        self.register_buffer("frequencies", torch.zeros(width, FEATURES))
        self.register_buffer("phases", torch.zeros(FEATURES))

    @classmethod
    def of(cls, shape: ConditionShape, points: Tensor, values: NDArray[np.floating], bandwidth: float) -> Self:
        """Kernel ridge regression of values (n,) on encoded conditions (n, width) with that bandwidth."""
        skew = cls(shape, float(np.mean(values)))
        generator = torch.Generator().manual_seed(0)
        skew.frequencies.copy_(torch.randn(skew.frequencies.shape, generator=generator) / bandwidth)
        skew.phases.copy_(2 * math.pi * torch.rand(FEATURES, generator=generator))
        features = skew._features(points).double()
        gram = features.T @ features + RIDGE * len(points) * torch.eye(FEATURES, dtype=torch.float64)
        target = torch.from_numpy(np.asarray(values, np.float64)) - float(skew.mean)
        skew.weights.copy_(torch.linalg.solve(gram, features.T @ target))
        return skew

    @property
    def constant(self) -> float | None:
        """γ where it is the same for all conditions, else None."""
        return None if bool(self.weights.any()) else float(self.mean)

    def encode(self, condition: Condition) -> Tensor:
        """Continuous values and one-hot categories of B rows, (B, width)."""
        parts = [condition.values]
        for i, count in enumerate(self.shape.codes):
            parts.append(ops.one_hot(condition.codes[:, i], count))
        return ops.concat(parts)

    def _features(self, points: Tensor) -> Tensor:
        return math.sqrt(2 / FEATURES) * ops.cos(points @ self.frequencies + self.phases)

    def forward(self, condition: Condition) -> Tensor:
        """γ of B conditions, (B, 1)."""
        value: Tensor = self.mean + self._features(self.encode(condition)) @ self.weights
        return value.clip(-LARGEST, LARGEST)[:, None]
