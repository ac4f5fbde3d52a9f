"""Images of draws under a fitted surrogate's maps, on NumPy arrays: what matching draws of two anchors asks.

Maps are evaluated in float64: where two assignments cost almost the same, rounding to float32 would decide between
them, and another implementation of the same maps would match other draws.
"""

import copy
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.surrogate.cells import Edge
from pipeline.surrogate.ends import Mapped
from pipeline.surrogate.parts import Parts, image
from pipeline.surrogate.trajectory import latent
from pipeline.transport.condition import Condition


class ExactImage(nn.Module):
    """T_e in float64: standardised outputs (B, D) of an edge's start, encoded conditions → (B, D)."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.maps = copy.deepcopy(parts.maps).double()
        self.components = None if parts.components is None else copy.deepcopy(parts.components).double()

    def forward(self, start: Tensor, x: Condition, edge: Edge) -> Tensor:
        """See the class."""
        return image(self.maps, self.components, start.double(), Condition(x.values.double(), x.codes), edge)


class FittedImages:
    """As `ends.Images`, of fitted modules."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.period = parts.scaling.standard_period.cpu().numpy()

    def encode(self, conditions: NDArray[np.float64]) -> Condition:
        """Conditions (N, C) encoded."""
        return self._parts.scaling.condition(torch.from_numpy(conditions).to(self._device))

    def standard(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Outputs (…, D) standardised."""
        tensor = torch.from_numpy(outputs).double().to(self._device)
        return np.asarray(self._parts.scaling.standardise(tensor).double().cpu().numpy())

    def at(self, conditions: NDArray[np.float64]) -> Mapped:
        """The images of outputs (T, n, D) at conditions (T · n, C), standardised."""
        given, parts = torch.from_numpy(conditions).to(self._device), self._parts
        x = parts.scaling.condition(given)

        @torch.no_grad()
        def mapped(outputs: NDArray[np.floating], edge: Edge) -> NDArray[np.float64]:
            flat = torch.from_numpy(outputs.reshape(-1, outputs.shape[-1])).double().to(self._device)
            anchor = edge.ends[0]
            flat = parts.angles.lifted(flat, x, anchor)
            moved: Tensor = self._exact(latent(parts, flat, given, x, anchor), x, edge)
            if parts.atoms.columns:
                moved = parts.scaling.standardise(parts.atoms.clipped(parts.scaling.restore(moved)))
            return moved.double().cpu().numpy().reshape(outputs.shape)

        return mapped

    @cached_property
    def _exact(self) -> ExactImage:
        return ExactImage(self._parts)

    @property
    def _device(self) -> torch.device:
        return self._parts.scaling.output_mean.device
