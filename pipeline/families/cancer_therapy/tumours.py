"""Tumours under radiotherapy and chemotherapy, with metastasis: the equations, for many patients at once.

Ghaffari, Bahmaie and Nazari, "A mixed radiotherapy and chemotherapy model for treatment of cancer with metastasis",
Mathematical Methods in the Applied Sciences, 2016. Constants are those of the benchmark DTR-Gym, and so is the reading
of the metastasis' growth as a product, α2 T_p · (t − τ). Cells are counted, times are days; amounts below 0 count as 0.

Variables are rows: tumour T, NK cells N and CD8 cells L at the primary and at the secondary site, lymphocytes C, drug
M, irradiated cells u, v, x of the primary site, and the time t. Both sites have the same equations with constants of
their own, so that arrays (2, N) hold a quantity of both; what the primary site has alone is radiation, what the
secondary one has alone is growth by metastasis.
"""

from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

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
T, N, L = slice(0, 2), slice(2, 4), slice(4, 6)
PRIMARY, SECONDARY = slice(0, 6, 2), slice(1, 6, 2)
C, M, U, V, X, TIME = 6, 7, 8, 9, 10, 11
IRRADIATED = slice(U, X + 1)


def _entries(rows: slice, columns: slice) -> slice:
    """Where a flat matrix 12 x 12 has its entries at the first of both, the second of both, and so on."""
    row, column = range(*rows.indices(12)), range(*columns.indices(12))
    first, stride = 12 * row[0] + column[0], 12 * row.step + column.step
    return slice(first, first + stride * (len(row) - 1) + 1, stride)


(TT, TN, TL), (NT, NN, _), (LT, LN, LL) = [[_entries(row, column) for column in (T, N, L)] for row in (T, N, L)]
CELL_CELL, CELL_IRRADIATED = _entries(PRIMARY, PRIMARY), _entries(PRIMARY, IRRADIATED)
IRRADIATED_CELL, IRRADIATED_IRRADIATED = _entries(IRRADIATED, PRIMARY), _entries(IRRADIATED, IRRADIATED)
"""Derivatives of a variable by another one, of both sites, or of the three kinds of cells, in a flat Jacobian."""
NOMINAL = np.array([*(value for pair in SITES.values() for value in pair), *SHARED.values()])
"""All constants, (2 · 20 + 14,)."""


class Tumours:
    """The equations of N patients. The attributes may be changed between two integrations.

    table: constants (len(NOMINAL), N), to be written in place. delay: τ (N,), days until metastasis. dose: (2, N),
    radiation D and drug w a day. metastasis: (N,) booleans, whether t > τ: days are whole, so that it does not change
    within one.
    """

    def __init__(self, count: int) -> None:
        self.table = np.repeat(NOMINAL[:, None], count, axis=1)
        self.delay = np.zeros(count)
        self.dose = np.zeros((2, count))
        self.metastasis = np.zeros(count, bool)
        # Views of the table by the constants' names: (2, N) for those of the sites, (N,) for the others.
        sites, shared = np.split(self.table, [2 * len(SITES)])
        views = zip((*SITES, *SHARED), (*sites.reshape(len(SITES), 2, count), *shared), strict=True)
        self._constants = SimpleNamespace(**dict(views))
        first = list(SHARED).index("gamma1")
        self._back = shared[first : first + 3]  # γ1, γ2, γ3: irradiated cells that come back
        # What the drug kills of all three kinds of cells on both sites: KT, KN, KL and WT, WN, WL, (6, N) each.
        names = list(SITES)
        self._kill, self._half = (sites[2 * names.index(k) : 2 * names.index(k) + 6] for k in ("KT", "WT"))

    def rates(self, y: Array) -> Array:
        """dy/dt (12, N) at y (12, N)."""
        y, k = np.maximum(y, 0), self._constants
        t, n, cd8, c, m = y[T], y[N], y[L], y[C], y[M]
        radiation, dose = self.dose
        power = cd8**k.l
        kill = k.d * power / np.maximum(1, k.s * t**k.l + power)
        drug = self._kill * m / (self._half + y[:6])
        dy = np.empty_like(y)
        dy[T] = t * (k.a * (1 - k.b * t) - k.c * n - kill - drug[T])
        dy[N] = k.e * c - n * (k.p * t + k.f + drug[N])
        gain = (k.r1 * n + k.r2 * c) * t
        dy[L] = gain - cd8 * (k.m - k.j * t / (k.k + t) + k.q * t + k.u * n * cd8 + drug[L])
        # The primary site alone: radiation, and irradiated cells that come back.
        cells, irradiated = y[PRIMARY], y[IRRADIATED]
        dy[PRIMARY] += self._back * irradiated
        dy[0] -= (k.alpha1 + radiation) * t[0]
        dy[2:6:2] -= k.epsilon * radiation * cells[1:]
        dy[IRRADIATED] = radiation * cells - (self._back + k.delta) * irradiated
        # The secondary site alone: growth by metastasis; nothing happens there before.
        dy[1] += k.alpha2 * t[0] * (y[TIME] - self.delay)
        dy[SECONDARY] *= self.metastasis
        dy[C] = k.alpha - k.beta * c - k.KC * m * c / (k.WC + c)
        dy[M] = dose - k.mu * m
        dy[TIME] = 1
        return dy

    def jacobian(self, y: Array) -> Array:
        """Derivatives (N, 12, 12) of the rates at y (12, N), which holds nothing below 0."""
        k = self._constants
        t, n, cd8, c, m = y[T], y[N], y[L], y[C], y[M]
        radiation = self.dose[0]
        flat = np.zeros((144, y.shape[1]))
        j = flat.reshape(12, 12, -1)
        power, tumour = cd8**k.l, k.s * t**k.l
        total = tumour + power
        mixed = total > 1
        below = np.where(mixed, total, 1)
        safe_t, safe_l = np.maximum(t, 1e-300), np.maximum(cd8, 1e-300)
        kill = k.d * power / below
        kill_t = np.where(mixed, -kill * k.l * tumour / (safe_t * below), 0)
        kill_l = kill * k.l / safe_l * np.where(mixed, tumour / below, 1)
        share = t / (k.k + t)
        cells = self._half + y[:6]
        drug = self._kill * m * self._half / np.square(cells)
        j[:6, M] = -self._kill * y[:6] / cells
        flat[TT] = k.a * (1 - 2 * k.b * t) - k.c * n - kill - t * kill_t - drug[T]
        flat[TN] = -k.c * t
        flat[TL] = -t * kill_l
        flat[NT] = -k.p * n
        flat[NN] = -k.p * t - k.f - drug[N]
        j[N, C] = k.e
        flat[LT] = k.r1 * n + k.r2 * c + cd8 * (k.j * k.k / np.square(k.k + t) - k.q)
        flat[LN] = k.r1 * t - k.u * np.square(cd8)
        flat[LL] = k.j * share - k.m - k.q * t - 2 * k.u * n * cd8 - drug[L]
        j[L, C] = k.r2 * t
        loss = radiation * np.stack([np.ones_like(k.epsilon), k.epsilon, k.epsilon])
        loss[0] += k.alpha1
        flat[CELL_CELL] -= loss
        flat[CELL_IRRADIATED] = self._back
        flat[IRRADIATED_CELL] = radiation
        flat[IRRADIATED_IRRADIATED] = -(self._back + k.delta)
        j[1, 0] = k.alpha2 * (y[TIME] - self.delay)
        j[1, TIME] = k.alpha2 * t[0]
        j[SECONDARY] *= self.metastasis
        j[C, C] = -k.beta - k.KC * m * k.WC / np.square(k.WC + c)
        j[C, M] = -k.KC * c / (k.WC + c)
        j[M, M] = -k.mu
        return np.ascontiguousarray(j.transpose(2, 0, 1))
