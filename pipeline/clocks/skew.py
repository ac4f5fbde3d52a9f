"""The skew γ of a clock: one number, or a function γ(x) of the condition. Its formula is in `formulas`."""

import math
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.clocks.formulas import FEATURES, SkewFormulas
from pipeline.transport.condition import ConditionShape

RIDGE = 1e-3


class Skew(SkewFormulas, nn.Module):
    """The skew of a clock as a module. w = 0 is one γ for all conditions. All tensors are buffers.

    `of` solves for w in closed form.
    """

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
