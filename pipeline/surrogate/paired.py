"""The paired solver: couplings found by exact transport, metric and paths learnt along them, maps regressed on them.

Where the harvest holds the same conditions at every anchor, the coupling of a deterministic network is known outright,
and that of a stochastic one is a small transport problem a condition. It is found under the learnt cost c (the least
action between two samples), in turns with the metric and the paths: Euclidean pairs squeeze what moves on a curve.
"""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.config import SurrogateConfig
from pipeline.surrogate.action import Lagrangian
from pipeline.surrogate.maps import TransportMaps
from pipeline.surrogate.modules import Condition
from pipeline.surrogate.pairs import Interval, Pairs, euclidean_cost
from pipeline.surrogate.path import PathNetwork
from pipeline.surrogate.samples import AnchorSamples

logger = logging.getLogger(__name__)

History = dict[str, list[float]]


def fit_paired(
    anchors: Sequence[AnchorSamples],
    deterministic: bool,
    lagrangian: Lagrangian,
    paths: PathNetwork,
    maps: TransportMaps,
    config: SurrogateConfig,
    seed: int,
) -> History:
    """Fit metric, paths and maps in place; returns the training curves (path action, map loss)."""
    generator = torch.Generator().manual_seed(seed)
    numpy_generator = np.random.default_rng(seed)
    intervals = [Interval(a, b) for a, b in zip(anchors[:-1], anchors[1:], strict=True)]

    def couple(cost: object) -> list[Pairs]:
        return [i.pairs(i.couple(cost, config.coupling_pairs, numpy_generator)) for i in intervals]  # type: ignore[arg-type]

    history: History = {"path_action": [], "map_loss": []}
    pairs = couple(euclidean_cost)
    curved = config.variant != "K_I"
    known = deterministic and all(i.shared for i in intervals)
    if curved:
        rounds = 1 if known else config.coupling_rounds
        trainer = PathTrainer(lagrangian, paths, config, rounds * config.path_steps, generator)
        for _ in range(rounds):
            trainer.run(intervals, pairs, config.path_steps, explore=not known)
            if not known:
                pairs = couple(trainer.cost)
        history["path_action"] = trainer.curve
    history["map_loss"] = fit_maps(maps, pairs, config, generator)
    return history


class PathTrainer:
    """Minimises the action of paths, and over the metric the action along the observed moves."""

    def __init__(
        self,
        lagrangian: Lagrangian,
        paths: PathNetwork,
        config: SurrogateConfig,
        total_steps: int,
        generator: torch.Generator,
    ) -> None:
        self.lagrangian, self.paths, self.config, self.generator = lagrangian, paths, config, generator
        self.curve: list[float] = []
        groups = [{"params": list(paths.parameters()), "lr": config.path_learning_rate}]
        self.metric_parameters = list(lagrangian.metric.parameters())
        if self.metric_parameters:
            groups.append({"params": self.metric_parameters, "lr": config.metric_learning_rate})
        self.optimiser = torch.optim.AdamW(groups, weight_decay=1e-4)
        rates = [group["lr"] for group in groups]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rates, total_steps=total_steps, pct_start=0.1, cycle_momentum=False
        )
        tables = paths.basis(lagrangian.nodes)
        self.tables: tuple[Tensor, Tensor] = tables

    def action(self, start: Tensor, end: Tensor, condition: Condition) -> Tensor:
        """Actions (B,) of the network's paths."""
        points, velocities = self.paths(start, end, condition, self.lagrangian.nodes)
        return self.lagrangian.action(points, velocities, condition)

    @torch.no_grad()
    def cost(self, start: Tensor, end: Tensor, condition: Condition) -> Tensor:
        """The learnt transport cost c(y0, y1 | x), (B,)."""
        return self.action(start, end, condition)

    def run(self, intervals: Sequence[Interval], pairs: Sequence[Pairs], steps: int, explore: bool) -> None:
        """Train for `steps` steps on coupled pairs; with `explore` as much on random ones, which move the paths alone."""
        share = -(-self.config.batch_size // len(pairs))
        for _ in range(steps):
            observed = _join([p.draw(share, self.generator) for p in pairs])
            loss = self.action(observed.start, observed.end, observed.condition).mean()
            self.curve.append(loss.item())
            if explore:
                drawn = _join([i.random_pairs(share, self.generator) for i in intervals])
                for parameter in self.metric_parameters:
                    parameter.requires_grad_(False)
                loss = loss + self.action(drawn.start, drawn.end, drawn.condition).mean()
                for parameter in self.metric_parameters:
                    parameter.requires_grad_(True)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.schedule.step()


def fit_maps(
    maps: TransportMaps, pairs: Sequence[Pairs], config: SurrogateConfig, generator: torch.Generator
) -> list[float]:
    """Regress T_k on the coupled pairs: the affine part in closed form, then the networks."""
    for k, pair in enumerate(pairs):
        maps.solve_affine(k, pair.start, pair.condition, pair.end, pair.weight)
    optimiser = torch.optim.AdamW(maps.parameters(), config.map_learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.map_learning_rate, total_steps=config.map_steps, pct_start=0.1, cycle_momentum=False
    )
    size = maps.residual_scale.square()
    curve = []
    for _ in range(config.map_steps):
        batch = _stack([p.draw(config.batch_size, generator) for p in pairs])
        loss = ((maps(batch.start, batch.condition) - batch.end).square() / size).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        curve.append(loss.item())
    return curve


def _combine(batches: Sequence[Pairs], combine: object) -> Pairs:
    function = combine
    return Pairs(
        function([b.start for b in batches]),  # type: ignore[operator]
        function([b.end for b in batches]),  # type: ignore[operator]
        Condition(function([b.condition.values for b in batches]), function([b.condition.codes for b in batches])),  # type: ignore[operator]
        function([b.weight for b in batches]),  # type: ignore[operator]
    )


def _join(batches: Sequence[Pairs]) -> Pairs:
    return _combine(batches, torch.cat)


def _stack(batches: Sequence[Pairs]) -> Pairs:
    return _combine(batches, torch.stack)
