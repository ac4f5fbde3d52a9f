"""Stiff differential equations of many systems at once: an adaptive Rosenbrock method, vectorised over the systems.

Rodas3: Sandu, Verwer, Blom, Spee, Potra and Carmichael, "Benchmarking stiff ODE solvers for atmospheric chemistry
problems II: Rosenbrock solvers", Atmospheric Environment 31, 1997. Four stages of order 3 with an embedded solution of
order 2, both L-stable. A stage solves (I/(γh) − J) k_i = f(y_i) + Σ_j c_ij k_j / h with γ = ½; one inverse serves them
all. Every system has its own step, so that a system that is stiff for a while does not slow down the others, and
results do not depend on the other systems of the batch.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FitError

GAMMA = 0.5
SAFETY, SMALLEST, LARGEST = 0.9, 0.2, 5.0
"""A step is scaled by 0.9 (tolerated error / error)^⅓, within these limits."""
MOST_STEPS = 5000

Array = NDArray[np.float64]


class System(Protocol):
    """Autonomous equations of N systems in n variables, vectorised: arrays hold one row a variable."""

    def rates(self, y: Array) -> Array:
        """dy/dt (n, N) at y (n, N)."""
        ...

    def jacobian(self, y: Array) -> Array:
        """Derivatives (N, n, n) of the rates at y (n, N): entry [k, i, j] is that of rate i by variable j."""
        ...


def integrate(
    system: System, y: Array, duration: float, step: Array, *, relative: float, absolute: Array | float
) -> tuple[Array, Array]:
    """Advance states y (n, N) by `duration`; returns them, and the steps (N,) that the method would continue with.

    step: first steps (N,) to try. relative, absolute ((n, 1) or one for all): tolerances of an entry's error in one
    step. Negative entries are set to 0 after every step: these systems hold amounts. Raises FitError where steps become
    so small that the end is out of reach.
    """
    y, step = y.copy(), step.copy()
    left = np.full(y.shape[1], float(duration))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a trial step may overflow; it is rejected
        for _ in range(MOST_STEPS):
            running = left > 0
            if not running.any():
                return y, step
            h = np.where(running, np.minimum(step, left), duration)
            tried, error = one_step(system, y, h)
            scaled = error / (absolute + relative * np.maximum(np.abs(y), np.abs(tried)))
            size = np.sqrt(np.mean(np.square(scaled), axis=0))
            size[~np.isfinite(size)] = np.inf
            factor = np.clip(SAFETY * np.maximum(size, 1e-10) ** (-1 / 3), SMALLEST, LARGEST)
            good = running & (size <= 1)
            # A step that was shortened to end on time does not replace the longer one that was planned.
            step = np.where(running, np.where(good & (h < step), np.maximum(step, h * factor), h * factor), step)
            y = np.where(good, np.maximum(tried, 0), y)
            left = np.where(good, np.where(h >= left, 0.0, left - h), left)
    stuck = int(np.argmax(left))
    raise FitError(
        f"system {stuck} needs more than {MOST_STEPS} steps in {duration}; its state is {y[:, stuck].tolist()}: "
        "start from amounts that are physically possible"
    )


def one_step(system: System, y: Array, h: Array) -> tuple[Array, Array]:
    """One step h (N,) from y (n, N): the next state, and its error."""
    rates, matrix = system.rates(y), -system.jacobian(y)
    diagonal = np.arange(len(y))
    matrix[:, diagonal, diagonal] += (1 / (GAMMA * h))[:, None]
    inverse = np.linalg.inv(matrix)

    def solve(right: Array) -> Array:
        return np.ascontiguousarray((inverse @ right.T[:, :, None])[:, :, 0].T)

    k1 = solve(rates)
    k2 = solve(rates + 4 / h * k1)
    k3 = solve(system.rates(y + 2 * k1) + (k1 - k2) / h)
    k4 = solve(system.rates(y + 2 * k1 + k3) + (k1 - k2 - 8 / 3 * k3) / h)
    return y + 2 * k1 + k3 + k4, k4
