import numpy as np
import pytest
from numba import njit

from pipeline.errors import FitError
from pipeline.families.cancer_therapy import rosenbrock
from pipeline.families.cancer_therapy.rosenbrock import JACOBIAN, RATES, integrate


class Equations:
    """Systems of the same compiled equations, each with its own constant."""

    def __init__(self, rates, jacobian, *constants: float) -> None:
        self.equations = rates, jacobian
        self.constants = np.array(constants)[:, None]


def one_step(rates, jacobian, y, constants, h):
    """The next state (n,) and its error, of one system."""
    work = np.empty((5, len(y)))
    assert rosenbrock._step(rates, jacobian, y, constants, h, work, np.empty((len(y), len(y))))
    return work[0], work[4]


@njit(RATES)
def logistic(y, k, dy):
    """y' = r y (1 − y), a rate r a system."""
    dy[0] = k[0] * y[0] * (1 - y[0])


@njit(JACOBIAN)
def logistic_slope(y, k, matrix):
    matrix[0, 0] = k[0] * (1 - 2 * y[0])


def solution(rate: np.ndarray, start: np.ndarray, t: float) -> np.ndarray:
    return 1 / (1 + (1 / start - 1) * np.exp(-rate * t))


@njit(RATES)
def chased(y, k, dy):
    """z' = −k (z − t²) + 2 t, t' = 1: z(t) = t² from z(0) = 0, and stiff for a large k."""
    dy[0] = -k[0] * (y[0] - y[1] ** 2) + 2 * y[1]
    dy[1] = 1


@njit(JACOBIAN)
def chased_slope(y, k, matrix):
    matrix[0, 0], matrix[0, 1] = -k[0], 2 * k[0] * y[1] + 2
    matrix[1, 0], matrix[1, 1] = 0, 0


@njit(RATES)
def walled(y, k, dy):
    """y' = 1, undefined beyond y = 2."""
    dy[0] = 1.0 if y[0] < 2 else np.nan


@njit(JACOBIAN)
def walled_slope(y, k, matrix):
    matrix[0, 0] = 0


@njit(RATES)
def decay(y, k, dy):
    dy[0] = -k[0] * y[0]


@njit(JACOBIAN)
def decay_slope(y, k, matrix):
    matrix[0, 0] = -k[0]


@njit(RATES)
def rotation(y, k, dy):
    """y'' = −k² y: a pivot of the step's matrix is not its diagonal for a large k h."""
    dy[0], dy[1] = k[0] * y[1], -k[0] * y[0]


@njit(JACOBIAN)
def rotation_slope(y, k, matrix):
    matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1] = 0, k[0], -k[0], 0


def test_method_is_of_order_three_and_its_embedded_one_of_order_two():
    rate = np.array([2.0])
    errors, estimates = [], []
    for steps in (20, 40):
        y = np.array([0.1])
        for _ in range(steps):
            y, estimate = one_step(logistic, logistic_slope, y, rate, 1 / steps)
        errors.append(abs(y - solution(rate, np.array([0.1]), 1.0)).item())
        estimates.append(abs(estimate).item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(3, abs=0.2)
    assert np.log2(estimates[0] / estimates[1]) == pytest.approx(3, abs=0.3)  # local: one order more


def test_adaptive_steps_keep_the_tolerance():
    system, start = Equations(logistic, logistic_slope, 1.0, 5.0, 50.0), np.array([[0.1, 0.2, 0.01]])
    for relative in (1e-3, 1e-6):
        y, _ = integrate(system, start, 1.0, np.full(3, 1e-3), relative=relative, absolute=0.0)
        np.testing.assert_allclose(y, solution(system.constants[:, 0], start, 1.0), rtol=20 * relative)


def test_stiff_systems_take_few_steps(monkeypatch):
    monkeypatch.setattr(rosenbrock, "MOST_STEPS", 60)  # an explicit method needs 10⁶
    y, step = integrate(
        Equations(chased, chased_slope, 1e6), np.zeros((2, 1)), 1.0, np.array([1e-4]), relative=1e-4, absolute=1e-4
    )
    np.testing.assert_allclose(y[:, 0], [1.0, 1.0], atol=1e-4)
    assert step.item() > 0.1


def test_infinitely_stiff_decay_vanishes_in_one_step():
    # y' = −λ y with h λ → ∞: an L-stable method ends at 0, and so does the error that it estimates.
    moved, error = one_step(decay, decay_slope, np.ones(1), np.array([1e12]), 1.0)
    np.testing.assert_allclose([moved.item(), error.item()], 0, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 5, 12])
def test_decomposition_solves_systems_whose_pivots_are_off_the_diagonal(order):
    rng = np.random.default_rng(order)
    for _ in range(20):
        matrix = rng.normal(size=(order, order)) * 10.0 ** rng.uniform(-6, 6, (order, 1))
        matrix *= rng.random(matrix.shape) < 0.6
        matrix[rng.permutation(order), np.arange(order)] = 1e6  # regular, and not by its diagonal
        solution = rng.normal(size=order)
        factors, right, pivots = matrix.copy(), matrix @ solution, np.zeros(order, np.int64)
        assert rosenbrock._factorise(factors, pivots)
        rosenbrock._solve(factors, pivots, right)
        expected = np.linalg.solve(matrix, matrix @ solution)
        np.testing.assert_allclose(right, expected, rtol=1e-6, atol=1e-6)


def test_a_singular_matrix_has_no_decomposition():
    assert not rosenbrock._factorise(np.zeros((2, 2)), np.zeros(2, np.int64))
    assert not rosenbrock._factorise(np.full((2, 2), np.nan), np.zeros(2, np.int64))


def test_a_rotation_keeps_its_radius():
    system = Equations(rotation, rotation_slope, 3.0)
    y, _ = integrate(system, np.array([[0.0], [1.0]]), 0.5, np.array([1e-3]), relative=1e-8, absolute=1e-8)
    np.testing.assert_allclose(y[:, 0], [np.sin(1.5), np.cos(1.5)], atol=1e-6)


def test_systems_do_not_influence_each_other():
    start = np.array([[0.1, 0.2, 0.01]])
    together, steps = integrate(
        Equations(logistic, logistic_slope, 1.0, 5.0, 50.0), start, 2.0, np.full(3, 1e-3), relative=1e-3, absolute=1e-6
    )
    for i, rate in enumerate((1.0, 5.0, 50.0)):
        one = Equations(logistic, logistic_slope, rate)
        alone, step = integrate(one, start[:, [i]], 2.0, np.array([1e-3]), relative=1e-3, absolute=1e-6)
        np.testing.assert_allclose(alone[:, 0], together[:, i], rtol=1e-12)
        np.testing.assert_allclose(step[0], steps[i], rtol=1e-9)


def test_what_is_handed_in_stays_as_it_was():
    start, step = np.array([[0.1]]), np.array([1e-3])
    integrate(Equations(logistic, logistic_slope, 1.0), start, 1.0, step, relative=1e-3, absolute=1e-3)
    assert (start.item(), step.item()) == (0.1, 1e-3)


def test_a_solution_that_ends_early_is_refused(monkeypatch):
    monkeypatch.setattr(rosenbrock, "MOST_STEPS", 200)
    with pytest.raises(FitError, match=r"system 1 needs more than 200 steps in 1.0; its state is \[.*start from"):
        integrate(
            Equations(walled, walled_slope, 0.0, 0.0),
            np.array([[0.1, 1.5]]),
            1.0,
            np.full(2, 0.1),
            relative=1e-3,
            absolute=1e-3,
        )
