"""Flows across λ: a velocity field v(y, x, λ) that carries samples of one anchor to the next, learnt by flow matching.

Lipman et al., ICLR 2023; Tong et al., TMLR 2024, with pairs (y_k, y_{k+1}) of neighbouring anchors coupled by optimal
transport. Time is λ scaled so that every interval has length 1: s runs from 0 to 1 in it. One field serves all
intervals and is conditioned on x; it minimises E |v(y_s, x, λ) − dy_s/ds|² over pairs, s, and an interpolant y_s.

Pairs are known where a condition has one output and the anchors share their conditions. Draws are coupled exactly
within their condition, or, where anchors do not share conditions, across all rows with a penalty on their difference;
large groups in random parts, coupled anew several times (minibatch couplings): see `pipeline.transport.pairs`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchdiffeq import odeint

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.values import numbers
from pipeline.evaluation.methods.learning import Encoding, Perceptron, Schedule, descend, in_order
from pipeline.evaluation.methods.method import Fitting
from pipeline.evaluation.methods.starts import Starts
from pipeline.families.threads import single_thread
from pipeline.transport.anchor_samples import anchor_samples
from pipeline.transport.condition import Condition
from pipeline.transport.pairs import Interval, Pairs, euclidean_cost

WIDTHS = (128, 128, 128)
BATCH = 128
"""Pairs of every interval in a step."""
TRAINING = Schedule(3000, 3e-3)
COUPLINGS = 8
"""How often rows are coupled where a coupling takes a random part of them."""
MOST_PAIRS = 60_000
"""Costs that one coupling may compute."""
TOLERANCE = 1e-4
"""Of the ODE's solver, in standardised units."""
CHUNK = 16_384
"""Rows that flow at once, which bounds memory."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B pairs. start, end: (B, D), standardised, circular outputs on the nearest turn. context: (B, F + K)."""

    start: Tensor
    end: Tensor
    condition: Condition
    context: Tensor


Interpolant = Callable[[Batch, Tensor], tuple[Tensor, Tensor]]
"""Pairs and times s (B, 1) → points y_s (B, D), and their velocities dy_s/ds (B, D)."""


@dataclass(frozen=True, eq=False)
class Moves:
    """The pairs of all intervals of a harvest of one hyperparameter, and how networks see them."""

    harvest: Harvest
    encoding: Encoding
    pairs: tuple[Pairs, ...]

    @classmethod
    def of(cls, fitting: Fitting) -> "Moves":
        """Couple all neighbouring anchors."""
        harvest = in_order(fitting.harvest)
        encoding = Encoding.of(harvest)
        samples = anchor_samples(harvest, encoding.scaling, torch.device("cpu"))
        rng = np.random.default_rng(fitting.seed)
        return cls(harvest, encoding, tuple(_pairs(Interval(a, b), rng) for a, b in pairwise(samples)))

    @property
    def dimension(self) -> int:
        """Number D of outputs."""
        return len(self.harvest.schema.outputs)

    @property
    def context_width(self) -> int:
        """F features of the condition, and K intervals."""
        return self.encoding.width + len(self.pairs)

    def context(self, features: Tensor, interval: int) -> Tensor:
        """Features (B, F) and the interval, one-hot: (B, F + K)."""
        which = torch.zeros(len(features), len(self.pairs))
        which[:, interval] = 1.0
        return torch.cat([features, which], dim=-1)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` pairs of every interval."""
        drawn = [pairs.draw(count, generator) for pairs in self.pairs]
        contexts = [self.context(self.encoding.encoded(p.condition), k) for k, p in enumerate(drawn)]
        together = Pairs.combine(drawn, torch.cat)
        return Batch(together.start, together.end, together.condition, torch.cat(contexts))


def _pairs(interval: Interval, rng: np.random.Generator) -> Pairs:
    parted = sum(len(rows0) * len(rows1) for rows0, rows1 in interval.blocks) > MOST_PAIRS
    times = COUPLINGS if parted else 1
    coupled = [interval.pairs(interval.couple(euclidean_cost, MOST_PAIRS, rng)) for _ in range(times)]
    return Pairs.combine(coupled, torch.cat)


class Field(nn.Module):
    """The velocity v(y, x, k, s), (B, D): standardised outputs a unit of s, in interval k."""

    def __init__(self, moves: Moves, generator: torch.Generator) -> None:
        super().__init__()
        self.encoding = moves.encoding
        inputs = moves.encoding.embedded_width + moves.context_width + 1
        self.network = Perceptron(inputs, WIDTHS, moves.dimension, generator)

    def forward(self, points: Tensor, context: Tensor, s: Tensor) -> Tensor:
        """Points (B, D), contexts (B, F + K), s (B, 1) → (B, D)."""
        velocity: Tensor = self.network(torch.cat([self.encoding.embedded(points), context, s], dim=-1))
        return velocity


@dataclass(frozen=True, eq=False)
class Flow:
    """A fitted flow."""

    moves: Moves
    field: Field
    starts: Starts

    @torch.no_grad()
    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: Value, draws: int, seed: int
    ) -> NDArray[np.float64]:
        """As `Fitted.sample`: draws of λ's left anchor at the condition, carried by the ODE to λ; dopri5."""
        (anchors,), known = self.moves.encoding.axes, np.asarray(conditions, np.float64)
        value = anchors.locate(numbers(hyperparameter)[0])
        interval = anchors.interval(value)
        left, right = anchors.values[interval], anchors.values[interval + 1]
        outputs = self.starts.at(interval, known, draws, seed)
        if value == left or not outputs.size:
            return outputs
        features = self.moves.encoding.features(known).repeat_interleave(draws, 0)
        points = self.moves.encoding.standardised(outputs.reshape(len(features), -1))
        context, s = self.moves.context(features, interval), (value - left) / (right - left)
        with single_thread():
            parts = zip(torch.split(points, CHUNK), torch.split(context, CHUNK), strict=True)
            found = [self._carried(*part, s) for part in parts]
        restored = self.moves.encoding.scaling.restore(torch.cat(found))
        return np.asarray(restored.numpy().reshape(outputs.shape))

    def _carried(self, points: Tensor, context: Tensor, s: float) -> Tensor:
        """Points (B, D) at the left anchor → at s."""

        def velocity(t: Tensor, x: Tensor) -> Tensor:
            found: Tensor = self.field(x, context, t.expand(len(x), 1))
            return found

        path = odeint(velocity, points, torch.tensor([0.0, s]), method="dopri5", atol=TOLERANCE, rtol=TOLERANCE)
        ends: Tensor = path[-1]
        return ends


def fit_field(moves: Moves, interpolant: Interpolant, seed: int, schedule: Schedule) -> Field:
    """Flow matching of an interpolant between the pairs; errors as `learning.descend`."""
    generator = torch.Generator().manual_seed(seed)
    field = Field(moves, generator)

    def loss() -> Tensor:
        batch = moves.draw(BATCH, generator)
        s = torch.rand(len(batch.start), 1, generator=generator)
        points, velocity = interpolant(batch, s)
        difference: Tensor = field(points, batch.context, s) - velocity
        return difference.square().mean()

    with single_thread(), torch.enable_grad():
        descend(field, loss, None, schedule)
    return field


def flow_of(fitting: Fitting, moves: Moves, field: Field) -> Flow:
    """The flow of a fitted field, from draws of the harvest's anchors."""
    return Flow(moves, field, Starts(moves.harvest, moves.encoding.scaling, fitting.deterministic))


def applies(fitting: Fitting) -> bool:
    """Whether flows run across this harvest's λ: along one hyperparameter, which orders the anchors."""
    return fitting.harvest.hyperparameter.ndim == 1


def straight(batch: Batch, s: Tensor) -> tuple[Tensor, Tensor]:
    """The interpolant of flow matching: y_s = (1 − s) y_k + s y_{k+1}, at constant velocity."""
    move = batch.end - batch.start
    return batch.start + s * move, move
