"""Networks that a surrogate consists of: multilayer perceptrons modulated by the condition (FiLM)."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.transport import ops
from pipeline.transport.condition import Condition, ConditionShape

ALL = slice(None)


def bounded(values: Tensor, bound: float) -> Tensor:
    """Values within ±bound, nearly unchanged while small: a limit on extrapolation beyond the training data."""
    within: Tensor = bound * ops.tanh(values / bound)
    return within


class StackedLinear(nn.Module):
    """K independent affine layers, evaluated as one batched product: (K, B, inputs) → (K, B, outputs)."""

    def __init__(self, copies: int, inputs: int, outputs: int, generator: torch.Generator, gain: float = 1.0) -> None:
        super().__init__()
        bound = gain / math.sqrt(max(inputs, 1))
        weight = torch.empty(copies, inputs, outputs).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(copies, 1, outputs))

    def forward(self, inputs: Tensor, copies: slice = ALL) -> Tensor:
        """Maps inputs (K, B, inputs) for the chosen copies → (K, B, outputs)."""
        outputs: Tensor = ops.affine(self.bias[copies], inputs, self.weight[copies])
        return outputs


class ConditionalMLP(nn.Module):
    """K independent perceptrons (K, B, inputs) → (K, B, outputs), modulated by FiLM in every hidden layer.

    The condition (categories through an embedding first) passes a hidden layer of a quarter of the width and gives a
    scale and a shift of every hidden unit. The last layer starts at zero, so that a residual network starts as the
    identity and a path network as the straight line.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: tuple[int, ...],
        condition: ConditionShape,
        generator: torch.Generator,
        copies: int = 1,
    ) -> None:
        super().__init__()
        self.condition_shape = condition
        sizes = [inputs, *widths]
        embedded = [min(8, codes) for codes in condition.codes]
        self.embeddings = nn.ParameterList(
            torch.randn(codes, size, generator=generator) for codes, size in zip(condition.codes, embedded, strict=True)
        )
        features = condition.continuous + sum(embedded)
        self.layers = nn.ModuleList(
            StackedLinear(copies, a, b, generator, gain=math.sqrt(3.0)) for a, b in pairwise(sizes)
        )
        film_width = max(1, max(widths) // 4)
        self.film_hidden = StackedLinear(copies, features, film_width, generator, gain=math.sqrt(3.0))
        self.film = nn.ModuleList(StackedLinear(copies, film_width, 2 * width, generator, gain=0.5) for width in widths)
        self.last = StackedLinear(copies, sizes[-1], outputs, generator, gain=0.0)

    def modulation(self, condition: Condition, copies: slice = ALL) -> list[tuple[Tensor, Tensor]]:
        """Factor 1 + scale and shift of every hidden layer, (K, B, width) each: what depends on the condition alone."""
        parts = [condition.values]
        parts += [table[condition.codes[..., i]] for i, table in enumerate(self.embeddings)]
        hidden = ops.silu(self.film_hidden(ops.concat(parts), copies))
        both = [film(hidden, copies) for film in self.film]
        halves = [(values, values.shape[-1] // 2) for values in both]
        return [(1 + values[..., :half], values[..., half:]) for values, half in halves]

    def forward(self, inputs: Tensor, condition: Condition, copies: slice = ALL) -> Tensor:
        """Maps inputs (K, B, inputs), condition with leading dimensions (K, B) → (K, B, outputs), chosen copies."""
        hidden = inputs
        for layer, (factor, shift) in zip(self.layers, self.modulation(condition, copies), strict=True):
            hidden = ops.silu(ops.scaled(layer(hidden, copies), factor, shift))
        output: Tensor = self.last(hidden, copies)
        return output

    def along(self, inputs: Tensor, condition: Condition) -> Tensor:
        """One copy, T points a row: inputs (B, T, inputs), condition of B rows → (B, T, outputs)."""
        rows, points, width = inputs.shape
        hidden = inputs.reshape(1, rows * points, width)
        for layer, (factor, shift) in zip(self.layers, self.modulation(condition.unsqueeze(0)), strict=True):
            product = layer(hidden).reshape(rows, points, -1)
            modulated = torch.addcmul(shift[0].unsqueeze(1), product, factor[0].unsqueeze(1))
            hidden = functional.silu(modulated).reshape(1, rows * points, -1)
        outputs: Tensor = self.last(hidden)
        return outputs.reshape(rows, points, -1)
