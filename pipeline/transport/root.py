"""Row-wise inversion of maps R^D → R^D by damped Newton steps with exact Jacobians."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
"""A map of points (B, D), each row independently, → (B, D)."""

HALVINGS = 5
RIDGE = 1e-7
"""Of the Jacobian, relative to its size, where it is singular."""


@dataclass(frozen=True, eq=False)
class Root:
    """Points (B, D), and how far their images lie from the target, (B,)."""

    points: Tensor
    residual: Tensor


def invert(function: Map, target: Tensor, guess: Tensor, tolerance: float = 1e-6, iterations: int = 20) -> Root:
    """Solve f(y) = target (B, D) from a guess (B, D), each row independently.

    A step is halved until it lowers the error. A row stops where |f(y) − target| ≤ tolerance · (1 + |target|), or where
    no step helps; it then does not change any more, so that the answer for a row does not depend on the others. The
    caller judges `residual`. Everything is detached.
    """
    point = guess.detach()
    missed = target - _value(function, point)
    error = missed.norm(dim=-1)
    allowed = tolerance * (1 + target.norm(dim=-1))
    stuck = torch.zeros_like(error, dtype=torch.bool)
    for _ in range(iterations):
        if bool(((error <= allowed) | stuck).all()):
            break
        step = _newton_step(function, point, missed)
        step = torch.where(((error > allowed) & ~stuck).unsqueeze(-1), step, torch.zeros_like(step))
        for _ in range(HALVINGS):
            trial = target - _value(function, point + step)
            nearer = trial.norm(dim=-1) < error
            if bool((nearer | (step == 0).all(-1)).all()):
                break
            step = torch.where(nearer.unsqueeze(-1), step, 0.5 * step)
        stuck |= ~nearer
        point = torch.where(nearer.unsqueeze(-1), point + step, point)
        missed = torch.where(nearer.unsqueeze(-1), trial, missed)
        error = missed.norm(dim=-1)
    return Root(point, error)


@torch.no_grad()
def _value(function: Map, point: Tensor) -> Tensor:
    return function(point)


def _newton_step(function: Map, point: Tensor, missed: Tensor) -> Tensor:
    """J⁻¹ (target − f(y)) for every row, (B, D)."""
    with torch.enable_grad():
        variable = point.detach().requires_grad_(True)
        value = function(variable)
        units = torch.eye(point.shape[1], dtype=point.dtype, device=point.device)
        rows = units.unsqueeze(1).expand(-1, len(point), -1)
        (jacobian,) = torch.autograd.grad(value, variable, rows, is_grads_batched=True)
    jacobian = jacobian.detach().transpose(0, 1).double()  # (B, outputs, inputs)
    size = jacobian.abs().amax((-2, -1), keepdim=True).clamp_min(1e-30)
    jacobian = jacobian + RIDGE * size * units.double()
    solution, status = torch.linalg.solve_ex(jacobian, missed.double().unsqueeze(-1))
    step: Tensor = solution.squeeze(-1).to(point.dtype)
    usable = (status == 0).unsqueeze(-1) & torch.isfinite(step)
    return torch.where(usable, step, missed)
