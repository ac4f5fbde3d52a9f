"""Metric flow matching across λ: interpolants that bend towards the samples, then flow matching on these.

Kapusniak et al., "Metric Flow Matching for Smooth Interpolations on the Data Manifold", NeurIPS 2024 (arXiv
2405.14780): y_s = (1 − s) y_k + s y_{k+1} + s (1 − s) φ(y_k, y_{k+1}, x, s), with φ trained to minimise the
kinetic energy E ½ ẏ_sᵀ G(y_s | x) ẏ_s, under a metric that samples of all anchors make (`land`). A field is then
fitted to the velocities of these interpolants, as in `flow_matching`, whose pairs and sampling it shares.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pipeline.evaluation.methods.flows_across import (
    BATCH,
    TRAINING,
    Batch,
    Flow,
    Interpolant,
    Moves,
    applies,
    fit_field,
    flow_of,
    straight,
)
from pipeline.evaluation.methods.land import LandMetric, kinetic
from pipeline.evaluation.methods.learning import Perceptron, Schedule, descend
from pipeline.evaluation.methods.method import Fitting, Method
from pipeline.families.threads import single_thread
from pipeline.transport.anchor_samples import anchor_samples
from pipeline.transport.condition import Condition

WIDTHS = (128, 128)
BENDING = Schedule(400, 2e-3)

Metric = Callable[[Tensor, Condition], Tensor]
"""Points (B, D) and B conditions → the metric's diagonal (B, D)."""


class Bend(nn.Module):
    """φ(y_k, y_{k+1}, x, s), (B, D): how far an interpolant is off its line, over s (1 − s). It starts at 0."""

    def __init__(self, moves: Moves, generator: torch.Generator) -> None:
        super().__init__()
        self.encoding = moves.encoding
        inputs = moves.encoding.embedded_width + moves.dimension + moves.context_width + 1
        self.network = Perceptron(inputs, WIDTHS, moves.dimension, generator)

    def forward(self, batch: Batch, s: Tensor) -> Tensor:
        """Pairs and times (B, 1) → (B, D)."""
        parts = [self.encoding.embedded(batch.start), batch.end - batch.start, batch.context, s]
        bend: Tensor = self.network(torch.cat(parts, dim=-1))
        return bend

    def interpolant(self, batch: Batch, s: Tensor) -> tuple[Tensor, Tensor]:
        """Points y_s and velocities dy_s/ds (B, D), the derivative of φ by forward differentiation."""
        line, velocity = straight(batch, s)
        found = torch.func.jvp(lambda time: self(batch, time), (s,), (torch.ones_like(s),))
        bend, slope = found[0], found[1]
        return line + s * (1 - s) * bend, velocity + (1 - 2 * s) * bend + s * (1 - s) * slope


def fit_bend(moves: Moves, metric: Metric, seed: int, schedule: Schedule) -> Bend:
    """φ of least kinetic energy under a metric, relative to that of straight lines; errors as `learning.descend`."""
    generator = torch.Generator().manual_seed(seed)
    bend = Bend(moves, generator)

    def energy(interpolant: Interpolant) -> Tensor:
        batch = moves.draw(BATCH, generator)
        points, velocity = interpolant(batch, torch.rand(len(batch.start), 1, generator=generator))
        return kinetic(metric(points, batch.condition), velocity).mean()

    with single_thread(), torch.enable_grad():
        unit = max(float(energy(straight)), 1e-12)
        descend(bend, lambda: energy(bend.interpolant) / unit, None, schedule)
    return bend


def _fit(fitting: Fitting) -> Flow | None:
    if not applies(fitting):
        return None
    moves = Moves.of(fitting)
    samples = anchor_samples(moves.harvest, moves.encoding.scaling, torch.device("cpu"))
    metric = LandMetric(samples, torch.Generator().manual_seed(fitting.seed))
    bend = fit_bend(moves, metric, fitting.seed, BENDING)
    return flow_of(fitting, moves, fit_field(moves, bend.interpolant, fitting.seed, TRAINING))


METHOD = Method(
    name="metric_flow_matching",
    label="metric flow matching",
    role="baseline",
    colour="#E377C2",
    marker=">",
    fit=_fit,
    cost="dear",
)
