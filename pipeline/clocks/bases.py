"""The bases of clocks: monotone functions u(λ), one line each; this list is all that a further one needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, ndtri

Values = NDArray[np.float64]
Pole = Literal["none", "left", "right", "both"]

DECADE = 10.0
"""Where λ, or 1 − λ, changes by so much from the first anchor to the last, decades are taken to count."""


def _never(first: float, last: float) -> bool:
    return False


@dataclass(frozen=True)
class Base:
    """A base of clocks.

    function: u(λ) of values (M,), not finite outside its domain. pole: at which end of its domain it is steep without
    bound; bases of one pole can stand in for each other. suits: whether it is the one to take, from first and last
    anchor alone, where samples cannot tell; of several that suit, the first in the list.
    """

    name: str
    function: Callable[[Values], Values]
    pole: Pole
    suits: Callable[[float, float], bool] = _never

    def finite(self, anchors: Sequence[float]) -> bool:
        """Whether u is finite on all anchors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return bool(np.isfinite(self.function(np.array(anchors, np.float64))).all())


_LIST = (
    Base("logit", logit, "both", lambda first, last: first > 0 and last < 1),
    Base("probit", ndtri, "both"),
    Base("log", np.log, "left", lambda first, last: first > 0 and last / first >= DECADE),
    Base(
        "mirror_log",
        lambda values: -np.log1p(-values),
        "right",
        lambda first, last: first >= 0 and last < 1 and (1 - first) / (1 - last) >= DECADE,
    ),
    Base("reciprocal", lambda values: np.where(values < 1, 1 / (1 - values), np.nan), "right"),
    Base("linear", lambda values: values, "none", lambda first, last: True),
)
BASES: dict[str, Base] = {base.name: base for base in _LIST}
