"""The c-transform g^c(y | x) = min_{y'} c(y, y' | x) − g(y' | x), by a batched quasi-Newton method."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Objective = Callable[[Tensor], Tensor]
"""Values (B,) of B independent functions at points (B, D)."""

ARMIJO = 1e-4
BACKTRACKS = 4
SHRINK = 0.01


@dataclass(frozen=True, eq=False)
class Minimum:
    """Points (B, D) and the values (B,) there."""

    points: Tensor
    values: Tensor


def minimise_batched(objective: Objective, start: Tensor, iterations: int) -> Minimum:
    """BFGS on B independent problems of D variables at once, from `start` (B, D).

    Every row has its own inverse Hessian (B, D, D), starting as the identity (exact for c = ½|y' − y|² and g = 0), and
    its own step, shortened until the Armijo condition holds; a row where no step does stays where it is, and tries
    shorter ones in the next iteration. A value never rises. Everything is detached: the envelope theorem needs the
    minimiser only.
    """
    rows, dimension = start.shape
    point = start.detach()
    value, gradient = _value_and_gradient(objective, point)
    inverse = torch.eye(dimension, device=start.device, dtype=start.dtype).repeat(rows, 1, 1)
    for _ in range(iterations):
        direction = -torch.einsum("bij,bj->bi", inverse, gradient)
        slope = (direction * gradient).sum(-1)
        uphill = slope >= 0
        direction = torch.where(uphill.unsqueeze(-1), -gradient, direction)
        slope = torch.where(uphill, -gradient.square().sum(-1), slope)
        step = _step(objective, point, value, direction, slope)
        stuck = (step == 0).unsqueeze(-1)
        moved = torch.where(stuck, point, point + step.unsqueeze(-1) * direction)
        inverse = torch.where(stuck.unsqueeze(-1), SHRINK * inverse, inverse)
        new_value, new_gradient = _value_and_gradient(objective, moved)
        inverse = _update(inverse, moved - point, new_gradient - gradient)
        point, value, gradient = moved, new_value, new_gradient
    return Minimum(point, value)


def _value_and_gradient(objective: Objective, point: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        variable = point.detach().requires_grad_(True)
        value = objective(variable)
        (gradient,) = torch.autograd.grad(value.sum(), variable)
    return value.detach(), gradient


@torch.no_grad()
def _step(objective: Objective, point: Tensor, value: Tensor, direction: Tensor, slope: Tensor) -> Tensor:
    step = torch.ones_like(value)
    accepted = torch.zeros_like(value, dtype=torch.bool)
    for _ in range(BACKTRACKS):
        trial = objective(point + step.unsqueeze(-1) * direction)
        accepted |= trial <= value + ARMIJO * step * slope
        if bool(accepted.all()):
            return step
        # The parabola through value, slope and trial has its minimum there; a trial of NaN or Inf has none.
        fitted = (-0.5 * slope * step.square() / (trial - value - step * slope)).nan_to_num(0.0)
        step = torch.where(accepted, step, torch.clamp(fitted, 0.1 * step, 0.5 * step))
    return torch.where(accepted, step, torch.zeros_like(step))


def _update(inverse: Tensor, moved: Tensor, change: Tensor) -> Tensor:
    """The BFGS update of the inverse Hessians, where the curvature is positive."""
    curvature = (moved * change).sum(-1)
    usable = curvature > 1e-10
    rho = torch.where(usable, 1.0 / torch.where(usable, curvature, torch.ones_like(curvature)), 0.0)
    applied = torch.einsum("bij,bj->bi", inverse, change)
    quadratic = (change * applied).sum(-1)
    outer = torch.einsum("bi,bj->bij", moved, moved)
    mixed = torch.einsum("bi,bj->bij", applied, moved)
    correction = ((1 + rho * quadratic) * rho)[:, None, None] * outer
    correction = correction - rho[:, None, None] * (mixed + mixed.transpose(1, 2))
    return inverse + torch.where(usable[:, None, None], correction, torch.zeros_like(correction))
