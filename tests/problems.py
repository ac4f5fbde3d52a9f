"""Problems that carry their exact solution: what the mathematics of the surrogate is judged by."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torchdiffeq import odeint

from pipeline.families.semicircles.family import CENTRES, log_density, mean_angle
from pipeline.transport.condition import Condition, ConditionShape

UNCONDITIONAL = ConditionShape(0, ())


def no_condition(rows: int, dtype: torch.dtype = torch.float32) -> Condition:
    """Conditions of `rows` rows where there are none (C = 0)."""
    return Condition(torch.zeros(rows, 0, dtype=dtype), torch.zeros(rows, 0, dtype=torch.long))


@dataclass(frozen=True, eq=False)
class GaussianMap:
    """N(m0, S0) to N(m1, S1) under the squared Euclidean cost: the map is affine, W₂² is Bures's."""

    mean0: np.ndarray
    covariance0: np.ndarray
    mean1: np.ndarray
    covariance1: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """A = S0^{-1/2} (S0^{1/2} S1 S0^{1/2})^{1/2} S0^{-1/2}."""
        root = np.real(sqrtm(self.covariance0))
        inverse = np.linalg.inv(root)
        return np.asarray(inverse @ np.real(sqrtm(root @ self.covariance1 @ root)) @ inverse)

    def transport(self, y: np.ndarray, s: float = 1.0) -> np.ndarray:
        """McCann's interpolation (1 − s) y + s T(y), (N, D)."""
        return np.asarray((1 - s) * y + s * (self.mean1 + (y - self.mean0) @ self.matrix.T))

    @property
    def squared_distance(self) -> float:
        """W₂² = |m0 − m1|² + tr(S0 + S1 − 2 (S0^{1/2} S1 S0^{1/2})^{1/2})."""
        root = np.real(sqrtm(self.covariance0))
        cross = np.real(sqrtm(root @ self.covariance1 @ root))
        shift = np.sum((self.mean0 - self.mean1) ** 2)
        return float(shift + np.trace(self.covariance0 + self.covariance1 - 2 * cross))

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Independent samples (rows, D) of both."""
        return (
            rng.multivariate_normal(self.mean0, self.covariance0, rows),
            rng.multivariate_normal(self.mean1, self.covariance1, rows),
        )


def gaussian_map(dimension: int = 2) -> GaussianMap:
    """A shift, a turn of the axes and a stretch at once."""
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.normal(size=(dimension, dimension)))
    stretch = np.linspace(0.5, 1.8, dimension) ** 2
    return GaussianMap(
        np.zeros(dimension), np.eye(dimension), np.linspace(1, 2, dimension), turn @ np.diag(stretch) @ turn.T
    )


class ConformalMetric(nn.Module):
    """G = f(q) I with f = 1 + height · exp(−|q|² / 2): a hill in the middle, around which the geodesics bend."""

    def __init__(self, height: float) -> None:
        super().__init__()
        self.height = height

    def factor(self, points: Tensor) -> Tensor:
        """f(q), (...), at points (..., D)."""
        return 1 + self.height * torch.exp(-0.5 * points.square().sum(-1))

    def slope(self, points: Tensor) -> Tensor:
        """∇f(q), (..., D)."""
        return -points * (self.factor(points) - 1).unsqueeze(-1)

    def kinetic(self, points: Tensor, velocities: Tensor, condition: Condition) -> Tensor:
        """½ f(q) |q̇|²."""
        return 0.5 * self.factor(points) * velocities.square().sum(-1)

    def geodesic(self, start: Tensor, velocity: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Points and velocities (B, T, D) of the solution of f q̈ = ½ ∇f |q̇|² − (∇f · q̇) q̇ from start (B, D)."""

        def field(_: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            q, v = state
            gradient, f = self.slope(q), self.factor(q).unsqueeze(-1)
            along = (gradient * v).sum(-1, keepdim=True)
            return v, (0.5 * gradient * v.square().sum(-1, keepdim=True) - along * v) / f

        # Integrated from 0, wherever `times` begin.
        later = times[times > 0]
        grid = torch.cat([torch.zeros(1, dtype=times.dtype), later])
        points, velocities = odeint(field, (start, velocity), grid, rtol=1e-9, atol=1e-10)
        first = int(len(later) == len(times))
        return points[first:].transpose(0, 1), velocities[first:].transpose(0, 1)


class StereographicSphere(nn.Module):
    """The unit sphere from its north pole: G = 4 / (1 + |q|²)² I, geodesics are great circles."""

    def kinetic(self, points: Tensor, velocities: Tensor, condition: Condition) -> Tensor:
        """½ · 4 |q̇|² / (1 + |q|²)²."""
        return 2 * velocities.square().sum(-1) / (1 + points.square().sum(-1)).square()

    @staticmethod
    def lift(points: Tensor) -> Tensor:
        """Points (..., D) → on the sphere (..., D + 1)."""
        square = points.square().sum(-1, keepdim=True)
        return torch.cat([2 * points, square - 1], -1) / (1 + square)

    @staticmethod
    def project(sphere: Tensor) -> Tensor:
        """Back to the plane."""
        return sphere[..., :-1] / (1 - sphere[..., -1:])

    def distance(self, start: Tensor, end: Tensor) -> Tensor:
        """The angle between two points, (B,); ½ of its square is the least action."""
        return torch.arccos((self.lift(start) * self.lift(end)).sum(-1).clamp(-1, 1))

    def great_circle(self, start: Tensor, end: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Points and velocities (B, T, D) of the shorter great circle at constant speed."""
        a, b = self.lift(start).unsqueeze(1), self.lift(end).unsqueeze(1)
        angle = self.distance(start, end)[:, None, None]

        def at(t: Tensor) -> Tensor:
            turned = torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b
            return self.project(turned / torch.sin(angle))

        t = times[None, :, None]
        result = torch.func.jvp(at, (t,), (torch.ones_like(t),))
        return result[0], result[1]


@dataclass(frozen=True)
class QuadraticDual:
    """g(y) = −½ a |y − b|² under c = ½ |y' − y|²: g^c(y) = ½ a / (1 + a) |y − b|², reached at (y + a b) / (1 + a)."""

    a: float
    b: Tensor

    def __call__(self, y: Tensor) -> Tensor:
        return -0.5 * self.a * (y - self.b).square().sum(-1)

    def conjugate(self, y: Tensor) -> Tensor:
        return 0.5 * self.a / (1 + self.a) * (y - self.b).square().sum(-1)

    def minimiser(self, y: Tensor) -> Tensor:
        return (y + self.a * self.b) / (1 + self.a)


@dataclass(frozen=True)
class Semicircles:
    """The conditional semicircles: their density, and their true transport, a turn by the same angle for all."""

    def log_density(self, y: np.ndarray, category: int, s: float) -> np.ndarray:
        return log_density(y, category, s)

    def turn(self, y: np.ndarray, category: int, source: float, target: float) -> np.ndarray:
        """Points (N, 2) of p_source turned to p_target."""
        angle = float(mean_angle(category, target) - mean_angle(category, source))
        rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        return np.asarray(CENTRES[category] + (y - CENTRES[category]) @ rotation.T)
