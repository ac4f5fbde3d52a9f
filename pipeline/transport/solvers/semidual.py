"""The semi-dual solver: neural conditional Lagrangian optimal transport.

For every interval, max over g_k of E_{p_k}[g_k^c(y | x)] + E_{p_{k+1}}[g_k(y | x)], the c-transform started from the
amortised map and refined by a few quasi-Newton steps, the map regressed on the refined points, and over all intervals
the metric that makes these moves cheap. Amad and van der Schaar, ICLR 2026 (arXiv 2603.01771); Pooladian,
Domingo-Enrich, Chen and Amos, UAI 2024 (arXiv 2406.00288). Conditions need not be shared by the anchors: the two
expectations are over each anchor's own rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.storage.checkpoint import resumable
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.c_transform import Minimum, minimise_batched
from pipeline.transport.condition import Condition
from pipeline.transport.config import SemidualConfig
from pipeline.transport.network_maps import NetworkMaps
from pipeline.transport.networks import ConditionalMLP
from pipeline.transport.training import History, PathTrainer, one_cycle


class SemidualSolver:
    """The state of one semi-dual fit: dual potentials, maps, paths and metric with their optimisers."""

    def __init__(
        self,
        anchors: Sequence[AnchorSamples],
        maps: NetworkMaps,
        trainer: PathTrainer,
        config: SemidualConfig,
        generator: torch.Generator,
    ) -> None:
        self.anchors, self.maps, self.trainer = anchors, maps, trainer
        self.config, self.generator = config, generator
        dimension = anchors[0].outputs.shape[1]
        device = anchors[0].outputs.device
        shape = maps.network.condition_shape
        self.dual = ConditionalMLP(dimension, 1, config.dual_widths, shape, generator, copies=len(anchors) - 1).to(
            device
        )
        self.dual_optimiser = torch.optim.AdamW(
            self.dual.parameters(), config.dual_learning_rate, betas=(0.5, 0.9), fused=True
        )
        self.map_optimiser = torch.optim.AdamW(maps.parameters(), config.map_learning_rate, fused=True)
        # At constant rates the iterates circle the saddle point without reaching it.
        self.schedules = [one_cycle(o, config.outer_steps) for o in (self.dual_optimiser, self.map_optimiser)]

    def _draw(self, anchor: AnchorSamples) -> tuple[Tensor, Condition]:
        rows = torch.randint(len(anchor.outputs), (self.config.batch_size,), generator=self.generator)
        rows = rows.to(anchor.outputs.device)
        return anchor.outputs[rows], anchor.condition[rows]

    def batches(self) -> tuple[Tensor, Condition, Tensor, Condition]:
        """Starts and ends (K, B, D) of every interval, each with its own conditions."""
        drawn = [self._draw(anchor) for anchor in self.anchors]
        y = torch.stack([outputs for outputs, _ in drawn])
        x = Condition(torch.stack([c.values for _, c in drawn]), torch.stack([c.codes for _, c in drawn]))
        return y[:-1], x[:-1], y[1:], x[1:]

    def conjugate(self, start: Tensor, condition: Condition) -> Minimum:
        """The refined c-transform of starts (K, B, D): minimisers (K·B, D) and values g^c (K·B,)."""
        shape = start.shape
        flat_start, flat_condition = start.flatten(0, 1), _flatten(condition)

        def objective(point: Tensor) -> Tensor:
            value: Tensor = self.dual(point.reshape(shape), condition)
            return self.trainer.action(flat_start, point, flat_condition) - value.flatten()

        with torch.no_grad():
            guess = self.maps(start, condition).flatten(0, 1)
        return minimise_batched(objective, guess, self.config.conjugate_iterations)

    def step(self, *, learn_metric: bool) -> tuple[float, float]:
        """One outer step; returns the dual value (mean over the intervals) and the map's loss."""
        start, condition, end, end_condition = self.batches()
        minimum = self.conjugate(start, condition)
        image = minimum.points.reshape(start.shape)
        at_end: Tensor = self.dual(end, end_condition)
        loss = self.dual(image, condition).mean() - at_end.mean()
        _descend(self.dual_optimiser, loss)
        map_loss = (self.maps(start, condition) - image).square().sum(-1).mean()
        _descend(self.map_optimiser, map_loss)
        if not self.trainer.curved:
            pass  # paths stay the straight lines that they start as
        elif learn_metric:
            self._learn_cost(start, image, condition)
        else:
            with self.trainer.frozen_metric():
                self._learn_cost(start, image, condition)
        for schedule in self.schedules:
            schedule.step()
        return (minimum.values.mean() + at_end.detach().mean()).item(), map_loss.item()

    def state_dict(self) -> dict[str, Any]:
        """What steps change; the generator has a state of its own."""
        return {name: part.state_dict() for name, part in self._changing().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name, part in self._changing().items():
            part.load_state_dict(state[name])

    def _changing(self) -> dict[str, Any]:
        networks = {"dual": self.dual, "maps": self.maps, "trainer": self.trainer}
        optimisers = {"dual_optimiser": self.dual_optimiser, "map_optimiser": self.map_optimiser}
        dual_schedule, map_schedule = self.schedules
        return networks | optimisers | {"dual_schedule": dual_schedule, "map_schedule": map_schedule}

    def _learn_cost(self, start: Tensor, image: Tensor, condition: Condition) -> None:
        self.trainer.descend(self.trainer.action(start.flatten(0, 1), image.flatten(0, 1), _flatten(condition)).mean())


def fit_semidual(
    anchors: Sequence[AnchorSamples],
    maps: NetworkMaps,
    trainer: PathTrainer,
    config: SemidualConfig,
    generator: torch.Generator,
) -> History:
    """Fit metric, paths and maps in place; returns the training curves (dual value, map loss).

    A trainer is needed even for K_I: the cost is then that of straight lines, which its untrained paths are.
    """
    solver = SemidualSolver(anchors, maps, trainer, config, generator)
    curves = np.zeros((2, config.outer_steps))
    for step in resumable(config.outer_steps, "semidual", solver=solver, generator=generator, curves=curves):
        curves[:, step] = solver.step(learn_metric=step % config.metric_every == config.metric_every - 1)
    dual_value, map_loss = curves.tolist()
    return {"dual_value": dual_value, "map_loss": map_loss}


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _flatten(condition: Condition) -> Condition:
    return Condition(condition.values.flatten(0, 1), condition.codes.flatten(0, 1))
