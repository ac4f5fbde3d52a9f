"""What a surrogate warns of at every condition and λ of a page, asked without asking at each pair of them."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Value
from pipeline.data.values import numbers
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


@contextmanager
def unwarned() -> Iterator[None]:
    """Without the surrogate's warnings: they stand on the page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def warned(surrogate: "Surrogate", conditions: FloatArray, points: Sequence[Value]) -> list[list[list[str]]]:
    """What `sample` warns of, by condition (N, C) and λ: N + L questions in place of N · L, and N where λ is no matter.

    A warning is about λ, about the condition, or about both at once where each is in a region; only a certificate and
    broken intervals are about λ. So one is issued at a pair where it is issued at the condition for some λ, and at the
    λ for some condition. A warning about conditions alone may be worded otherwise for several of them; it belongs to
    the condition at every λ.
    """
    values = np.array([numbers(point) for point in points], np.float64)
    at_value: list[list[str]] = [[] for _ in values]
    if surrogate.certificate or any(barrier.broken for barrier in surrogate.barriers or ()):
        at_value = [_texts(surrogate, conditions, np.tile(value, (len(conditions), 1))) for value in values]
    about_values = set().union(*at_value)
    found = []
    for condition in conditions:
        own = _texts(surrogate, np.tile(condition, (len(values), 1)), values)
        found.append([[t for t in own if t in here or t not in about_values] for here in at_value])
    return found


def _texts(surrogate: "Surrogate", conditions: FloatArray, values: NDArray[np.float64]) -> list[str]:
    """The distinct warnings at conditions (n, C) and λ (n, P), a row each."""
    names = [column.name for column in surrogate.schema.hyperparameters]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        surrogate.sample(conditions, dict(zip(names, values.T, strict=True)))
    return list(dict.fromkeys(str(warning.message) for warning in caught))
