"""What methods that train a network of their own share: encoded inputs and outputs, a perceptron, early stopping."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value, axes_of
from pipeline.data.values import numbers
from pipeline.errors import FitError
from pipeline.transport.condition import Condition
from pipeline.transport.networks import StackedLinear
from pipeline.transport.standardise import Standardiser
from pipeline.transport.training import one_cycle


def in_order(harvest: Harvest) -> Harvest:
    """The harvest with every anchor's rows sorted by conditions, then outputs: fits depend on no order of rows."""
    tables = [np.hstack([x, y]) for x, y in zip(harvest.conditions, harvest.outputs, strict=True)]
    orders = [np.lexsort(table.T[::-1]) for table in tables]
    return replace(
        harvest,
        outputs=tuple(y[order] for y, order in zip(harvest.outputs, orders, strict=True)),
        conditions=tuple(x[order] for x, order in zip(harvest.conditions, orders, strict=True)),
    )


@dataclass(frozen=True, eq=False)
class Encoding:
    """Inputs and outputs as networks see them: of order one, categories one-hot, angles as points of the unit circle.

    axes: the anchors' values of every hyperparameter.
    """

    scaling: Standardiser
    axes: tuple[Anchors, ...]

    @classmethod
    def of(cls, harvest: Harvest) -> "Encoding":
        """The encoding of a harvest."""
        names = [column.name for column in harvest.schema.hyperparameters]
        return cls(Standardiser.of(harvest), axes_of(harvest.vertices, names))

    @property
    def width(self) -> int:
        """Number F of a condition's features."""
        return self.scaling.shape.continuous + sum(self.scaling.shape.codes)

    @property
    def embedded_width(self) -> int:
        """Number E of an output's coordinates: one for every column, two for a circular one."""
        return len(self.scaling.schema.outputs) + len(self.scaling.circular)

    def features(self, conditions: NDArray[np.floating]) -> Tensor:
        """Conditions (N, C) in their own units → (N, F), float32."""
        return self.encoded(self.scaling.condition(torch.from_numpy(np.array(conditions, np.float64, order="C"))))

    def encoded(self, condition: Condition) -> Tensor:
        """N standardised conditions → (N, F)."""
        sizes = self.scaling.shape.codes
        hot = [functional.one_hot(condition.codes[:, i], size) for i, size in enumerate(sizes)]
        return torch.cat([condition.values, *(columns.float() for columns in hot)], dim=-1)

    def scaled(self, value: Value) -> Tensor:
        """λ → (P,), from −1 at the smallest anchor to 1 at the largest in every hyperparameter."""
        ends = [(axis.values[0], axis.values[-1]) for axis in self.axes]
        return torch.tensor([2 * (v - a) / (b - a) - 1 for v, (a, b) in zip(numbers(value), ends, strict=True)])

    def standardised(self, outputs: NDArray[np.floating]) -> Tensor:
        """Outputs (…, D) in their own units → standardised, float32."""
        return self.scaling.standardise(torch.from_numpy(np.array(outputs, np.float64, order="C")))

    def embedded(self, outputs: Tensor) -> Tensor:
        """Standardised outputs (…, D) → (…, E): plain columns, then cosines and sines of circular ones."""
        if not (turning := self.scaling.circular):
            return outputs
        angle = outputs[..., turning] * self._turn
        return torch.cat([outputs[..., self._plain], angle.cos(), angle.sin()], dim=-1)

    def restored(self, embedded: Tensor) -> NDArray[np.float64]:
        """Coordinates (…, E) → valid outputs (…, D) in their own units."""
        turning = self.scaling.circular
        outputs = embedded
        if turning:
            sizes = [len(self._plain), len(turning), len(turning)]
            plain, cosine, sine = torch.split(embedded, sizes, dim=-1)
            outputs = torch.empty(*embedded.shape[:-1], len(self._plain) + len(turning))
            outputs[..., self._plain], outputs[..., turning] = plain, torch.atan2(sine, cosine) / self._turn
        return np.asarray(self.scaling.restore(outputs).numpy())

    @property
    def _plain(self) -> list[int]:
        return [i for i in range(len(self.scaling.schema.outputs)) if i not in self.scaling.circular]

    @property
    def _turn(self) -> Tensor:
        """Radians in a standardised unit of every circular output."""
        return (2 * math.pi / self.scaling.standard_period[self.scaling.circular]).float()


class Perceptron(nn.Module):
    """A multilayer perceptron with SiLU layers, (N, inputs) → (N, outputs), which starts at 0."""

    def __init__(self, inputs: int, widths: tuple[int, ...], outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [inputs, *widths]
        self.layers = nn.ModuleList(StackedLinear(1, a, b, generator, gain=math.sqrt(3.0)) for a, b in pairwise(sizes))
        self.last = StackedLinear(1, sizes[-1], outputs, generator, gain=0.0)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (N, outputs) of inputs (N, inputs)."""
        hidden = inputs[None]
        for layer in self.layers:
            hidden = functional.silu(layer(hidden))
        outputs: Tensor = self.last(hidden)
        return outputs[0]


FEWEST_GROUPS = 20
"""Distinct conditions below which rows are held back instead of conditions."""
HELD_BACK = 0.1
"""The share of conditions, or rows, that training does not see."""


def held_back(groups: NDArray[np.intp], seed: int) -> NDArray[np.bool_]:
    """Which rows are held back to stop the training: groups (N,), the number of each row's condition → (N,)."""
    rng, distinct = np.random.default_rng(seed), np.unique(groups)
    if len(distinct) < FEWEST_GROUPS:
        chosen = rng.permutation(len(groups)) < HELD_BACK * len(groups)
    else:
        chosen = np.isin(groups, rng.permutation(distinct)[: int(HELD_BACK * len(distinct))])
    return np.asarray(chosen)


@dataclass(frozen=True)
class Schedule:
    """How long training lasts. every: steps between two looks at the rows held back; patience: looks without a best."""

    steps: int
    learning_rate: float = 4e-3
    every: int = 60
    patience: int = 15


def descend(
    module: nn.Module, loss: Callable[[], Tensor], judged: Callable[[], float] | None, schedule: Schedule
) -> None:
    """Train by AdamW with rates that rise and fall; ends in evaluation, without gradients.

    loss: of a fresh batch. judged: the error of the rows held back; with it, training stops where that falls no more,
    and ends with the best weights. Raises FitError where weights or that error are not finite.
    """
    best, state, last = math.inf, None, 0
    optimiser = torch.optim.AdamW(module.parameters(), schedule.learning_rate, weight_decay=1e-4, fused=True)
    rates = one_cycle(optimiser, schedule.steps)
    for step in range(1, schedule.steps + 1):
        optimiser.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rates.step()
        if judged is not None and step % schedule.every == 0:
            if (error := judged()) < best:
                best, state, last = error, copy.deepcopy(module.state_dict()), step
            if step - last >= schedule.patience * schedule.every:
                break
    if state is not None:
        module.load_state_dict(state)
    if not all(bool(weight.isfinite().all()) for weight in module.parameters()):
        raise FitError("a network's weights are not finite; look at the harvest's outliers")
    module.requires_grad_(False).eval()
