import numpy as np
import pytest

from pipeline.errors import FitError
from pipeline.families.cancer_therapy import rosenbrock
from pipeline.families.cancer_therapy.rosenbrock import integrate, one_step


class Logistic:
    """y' = r y (1 − y), a rate r a system; y(t) = 1 / (1 + (1 / y0 − 1) exp(−r t))."""

    def __init__(self, *rate: float) -> None:
        self.rate = np.array(rate)

    def rates(self, y):
        return self.rate * y * (1 - y)

    def jacobian(self, y):
        return (self.rate * (1 - 2 * y)).T[:, :, None]

    def solution(self, start, t):
        return 1 / (1 + (1 / start - 1) * np.exp(-self.rate * t))


class Chased:
    """z' = −10⁶ (z − t²) + 2 t, t' = 1: z(t) = t² from z(0) = 0, and stiff."""

    def rates(self, y):
        z, t = y
        return np.stack([-1e6 * (z - t**2) + 2 * t, np.ones_like(t)])

    def jacobian(self, y):
        matrix = np.zeros((y.shape[1], 2, 2))
        matrix[:, 0, 0], matrix[:, 0, 1] = -1e6, 2e6 * y[1] + 2
        return matrix


class Walled:
    """y' = 1, undefined beyond y = 2."""

    def rates(self, y):
        return np.where(y < 2, 1.0, np.nan)

    def jacobian(self, y):
        return np.zeros((y.shape[1], 1, 1))


def test_method_is_of_order_three_and_its_embedded_one_of_order_two():
    system, start = Logistic(2.0), np.array([[0.1]])
    errors, estimates = [], []
    for steps in (20, 40):
        y, h = start, np.array([1 / steps])
        for _ in range(steps):
            y, estimate = one_step(system, y, h)
        errors.append(abs(y - system.solution(start, 1.0)).item())
        estimates.append(abs(estimate).item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(3, abs=0.2)
    assert np.log2(estimates[0] / estimates[1]) == pytest.approx(3, abs=0.3)  # local: one order more


def test_adaptive_steps_keep_the_tolerance():
    system, start = Logistic(1.0, 5.0, 50.0), np.array([[0.1, 0.2, 0.01]])
    for relative in (1e-3, 1e-6):
        y, _ = integrate(system, start, 1.0, np.full(3, 1e-3), relative=relative, absolute=0.0)
        np.testing.assert_allclose(y, system.solution(start, 1.0), rtol=20 * relative)


def test_stiff_systems_take_few_steps(monkeypatch):
    monkeypatch.setattr(rosenbrock, "MOST_STEPS", 60)  # an explicit method needs 10⁶
    y, step = integrate(Chased(), np.zeros((2, 1)), 1.0, np.array([1e-4]), relative=1e-4, absolute=1e-4)
    np.testing.assert_allclose(y[:, 0], [1.0, 1.0], atol=1e-4)
    assert step.item() > 0.1


def test_infinitely_stiff_decay_vanishes_in_one_step():
    # y' = −λ y with h λ → ∞: an L-stable method ends at 0, and so does the error that it estimates.
    class Decay:
        def rates(self, y):
            return -1e12 * y

        def jacobian(self, y):
            return np.full((1, 1, 1), -1e12)

    y = np.ones((1, 1))
    moved, error = one_step(Decay(), y, np.ones(1))
    np.testing.assert_allclose([moved.item(), error.item()], 0, atol=1e-9)


def test_systems_do_not_influence_each_other():
    start = np.array([[0.1, 0.2, 0.01]])
    together, steps = integrate(Logistic(1.0, 5.0, 50.0), start, 2.0, np.full(3, 1e-3), relative=1e-3, absolute=1e-6)
    for i, rate in enumerate((1.0, 5.0, 50.0)):
        alone, step = integrate(Logistic(rate), start[:, [i]], 2.0, np.array([1e-3]), relative=1e-3, absolute=1e-6)
        np.testing.assert_allclose(alone[:, 0], together[:, i], rtol=1e-12)
        np.testing.assert_allclose(step[0], steps[i], rtol=1e-9)


def test_what_is_handed_in_stays_as_it_was():
    start, step = np.array([[0.1]]), np.array([1e-3])
    integrate(Logistic(1.0), start, 1.0, step, relative=1e-3, absolute=1e-3)
    assert (start.item(), step.item()) == (0.1, 1e-3)


def test_a_solution_that_ends_early_is_refused(monkeypatch):
    monkeypatch.setattr(rosenbrock, "MOST_STEPS", 200)
    with pytest.raises(FitError, match=r"system 1 needs more than 200 steps in 1.0; its state is \[.*start from"):
        integrate(Walled(), np.array([[0.1, 1.5]]), 1.0, np.full(2, 0.1), relative=1e-3, absolute=1e-3)
