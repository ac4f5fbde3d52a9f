"""λ in words: a number where there is one hyperparameter, `quantile=0.1,noise=0.5` where there are several.

Stages, folders, tables and pictures name a λ so; Python calls take a mapping of names.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.data.mesh import Value

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a hyperparameter that stands beside others may be called: it is part of stages' and folders' names."""


def numbers(value: "Value") -> tuple[float, ...]:
    """The coordinates of a λ, (P,)."""
    return value if isinstance(value, tuple) else (value,)


def value_of(coordinates: Sequence[float]) -> "Value":
    """The λ of its coordinates (P,): a number where there is one."""
    return coordinates[0] if len(coordinates) == 1 else tuple(coordinates)


def named(value: "Value", names: Sequence[str]) -> float | dict[str, float]:
    """A λ as Python calls take it: the number, or a mapping of names where there are several."""
    return dict(zip(names, value, strict=True)) if isinstance(value, tuple) else value


def in_words(value: "Value", names: Sequence[str]) -> str:
    """`0.5`, or `quantile=0.1,noise=0.5` where λ has several coordinates."""
    if not isinstance(value, tuple):
        return f"{value:g}"
    return ",".join(f"{name}={_plain(number)}" for name, number in zip(names, value, strict=True))


def read_words(text: str) -> dict[str, float]:
    """The coordinates that `quantile=0.1,noise=0.5` names; ConfigurationError for any other text."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            given = float(number)
        except ValueError:
            given = float("nan")
        if not NAME.fullmatch(name) or name in found or given != given:
            raise ConfigurationError(f"{text!r} is not a λ: write each hyperparameter once, as quantile=0.1,noise=0.5")
        found[name] = given
    return found


def _plain(number: float) -> str:
    """The shortest text that reads back as this number, without a trailing .0."""
    return repr(number).removesuffix(".0")
