"""Training of paths and metric: both descend the action, the metric along observed moves alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pipeline.transport.condition import Condition
from pipeline.transport.config import TrainingConfig
from pipeline.transport.lagrangian import Lagrangian
from pipeline.transport.path import PathNetwork, evaluate_at_nodes

COST_POINTS = 8
"""Quadrature points that suffice to compare the costs of moves; training needs more, or paths adapt to them."""

History = dict[str, list[float]]
"""Training curves by name."""


def one_cycle(optimiser: torch.optim.Optimizer, total_steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rates that rise over the first tenth of the steps, and then fall to zero along a cosine."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [group["lr"] for group in optimiser.param_groups],
        total_steps=total_steps,
        # In 10 steps a tenth is the very first one, over which torch's schedule divides by zero.
        pct_start=0.1 if total_steps > 10 else 0.5 / total_steps,
        cycle_momentum=False,
    )


class PathTrainer:
    """Minimises the action of the network's paths, and over the metric the action along the observed moves."""

    def __init__(self, lagrangian: Lagrangian, paths: PathNetwork, config: TrainingConfig, total_steps: int) -> None:
        self.lagrangian, self.paths = lagrangian, paths
        self.curve: list[float] = []
        groups: list[dict[str, Any]] = [{"params": list(paths.parameters()), "lr": config.path_learning_rate}]
        self.metric_parameters = list(lagrangian.metric.parameters())
        if self.metric_parameters:
            groups.append({"params": self.metric_parameters, "lr": config.metric_learning_rate})
        self.optimiser = torch.optim.AdamW(groups, weight_decay=1e-4, fused=True)
        fewer = min(COST_POINTS, len(lagrangian.nodes))
        self.coarse = Lagrangian(lagrangian.metric, lagrangian.potential, fewer).to(lagrangian.nodes.device)
        # The same at every step.
        self.basis, self.coarse_basis = paths.basis(lagrangian.nodes), paths.basis(self.coarse.nodes)
        self.schedule = one_cycle(self.optimiser, total_steps)

    @property
    def curved(self) -> bool:
        """Whether paths can bend: there is a learnt metric or a potential."""
        return bool(self.metric_parameters) or self.lagrangian.potential is not None

    def action(self, start: Tensor, end: Tensor, condition: Condition) -> Tensor:
        """Actions of the network's paths, the learnt cost c(y0, y1 | x): start, end (B, D) → (B,)."""
        return self.lagrangian.action(*self._curves(start, end, condition), condition)

    def cost(self, start: Tensor, end: Tensor, condition: Condition) -> Tensor:
        """As `action`, by a coarser quadrature: the cost that couplings minimise."""
        coefficients = self.paths.coefficients(start, end, condition)
        curves = evaluate_at_nodes(start, end, coefficients, self.coarse.nodes, *self.coarse_basis)
        return self.coarse.action(*curves, condition)

    def action_beside(self, start: Tensor, end: Tensor, condition: Condition, observed: int) -> Tensor:
        """As `action`, the first `observed` rows being observed moves: the others have no gradient in the metric."""
        if observed == len(start):  # the metric's network takes no empty batch
            return self.action(start, end, condition)
        points, velocities = self._curves(start, end, condition)
        kinetic = self.lagrangian.metric.kinetic
        first = kinetic(points[:observed], velocities[:observed], condition[:observed])
        with self.frozen_metric():
            rest = kinetic(points[observed:], velocities[observed:], condition[observed:])
        values = self.lagrangian.less_potential(torch.cat([first, rest]), points, condition)
        return values @ self.lagrangian.node_weights

    def _curves(self, start: Tensor, end: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """Points and velocities (B, T, D) at the quadrature's nodes."""
        coefficients = self.paths.coefficients(start, end, condition)
        return evaluate_at_nodes(start, end, coefficients, self.lagrangian.nodes, *self.basis)

    def state_dict(self) -> dict[str, Any]:
        """What descending changes: metric and paths, the optimiser and its schedule."""
        return {name: part.state_dict() for name, part in self._changing().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name, part in self._changing().items():
            part.load_state_dict(state[name])

    def _changing(self) -> dict[str, Any]:
        own = {"metric": self.lagrangian.metric, "paths": self.paths}
        return own | {"optimiser": self.optimiser, "schedule": self.schedule}

    @contextmanager
    def frozen_metric(self) -> Iterator[None]:
        """Actions computed within have no gradient in the metric."""
        for parameter in self.metric_parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.metric_parameters:
                parameter.requires_grad_(True)

    def descend(self, loss: Tensor) -> None:
        """One optimiser step on a loss made of actions."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.schedule.step()
