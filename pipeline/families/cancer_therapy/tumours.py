"""Tumours under radiotherapy and chemotherapy, with metastasis: the equations, compiled for the processor.

Ghaffari, Bahmaie and Nazari, "A mixed radiotherapy and chemotherapy model for treatment of cancer with metastasis",
Mathematical Methods in the Applied Sciences, 2016. Constants are those of the benchmark DTR-Gym, and so is the reading
of the metastasis' growth as a product, α2 T_p · (t − τ). Cells are counted, times are days; amounts below 0 count as 0.

Variables: tumour T, NK cells N and CD8 cells L at the primary and at the secondary site, lymphocytes C, drug M,
irradiated cells u, v, x of the primary site, and the time t. Both sites have the same equations with constants of their
own; what the primary site has alone is radiation, what the secondary one has alone is growth by metastasis.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.families.cancer_therapy.rosenbrock import JACOBIAN, RATES, Jacobian, Rates, compiled

Array = NDArray[np.float64]

SITES: dict[str, tuple[float, float]] = {
    "a": (4.31e-1, 5.0),
    "b": (1.02e-9, 1e-7),
    "c": (6.41e-11, 6.41e-12),
    "d": (2.34, 5.0),
    "e": (2.08e-7, 2.08e-7),
    "f": (4.12e-2, 3.5e-2),
    "p": (3.42e-6, 1e-6),
    "m": (2.04e-1, 1.8e-1),
    "j": (2.49e-2, 1.6e-2),
    "k": (3.66e7, 3.66e7),
    "q": (1.42e-6, 1e-6),
    "r1": (1.1e-7, 2e-7),
    "r2": (6.5e-11, 7.5e-11),
    "u": (3e-10, 3e-10),
    "KT": (100.0, 100.0),
    "KN": (10.0, 10.0),
    "KL": (10.0, 10.0),
    "WT": (0.01, 1.0),
    "WN": (1.0, 1.0),
    "WL": (1.0, 1.0),
}
"""Constants that each site has: (primary, secondary), a1 and a2 in the paper's notation."""
SHARED: dict[str, float] = {
    "l": 2.09,
    "s": 8.39e-2,
    "delta": 0.15,
    "KC": 10.0,
    "WC": 1.0,
    "alpha": 7.5e8,
    "beta": 1.2e-2,
    "mu": 0.9,
    "gamma1": 0.04,
    "gamma2": 0.1,
    "gamma3": 0.1,
    "epsilon": 0.05,
    "alpha1": 1e-4,
    "alpha2": 1e-5,
}
VARIABLES = ("T_p", "T_s", "N_p", "N_s", "L_p", "L_s", "C", "M", "u", "v", "x", "t")
T, N, L, C, M, IRRADIATED, TIME = 0, 2, 4, 6, 7, 8, 11
"""Numbers of VARIABLES: of the primary site, where there are two, and of the first of three irradiated kinds."""
NOMINAL = np.array([*(value for pair in SITES.values() for value in pair), *SHARED.values()])
"""All constants, (2 · 20 + 14,)."""


# Numbers of a patient's constants by their names in SITES, for the primary site, and in SHARED; what treatment adds.
_A, _B, _C, _D, _E, _F, _P, _M, _J, _K, _Q, _R1, _R2, _U, _KT, _KN, _KL, _WT, _WN, _WL = range(0, 2 * len(SITES), 2)
_LAW, _S, _DELTA, _KC, _WC, _ALPHA, _BETA, _MU, _BACK, _, _, _EPSILON, _ALPHA1, _ALPHA2 = range(
    2 * len(SITES), len(NOMINAL)
)
_DELAY, _RADIATION, _DRUG, _METASTASIS = range(len(NOMINAL), len(NOMINAL) + 4)


class Tumours:
    """The equations of N patients. The attributes may be changed between two integrations.

    table: constants (len(NOMINAL), N). delay: τ (N,), days until metastasis. dose: (2, N), radiation D and drug w a
    day. metastasis: (N,) booleans, whether t > τ: days are whole, so that it does not change within one.
    """

    def __init__(self, count: int) -> None:
        self.table = np.repeat(NOMINAL[:, None], count, axis=1)
        self.delay = np.zeros(count)
        self.dose = np.zeros((2, count))
        self.metastasis = np.zeros(count, bool)

    @property
    def equations(self) -> tuple[Rates, Jacobian]:
        """What `integrate` solves."""
        return rates, jacobian

    @property
    def constants(self) -> Array:
        """The attributes of each patient in a row, (N, len(NOMINAL) + 4)."""
        return np.ascontiguousarray(np.concatenate([self.table, self.delay[None], self.dose, self.metastasis[None]]).T)


@compiled(RATES)
def rates(y: Array, k: Array, dy: Array) -> None:
    """Write dy/dt (12,) of a patient with constants k into `dy`; what is below 0 in y (12,) counts as 0."""
    c, m = max(y[C], 0.0), max(y[M], 0.0)
    for site in range(2):
        t, n, cd8 = max(y[T + site], 0.0), max(y[N + site], 0.0), max(y[L + site], 0.0)
        power = cd8 ** k[_LAW]
        kill = k[_D + site] * power / max(1.0, k[_S] * t ** k[_LAW] + power)
        drug_t = k[_KT + site] * m / (k[_WT + site] + t)
        drug_n = k[_KN + site] * m / (k[_WN + site] + n)
        drug_l = k[_KL + site] * m / (k[_WL + site] + cd8)
        dy[T + site] = t * (k[_A + site] * (1 - k[_B + site] * t) - k[_C + site] * n - kill - drug_t)
        dy[N + site] = k[_E + site] * c - n * (k[_P + site] * t + k[_F + site] + drug_n)
        gain = (k[_R1 + site] * n + k[_R2 + site] * c) * t
        called = k[_J + site] * t / (k[_K + site] + t)
        loss = k[_M + site] - called + k[_Q + site] * t + k[_U + site] * n * cd8 + drug_l
        dy[L + site] = gain - cd8 * loss
    # The primary site alone: radiation, and irradiated cells that come back.
    radiation = k[_RADIATION]
    dy[T] -= k[_ALPHA1] * max(y[T], 0.0)
    for kind in range(3):
        cells, irradiated, back = max(y[2 * kind], 0.0), max(y[IRRADIATED + kind], 0.0), k[_BACK + kind]
        dy[2 * kind] += back * irradiated - radiation * cells * (1.0 if kind == 0 else k[_EPSILON])
        dy[IRRADIATED + kind] = radiation * cells - (back + k[_DELTA]) * irradiated
    # The secondary site alone: growth by metastasis; nothing happens there before.
    if k[_METASTASIS]:
        dy[T + 1] += k[_ALPHA2] * max(y[T], 0.0) * (max(y[TIME], 0.0) - k[_DELAY])
    else:
        dy[T + 1] = dy[N + 1] = dy[L + 1] = 0.0
    dy[C] = k[_ALPHA] - k[_BETA] * c - k[_KC] * m * c / (k[_WC] + c)
    dy[M] = k[_DRUG] - k[_MU] * m
    dy[TIME] = 1.0


@compiled(JACOBIAN)
def jacobian(y: Array, k: Array, j: Array) -> None:
    """Write the derivatives (12, 12) of the rates at y (12,), which holds nothing below 0, into `j`."""
    j[:] = 0.0
    c, m = y[C], y[M]
    for site in range(2):
        row_t, row_n, row_l = T + site, N + site, L + site
        t, n, cd8 = y[row_t], y[row_n], y[row_l]
        power, tumour = cd8 ** k[_LAW], k[_S] * t ** k[_LAW]
        mixed = tumour + power > 1
        below = tumour + power if mixed else 1.0
        kill = k[_D + site] * power / below
        kill_t = -kill * k[_LAW] * tumour / (max(t, 1e-300) * below) if mixed else 0.0
        kill_l = kill * k[_LAW] / max(cd8, 1e-300) * (tumour / below if mixed else 1.0)
        for kind, row, amount in ((0, row_t, t), (1, row_n, n), (2, row_l, cd8)):
            half, killed = k[_WT + 2 * kind + site], k[_KT + 2 * kind + site]
            j[row, M] = -killed * amount / (half + amount)
            j[row, row] = -killed * m * half / (half + amount) ** 2
        j[row_t, row_t] += k[_A + site] * (1 - 2 * k[_B + site] * t) - k[_C + site] * n - kill - t * kill_t
        j[row_t, row_n] = -k[_C + site] * t
        j[row_t, row_l] = -t * kill_l
        j[row_n, row_t] = -k[_P + site] * n
        j[row_n, row_n] -= k[_P + site] * t + k[_F + site]
        j[row_n, C] = k[_E + site]
        called = k[_J + site] * k[_K + site] / (k[_K + site] + t) ** 2 - k[_Q + site]
        j[row_l, row_t] = k[_R1 + site] * n + k[_R2 + site] * c + cd8 * called
        j[row_l, row_n] = k[_R1 + site] * t - k[_U + site] * cd8**2
        j[row_l, row_l] += k[_J + site] * t / (k[_K + site] + t) - k[_M + site] - k[_Q + site] * t
        j[row_l, row_l] -= 2 * k[_U + site] * n * cd8
        j[row_l, C] = k[_R2 + site] * t
    radiation = k[_RADIATION]
    j[T, T] -= k[_ALPHA1]
    for kind in range(3):
        cells, irradiated, back = 2 * kind, IRRADIATED + kind, k[_BACK + kind]
        j[cells, cells] -= radiation * (1.0 if kind == 0 else k[_EPSILON])
        j[cells, irradiated] = back
        j[irradiated, cells] = radiation
        j[irradiated, irradiated] = -(back + k[_DELTA])
    if k[_METASTASIS]:
        j[T + 1, T] = k[_ALPHA2] * (y[TIME] - k[_DELAY])
        j[T + 1, TIME] = k[_ALPHA2] * y[T]
    else:
        for row in (T + 1, N + 1, L + 1):
            j[row] = 0.0
    j[C, C] = -k[_BETA] - k[_KC] * m * k[_WC] / (k[_WC] + c) ** 2
    j[C, M] = -k[_KC] * c / (k[_WC] + c)
    j[M, M] = -k[_MU]
