"""The batched equations, held against one patient's written down one by one, closed forms, and scipy's solver."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pipeline.families.cancer_therapy.rosenbrock import integrate
from pipeline.families.cancer_therapy.tumours import NOMINAL, SHARED, SITES, VARIABLES, Tumours

ORDER = ("T_p", "N_p", "L_p", "C", "T_s", "N_s", "L_s", "M", "u", "v", "x")
ROWS = [VARIABLES.index(name) for name in ORDER]
TIME = VARIABLES.index("t")


def rates(tumours: Tumours, state: np.ndarray) -> np.ndarray:
    """dy/dt (12, N)."""
    written = np.empty((tumours.constants.shape[0], len(VARIABLES)))
    for row, y, constants in zip(written, np.ascontiguousarray(state.T), tumours.constants, strict=True):
        tumours.equations[0](y, constants, row)
    return written.T


def jacobian(tumours: Tumours, state: np.ndarray) -> np.ndarray:
    """Derivatives (N, 12, 12)."""
    written = np.empty((tumours.constants.shape[0], len(VARIABLES), len(VARIABLES)))
    for matrix, y, constants in zip(written, np.ascontiguousarray(state.T), tumours.constants, strict=True):
        tumours.equations[1](y, constants, matrix)
    return written


def drawn(count: int, seed: int = 0) -> tuple[Tumours, np.ndarray]:
    """Patients with constants of their own under treatment, and states of very different sizes."""
    rng = np.random.default_rng(seed)
    tumours = Tumours(count)
    tumours.table *= rng.uniform(0.95, 1.05, tumours.table.shape)
    tumours.dose = rng.uniform(0, 1, (2, count)) * [[10], [8]] * rng.integers(0, 2, (2, count))
    tumours.delay = rng.integers(0, 10, count).astype(float)
    tumours.metastasis = rng.integers(0, 2, count).astype(bool)
    state = 10 ** rng.uniform(-2, 9, (len(VARIABLES), count))
    state[TIME] = 10 + rng.integers(0, 50, count)
    return tumours, state


def one_by_one(tumours: Tumours, patient: int, t: float, y: np.ndarray) -> list[float]:
    """The published equations of one patient, in the order of ORDER."""
    T_p, N_p, L_p, C, T_s, N_s, L_s, M, u, v, x = np.maximum(y, 0)
    table = tumours.table[:, patient]
    first, second = (SimpleNamespace(**dict(zip(SITES, table[i : 2 * len(SITES) : 2], strict=True))) for i in (0, 1))
    k = SimpleNamespace(**dict(zip(SHARED, table[2 * len(SITES) :], strict=True)))
    D, w = tumours.dose[:, patient]
    p, s = first, second
    rates = [
        p.a * T_p * (1 - p.b * T_p)
        - p.c * N_p * T_p
        - p.d * L_p**k.l / max(1, k.s * T_p**k.l + L_p**k.l) * T_p
        - k.alpha1 * T_p
        - D * T_p
        + k.gamma1 * u
        - p.KT * M * T_p / (p.WT + T_p),
        p.e * C - p.p * N_p * T_p - p.f * N_p - k.epsilon * D * N_p + k.gamma2 * v - p.KN * M * N_p / (p.WN + N_p),
        -p.m * L_p
        + p.j * T_p * L_p / (p.k + T_p)
        - p.q * L_p * T_p
        + p.r1 * N_p * T_p
        + p.r2 * C * T_p
        - p.u * N_p * L_p**2
        - k.epsilon * D * L_p
        + k.gamma3 * x
        - p.KL * M * L_p / (p.WL + L_p),
        k.alpha - k.beta * C - k.KC * M * C / (k.WC + C),
    ]
    if tumours.metastasis[patient]:
        rates += [
            s.a * T_s * (1 - s.b * T_s)
            - s.c * N_s * T_s
            - s.d * L_s**k.l / max(1, k.s * T_s**k.l + L_s**k.l) * T_s
            + k.alpha2 * T_p * (t - tumours.delay[patient])
            - s.KT * M * T_s / (s.WT + T_s),
            s.e * C - s.p * N_s * T_s - s.f * N_s - s.KN * M * N_s / (s.WN + N_s),
            -s.m * L_s
            + s.j * T_s * L_s / (s.k + T_s)
            - s.q * L_s * T_s
            + s.r1 * N_s * T_s
            + s.r2 * C * T_s
            - s.u * N_s * L_s**2
            - s.KL * M * L_s / (s.WL + L_s),
        ]
    else:
        rates += [0.0, 0.0, 0.0]
    rates.append(-k.mu * M + w)
    rates += [
        D * cells - (back + k.delta) * irradiated
        for cells, irradiated, back in ((T_p, u, k.gamma1), (N_p, v, k.gamma2), (L_p, x, k.gamma3))
    ]
    return rates


def test_rates_are_those_of_the_published_equations():
    tumours, state = drawn(40)
    found = rates(tumours, state)
    for patient in range(40):
        expected = one_by_one(tumours, patient, state[TIME, patient], state[ROWS, patient])
        # Sums of terms that nearly cancel keep the rounding of their largest term.
        terms = np.abs(state[ROWS, patient]).max() * 1e4
        np.testing.assert_allclose(found[ROWS, patient], expected, rtol=1e-9, atol=1e-13 * terms)
    assert (found[TIME] == 1).all()


def test_jacobian_holds_the_derivatives_of_the_rates():
    tumours, state = drawn(40, seed=1)
    matrix = jacobian(tumours, state)
    for j in range(len(VARIABLES)):
        h = 1e-5 * state[j]
        above, below = state.copy(), state.copy()
        above[j] += h
        below[j] -= h
        up, down = rates(tumours, above), rates(tumours, below)
        rounding = 1e-14 * (np.abs(up) + np.abs(down) + state.max(axis=0)) / h
        assert (np.abs((up - down) / (2 * h) - matrix[:, :, j].T) <= 1e-5 * np.abs(matrix[:, :, j].T) + rounding).all()


def test_amounts_below_zero_count_as_zero():
    tumours, state = drawn(30, seed=2)
    state[:-1, ::2] *= -1
    np.testing.assert_array_equal(rates(tumours, state), rates(tumours, np.maximum(state, 0)))


def test_nothing_happens_at_the_secondary_site_before_the_metastasis():
    tumours, state = drawn(10, seed=3)
    tumours.metastasis[:] = False
    secondary = [VARIABLES.index(name) for name in ("T_s", "N_s", "L_s")]
    assert not rates(tumours, state)[secondary].any()
    assert not jacobian(tumours, state)[:, secondary].any()


def alone(**state: float) -> np.ndarray:
    """One patient's state (12, 1), nothing but what is named."""
    return np.array([[state.get(name, 0.0)] for name in VARIABLES])


def after(tumours: Tumours, state: np.ndarray, days: float) -> dict[str, float]:
    y, _ = integrate(tumours, state, days, np.array([1e-4]), relative=1e-6, absolute=1e-6)
    return dict(zip(VARIABLES, y[:, 0].tolist(), strict=True))


def test_a_healthy_patient_is_in_equilibrium():
    # Without tumour and treatment: C = α / β, N = e C / f at both sites, and no CD8 cells, which tumours call.
    tumours = Tumours(1)
    tumours.metastasis[:] = True
    cells = SHARED["alpha"] / SHARED["beta"]
    nk = [e * cells / f for e, f in zip(SITES["e"], SITES["f"], strict=True)]
    healthy = alone(C=cells, N_p=nk[0], N_s=nk[1])
    np.testing.assert_allclose(rates(tumours, healthy)[:-1, 0], 0, atol=1e-6)
    later = after(tumours, healthy, 100.0)
    assert (later["C"], later["N_p"], later["N_s"]) == pytest.approx((cells, *nk))
    assert later["t"] == pytest.approx(100)


def test_a_tumour_that_nobody_fights_grows_to_its_capacity():
    # C feeds NK cells: without lymphocytes, which would come back, there is a = growth, b = crowding, α1 = emigration.
    tumours = Tumours(1)
    tumours.table[2 * len(SITES) + list(SHARED).index("alpha")] = 0
    capacity = (1 - SHARED["alpha1"] / SITES["a"][0]) / SITES["b"][0]
    assert after(tumours, alone(T_p=1e7), 60.0)["T_p"] == pytest.approx(capacity, rel=1e-4)


def test_drug_and_lymphocytes_follow_their_closed_forms():
    tumours, mu, beta = Tumours(1), SHARED["mu"], SHARED["beta"]
    tumours.dose[1] = 6.0
    assert after(tumours, alone(M=2.0), 3.0)["M"] == pytest.approx(6 / mu + (2 - 6 / mu) * np.exp(-3 * mu), rel=1e-4)
    tumours.dose[1] = 0.0
    end = SHARED["alpha"] / beta
    assert after(tumours, alone(C=1e9), 10.0)["C"] == pytest.approx(end + (1e9 - end) * np.exp(-10 * beta), rel=1e-4)


def test_irradiated_cells_come_back_or_die():
    tumours = Tumours(1)
    later = after(tumours, alone(v=1e6), 4.0)
    assert later["v"] == pytest.approx(1e6 * np.exp(-4 * (SHARED["gamma2"] + SHARED["delta"])), rel=1e-4)
    assert later["N_p"] > 0


def test_constants_are_54_and_positive():
    assert len(NOMINAL) == 2 * 20 + 14
    assert (NOMINAL > 0).all()


def test_a_batch_agrees_with_scipys_solver_at_a_tight_tolerance():
    count, rng = 12, np.random.default_rng(4)
    tumours = Tumours(count)
    tumours.table *= rng.uniform(0.95, 1.05, tumours.table.shape)
    tumours.delay = rng.integers(0, 4, count).astype(float)
    start = dict.fromkeys(VARIABLES, 0.0) | {"T_p": 1e7, "N_p": 2e8, "L_p": 1e2, "C": 1.5e9, "N_s": 1e4, "L_s": 1e2}
    state = np.repeat(np.array(list(start.values()))[:, None], count, axis=1)
    state *= rng.uniform(0.75, 1.25, state.shape)
    step = np.full(count, 1e-4)
    for day in range(6):
        tumours.dose = rng.exponential(0.2, (2, count)).clip(max=1) * [[10], [8]]
        tumours.metastasis = day >= tumours.delay
        before = state
        state, step = integrate(tumours, state, 1.0, step, relative=1e-3, absolute=1e-3)
        for patient in range(day % 3, count, 3):
            exact = solve_ivp(
                lambda t, y, patient=patient: one_by_one(tumours, patient, t, y),
                (day, day + 1),
                before[ROWS, patient],
                method="LSODA",
                rtol=1e-10,
                atol=1e-8,
            ).y[:, -1]
            # Less than one cell cannot be told from one by the observations.
            np.testing.assert_allclose(np.maximum(state[ROWS, patient], 1), np.maximum(exact, 1), rtol=5e-3)


def test_constants_are_those_of_the_published_model():
    # Ghaffari, Bahmaie and Nazari 2016, as the benchmark DTR-Gym has them, by the paper's names.
    published = {
        "a": (0.431, 5), "b": (1.02e-9, 1e-7), "c": (6.41e-11, 6.41e-12), "d": (2.34, 5), "e": (2.08e-7, 2.08e-7),
        "f": (0.0412, 0.035), "p": (3.42e-6, 1e-6), "m": (0.204, 0.18), "j": (0.0249, 0.016), "k": (3.66e7, 3.66e7),
        "q": (1.42e-6, 1e-6), "r1": (1.1e-7, 2e-7), "r2": (6.5e-11, 7.5e-11), "u": (3e-10, 3e-10),
        "KT": (100, 100), "KN": (10, 10), "KL": (10, 10), "WT": (0.01, 1), "WN": (1, 1), "WL": (1, 1),
        "l": 2.09, "s": 0.0839, "delta": 0.15, "KC": 10, "WC": 1, "alpha": 7.5e8, "beta": 0.012, "mu": 0.9,
        "gamma1": 0.04, "gamma2": 0.1, "gamma3": 0.1, "epsilon": 0.05, "alpha1": 1e-4, "alpha2": 1e-5,
    }  # fmt: skip
    assert published == SITES | SHARED
