"""The bases of clocks: monotone functions u(λ), and which of them a sweep's anchors allow.

A further base is one more line of the list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, ndtri

from pipeline.errors import ConfigurationError

Values = NDArray[np.float64]
Pole = Literal["none", "left", "right", "both"]

HOLD = "hold"
"""In place of a base: outputs stay at the left anchor until the right one."""
CALIBRATED = "calibrated"
"""In place of a base: a coordinate that outcomes give, where λ is a probability level (`calibration`)."""

DECADE = 10.0
"""A base in decades is the prior where λ, or 1 − λ, changes by this factor from the first anchor to the last."""


def _never(first: float, last: float) -> bool:
    return False


@dataclass(frozen=True)
class Base:
    """A base of clocks.

    function: u(λ) of values (M,), not finite outside its domain. pole: the end of its domain where its slope is
    unbounded; bases of one pole can replace each other. is_prior: whether it is the default between a first and a last
    anchor, where the samples do not identify the base; the first in the list wins.
    """

    name: str
    function: Callable[[Values], Values]
    pole: Pole
    is_prior: Callable[[float, float], bool] = _never

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


def prior_base(anchors: Sequence[float]) -> str:
    """The default base where samples do not identify it, by the anchors' range alone."""
    return next(name for name, base in BASES.items() if base.is_prior(anchors[0], anchors[-1]))


def candidates(anchors: Sequence[float]) -> list[str]:
    """The names of all bases that are finite on all anchors, `prior_base` first."""
    first = prior_base(anchors)
    return [first, *(name for name, base in BASES.items() if name != first and base.finite(anchors))]


def check_base(name: str, anchors: Sequence[float], setting: Literal["clock", "clock_prior"] = "clock") -> None:
    """Raise ConfigurationError for a base that is unknown or not finite on all anchors.

    `clock` may also be hold or calibrated, which need no base.
    """
    held = [HOLD, CALIBRATED] if setting == "clock" else []
    if name in held:
        return
    if name not in BASES:
        raise ConfigurationError(f"{setting} = {name!r} is unknown; known are {sorted([*BASES, *held])}")
    if not BASES[name].finite(anchors):
        raise ConfigurationError(
            f"{setting} = {name!r} is not finite on the anchors {list(anchors)}; "
            f"choose one of {[*candidates(anchors), *held]}, or auto"
        )
