"""Linear layers of small networks, drawn from a generator of the family's own."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def linear_layers(widths: Sequence[int]) -> nn.ModuleList:
    """Layers from each width to the next. Their weights are arbitrary until `initialise` or a state_dict sets them.

    They are built on the device "meta" first, so that nothing is drawn from torch's global generator.
    """
    return nn.ModuleList(nn.Linear(i, o, device="meta").to_empty(device="cpu") for i, o in pairwise(widths))


def initialise(layers: Iterable[nn.Module], generator: torch.Generator) -> None:
    """Draw weights and biases uniformly in ±1/sqrt(fan in), torch's own default for linear layers."""
    for layer in layers:
        assert isinstance(layer, nn.Linear)
        bound = layer.in_features**-0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


class Drawing(nn.Module):
    """A module's draws as a module: conditions (N, C) and noise (N, draws, E) → outputs (N, draws, D)."""

    def __init__(self, module: nn.Module, draw: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.module, self._draw = module, draw

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Outputs (N, draws, D)."""
        return self._draw(conditions, noise)
