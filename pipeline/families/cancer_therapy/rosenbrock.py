"""Stiff differential equations of many systems: an adaptive Rosenbrock method, compiled for the processor.

Rodas3: Sandu, Verwer, Blom, Spee, Potra and Carmichael, "Benchmarking stiff ODE solvers for atmospheric chemistry
problems II: Rosenbrock solvers", Atmospheric Environment 31, 1997. Four stages of order 3 with an embedded solution of
order 2, both L-stable. A stage solves (I/(γh) − J) k_i = f(y_i) + Σ_j c_ij k_j / h with γ = ½; one factorisation serves
them all. Every system has its own step, so that results do not depend on the other systems of the batch.

The matrices are small (12 × 12 for a tumour) and steps are many: NumPy spends its time on calls, whatever the batch.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numba import boolean, float64, int64, njit, void
from numba.core.types import FunctionType
from numpy.typing import NDArray

from pipeline.errors import FitError

GAMMA = 0.5
SAFETY, SMALLEST, LARGEST = 0.9, 0.2, 5.0
"""A step is scaled by 0.9 (tolerated error / error)^⅓, within these limits."""
MOST_STEPS = 5000

Array = NDArray[np.float64]

VECTOR, MATRIX = float64[::1], float64[:, ::1]
RATES, JACOBIAN = void(VECTOR, VECTOR, VECTOR), void(VECTOR, VECTOR, MATRIX)
"""Signatures of a System's compiled functions."""


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for a signature, once for all processes. A trial step may overflow: no division raises."""
    decorator: Callable[[Callable[..., Any]], Any] = njit(signature, cache=True, error_model="numpy")
    return decorator


class Rates(Protocol):
    """Compiled with the signature RATES."""

    def __call__(self, y: Array, constants: Array, dy: Array, /) -> None:
        """Write dy/dt (n,) of one system at y (n,), with its constants (P,), into `dy`."""


class Jacobian(Protocol):
    """Compiled with the signature JACOBIAN."""

    def __call__(self, y: Array, constants: Array, matrix: Array, /) -> None:
        """Write the derivatives of the rates at y (n,) into `matrix` (n, n): [i, j] is that of rate i by variable j."""


class System(Protocol):
    """Autonomous equations of N systems in n variables."""

    @property
    def equations(self) -> tuple[Rates, Jacobian]:
        """The rates and their derivatives, the same functions for all systems."""
        ...

    @property
    def constants(self) -> Array:
        """What distinguishes the systems, (N, P)."""
        ...


def integrate(
    system: System, y: Array, duration: float, step: Array, *, relative: float, absolute: float
) -> tuple[Array, Array]:
    """Advance states y (n, N) by `duration`; returns them, and the steps (N,) that the method would continue with.

    step: first steps (N,) to try. relative, absolute: tolerances of an entry's error in one step. Negative entries are
    set to 0 after every step: these systems hold amounts. Raises FitError where steps become so small that the end is
    out of reach.
    """
    rates, jacobian = system.equations
    states = y.T.copy()
    steps = step.astype(np.float64)
    stuck = _advance(
        rates, jacobian, np.ascontiguousarray(system.constants), states, steps, duration, relative, absolute, MOST_STEPS
    )
    if stuck >= 0:
        raise FitError(
            f"system {stuck} needs more than {MOST_STEPS} steps in {duration}; its state is {states[stuck].tolist()}: "
            "start from amounts that are physically possible"
        )
    return np.ascontiguousarray(states.T), steps


@compiled(boolean(MATRIX, int64[::1]))
def _factorise(matrix: Array, pivots: NDArray[np.int64]) -> bool:
    """LU decomposition in place, with the rows' exchanges in `pivots`; whether it exists."""
    n = len(matrix)
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(matrix[i, k]) > abs(matrix[best, k]):
                best = i
        pivots[k] = best
        if not abs(matrix[best, k]) > 0:  # NaN, too
            return False
        if best != k:
            for j in range(n):
                matrix[k, j], matrix[best, j] = matrix[best, j], matrix[k, j]
        for i in range(k + 1, n):
            if matrix[i, k] != 0:  # most of a tumour's are
                share = matrix[i, k] / matrix[k, k]
                matrix[i, k] = share
                for j in range(k + 1, n):
                    matrix[i, j] -= share * matrix[k, j]
    return True


@compiled(void(MATRIX, int64[::1], VECTOR))
def _solve(matrix: Array, pivots: NDArray[np.int64], right: Array) -> None:
    """Solve with a decomposition, in place of the right side."""
    n = len(right)
    for k in range(n):
        right[k], right[pivots[k]] = right[pivots[k]], right[k]
    for i in range(n):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            right[k] -= matrix[k, j] * right[j]
        right[k] /= matrix[k, k]


@compiled(boolean(FunctionType(RATES), FunctionType(JACOBIAN), VECTOR, VECTOR, float64, MATRIX, MATRIX))
def _step(rates: Rates, jacobian: Jacobian, y: Array, constants: Array, h: float, work: Array, matrix: Array) -> bool:
    """Write the next state into work[0], its error into work[4]; False where there is none.

    work (5, n) and matrix (n, n) are written over.
    """
    n = len(y)
    jacobian(y, constants, matrix)
    for i in range(n):
        for j in range(n):
            matrix[i, j] = -matrix[i, j]
        matrix[i, i] += 1 / (GAMMA * h)
    pivots = np.empty(n, np.int64)
    if not _factorise(matrix, pivots):
        return False
    at, k1, k2, k3, k4 = work[0], work[1], work[2], work[3], work[4]
    rates(y, constants, k1)
    for i in range(n):
        k2[i] = k1[i]
    _solve(matrix, pivots, k1)
    for i in range(n):
        k2[i] += 4 / h * k1[i]
        at[i] = y[i] + 2 * k1[i]
    _solve(matrix, pivots, k2)
    rates(at, constants, k3)
    for i in range(n):
        k3[i] += (k1[i] - k2[i]) / h
    _solve(matrix, pivots, k3)
    for i in range(n):
        at[i] += k3[i]
    rates(at, constants, k4)
    for i in range(n):
        k4[i] += (k1[i] - k2[i] - 8 / 3 * k3[i]) / h
    _solve(matrix, pivots, k4)
    for i in range(n):
        at[i] += k4[i]
    return True


@compiled(float64(VECTOR, VECTOR, VECTOR, float64, float64))
def _size(error: Array, y: Array, tried: Array, relative: float, absolute: float) -> float:
    """The error of a step from y to `tried` in units of what is tolerated; infinite where it is not finite."""
    total = 0.0
    for i in range(len(y)):
        if not np.isfinite(tried[i]):
            return np.inf
        total += (error[i] / (absolute + relative * max(abs(y[i]), abs(tried[i])))) ** 2
    return float((total / len(y)) ** 0.5) if np.isfinite(total) else np.inf


@compiled(int64(FunctionType(RATES), FunctionType(JACOBIAN), MATRIX, MATRIX, VECTOR, float64, float64, float64, int64))
def _advance(
    rates: Rates,
    jacobian: Jacobian,
    constants: Array,
    states: Array,
    steps: Array,
    duration: float,
    relative: float,
    absolute: float,
    most: int,
) -> int:
    """Advance states (N, n) and steps (N,) in place; returns the number of a system that did not arrive, or -1."""
    count, n = states.shape
    work, matrix = np.empty((5, n)), np.empty((n, n))
    for number in range(count):
        y, left, step = states[number], duration, steps[number]
        for _ in range(most):
            if not left > 0:
                break
            h = min(step, left)
            size = np.inf
            if _step(rates, jacobian, y, constants[number], h, work, matrix):
                size = _size(work[4], y, work[0], relative, absolute)
            factor = min(max(SAFETY * max(size, 1e-10) ** (-1 / 3), SMALLEST), LARGEST)
            if size > 1:
                step = h * factor
                continue
            # A step that was shortened to end on time does not replace the longer one that was planned.
            step = max(step, h * factor) if h < step else h * factor
            for i in range(n):
                y[i] = max(work[0, i], 0.0)
            left = 0.0 if h >= left else left - h
        steps[number] = step
        if left > 0:
            return number
    return -1
