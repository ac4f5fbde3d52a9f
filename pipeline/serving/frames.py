"""The consumer's interface: named condition columns and parameters in; row, draw and named output columns out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.forms import codes_of
from pipeline.data.samples import check_columns
from pipeline.data.schema import PARAMETERS, Column, Schema
from pipeline.errors import ConfigurationError, DataError

LAMBDA = "hyperparameter"
"""The parameter that holds λ where there is one; several have parameters of their own names."""


def parameter_names(schema: Schema) -> tuple[str, ...]:
    """The parameters of `predict` that hold λ."""
    columns = schema.hyperparameters
    return (LAMBDA,) if len(columns) == 1 else tuple(column.name for column in columns)


def default_params(names: Sequence[str], vertices: Sequence[tuple[float, ...]]) -> dict[str, float | int | bool]:
    """The parameters of `predict`; λ defaults to the middle anchor (of an even number, the lower of the middle two).

    names: of the parameters that hold λ, (P,). vertices: the anchors, K of P numbers. Of several hyperparameters the
    middle is the anchor nearest to the middle of every one's values, each scaled by its range.
    """
    values = [sorted({vertex[p] for vertex in vertices}) for p in range(len(names))]
    middle = [column[(len(column) - 1) // 2] for column in values]
    scale = [column[-1] - column[0] for column in values]

    def distance(vertex: tuple[float, ...]) -> float:
        return sum(((v - m) / s) ** 2 for v, m, s in zip(vertex, middle, scale, strict=True))

    nearest: tuple[float, ...] = min(vertices, key=distance)
    return {**dict(zip(names, nearest, strict=True)), **PARAMETERS}


@dataclass(frozen=True)
class Asked:
    """What the parameters ask: λ (P,), draws of every condition, their seed, and whether λ has to be trusted."""

    values: tuple[float, ...]
    draws: int
    seed: int
    strict: bool


def read_params(params: Mapping[str, Any], defaults: Mapping[str, float | int | bool]) -> Asked:
    """What is asked, defaults filled in; ConfigurationError where draws < 1 or seed < 0.

    defaults: as `default_params` gives them.
    """
    settings = {**defaults, **params}
    draws, seed = int(settings["draws"]), int(settings["seed"])
    if draws < 1:
        raise ConfigurationError(f"draws = {draws}; must be at least 1")
    if seed < 0:
        raise ConfigurationError(f"seed = {seed}; must be 0 or greater")
    values = tuple(float(settings[name]) for name in defaults if name not in PARAMETERS)
    return Asked(values, draws, seed, bool(settings["strict"]))


def read_conditions(frame: pd.DataFrame, columns: Sequence[Column]) -> NDArray[np.float64]:
    """Conditions (N, C) of a frame that has the columns named in `columns`, in any order.

    Raises DataError for columns that are missing or unknown, for values that are not finite numbers, for categorical
    codes that are not whole, and for values outside a column's bounds.
    """
    names = [column.name for column in columns]
    given = [str(name) for name in frame.columns]
    if missing := [name for name in names if name not in given]:
        raise DataError(f"conditions: columns {missing} are missing; received {given}, expected {names}")
    if unknown := [name for name in given if name not in names]:
        raise DataError(f"conditions: columns {unknown} are unknown; remove them; expected {names}")
    values = np.empty((len(frame), len(names)))
    for i, name in enumerate(names):
        try:
            coded = codes_of(frame[name], columns[i], "conditions") if columns[i].categories else frame[name]
            values[:, i] = pd.to_numeric(coded)
        except (TypeError, ValueError) as error:
            raise DataError(f"conditions: column {name!r} contains a non-number: {error}") from error
    if not np.isfinite(values).all():
        row, i = np.argwhere(~np.isfinite(values))[0]
        raise DataError(f"conditions: column {names[i]!r} holds {values[row, i]} in row {row}; must be finite")
    check_columns(values, columns, "conditions")
    return values


def sample_frame(samples: NDArray[np.floating], columns: Sequence[Column]) -> pd.DataFrame:
    """Samples (N, draws, D) as N × draws rows: row (of the input), draw, then the outputs."""
    count, draws, _ = samples.shape
    flat = samples.reshape(count * draws, len(columns)).astype(np.float64)
    frame = {"row": np.repeat(np.arange(count), draws), "draw": np.tile(np.arange(draws), count)}
    return pd.DataFrame(frame | {column.name: flat[:, i] for i, column in enumerate(columns)})
