"""Tables: what consumers hand in, as conditions, λ and outputs of one's own by row; and answers, as a frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.forms import codes_of
from pipeline.data.samples import check_columns
from pipeline.data.schema import Column, Schema
from pipeline.errors import DataError

BASE = "base_"
"""Before the names of outputs and hyperparameters: columns of one's own outputs, and of the λ that they are of."""


@dataclass(frozen=True, eq=False)
class Base:
    """Outputs (N, D) of one's own, and the λ (N, P) that each is of, to be moved from there."""

    outputs: NDArray[np.float64]
    source: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """What the rows of a request say: conditions (N, C); λ (N,) by its name where it is a column; one's own outputs."""

    conditions: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]
    base: Base | None

    def __len__(self) -> int:
        return len(self.conditions)


def base_columns(schema: Schema) -> tuple[list[str], list[str]]:
    """Names of the columns of one's own outputs and of their λ; none where a condition has such a name."""
    outputs = [BASE + column.name for column in schema.outputs]
    source = [BASE + column.name for column in schema.hyperparameters]
    taken = {column.name for column in (*schema.conditions, *schema.hyperparameters)}
    return ([], []) if taken & {*outputs, *source} else (outputs, source)


def read_table(data: Any, schema: Schema) -> Table:
    """A request's rows from a frame, a mapping of columns, a list of records, or an array of the conditions' width.

    Columns go by name, in any order. Raises DataError for what is no table, for columns that are missing, unknown or
    repeated, and for values as `read_conditions`.
    """
    frame = as_frame(data, [column.name for column in schema.conditions])
    own = [column.name for column in schema.conditions]
    swept = [column.name for column in schema.hyperparameters]
    outputs, source = base_columns(schema)
    given = list(frame.columns)
    based = [name for name in (*outputs, *source) if name in given]
    check_names(given, own, [*swept, *outputs, *source])
    if based and len(based) < len(outputs) + len(source):
        absent = [name for name in (*outputs, *source) if name not in given]
        raise DataError(f"columns {absent} are missing beside {based}; give all of them, or none")
    return Table(
        _conditions(frame, schema.conditions),
        {name: _numbers(frame, name) for name in swept if name in given},
        Base(_stack(frame, outputs), _stack(frame, source)) if based else None,
    )


def as_frame(data: Any, names: Sequence[str]) -> pd.DataFrame:
    """A frame with names as texts; an array has the columns `names`, in that order. DataError for what is no table."""
    if isinstance(data, pd.Series):
        data = data.to_frame()
    if isinstance(data, Mapping):
        frame = _of_columns(data)
    elif isinstance(data, list) and data and all(isinstance(record, Mapping) for record in data):
        frame = pd.DataFrame(data)
    else:
        frame = data if isinstance(data, pd.DataFrame) else _of_array(data, names)
    given: list[Any] = frame.columns.tolist()
    wanted = list(names) if given == list(range(len(names))) else [str(name) for name in given]
    return frame if given == wanted else frame.set_axis(wanted, axis=1)


def _of_columns(data: Mapping[Any, Any]) -> pd.DataFrame:
    """A mapping of names to columns, or to the cells of one row."""
    columns = {name: np.asarray(v).reshape(-1) if _is_column(v) else v for name, v in data.items()}
    if all(np.ndim(column) == 0 for column in columns.values()):
        columns = {name: [column] for name, column in columns.items()}
    try:
        return pd.DataFrame(columns)
    except ValueError as error:
        raise DataError(f"the columns {[str(name) for name in data]} make no table: {error}") from error


def _is_column(values: Any) -> bool:
    """Whether this is an array (N, 1), a column of which JSON made a list of lists."""
    return isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1


def _of_array(data: Any, names: Sequence[str]) -> pd.DataFrame:
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise DataError(f"the rows are not all of one length ({error}); columns {list(names)} are needed") from error
    if array.ndim == 1 and (len(names) == 1 or not array.size):
        array = array.reshape(-1, len(names)) if array.size else np.zeros((0, len(names)))
    if array.ndim != 2 or array.shape[1] != len(names):
        what = f"shape {array.shape}" if array.ndim else f"{type(data).__name__} {str(data)[:40]!r}"
        raise DataError(f"conditions: received {what}; a table with the columns {list(names)} is needed")
    return pd.DataFrame(array, columns=list(names))


def check_names(given: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> None:
    """DataError for columns that are missing, unknown, or repeated."""
    expected = f"expected {list(needed)}" + (f", and, as you like, {list(optional)}" if optional else "")
    if missing := [name for name in needed if name not in given]:
        raise DataError(f"columns {missing} are missing; received {list(given)}, {expected}")
    if unknown := [name for name in given if name not in (*needed, *optional)]:
        raise DataError(f"columns {unknown} are unknown; remove them; {expected}")
    if repeated := sorted({name for name in given if given.count(name) > 1}):
        raise DataError(f"columns {repeated} are repeated; give each of them once")


def read_conditions(frame: pd.DataFrame, columns: Sequence[Column]) -> NDArray[np.float64]:
    """Conditions (N, C) of a frame that has the columns named in `columns`, in any order.

    Raises DataError for columns that are missing or unknown, for values that are not finite numbers, for categorical
    codes that are not whole, and for values outside a column's bounds.
    """
    check_names([str(name) for name in frame.columns], [column.name for column in columns], [])
    return _conditions(frame, columns)


def _conditions(frame: pd.DataFrame, columns: Sequence[Column]) -> NDArray[np.float64]:
    """The conditions (N, C) among a frame's columns."""
    values = np.empty((len(frame), len(columns)))
    for i, column in enumerate(columns):
        labelled = bool(column.categories)
        values[:, i] = (
            _finite(codes_of(frame[column.name], column, "conditions"), column.name)
            if labelled
            else (_numbers(frame, column.name))
        )
    check_columns(values, columns, "conditions")
    return values


def _stack(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    return np.stack([_numbers(frame, name) for name in names], axis=1)


def _numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """A column (N,) of finite numbers; DataError names it."""
    column = frame[name]
    if column.dtype.kind in "fiub" and isinstance(column.dtype, np.dtype):
        return _finite(column.to_numpy(np.float64), name)
    if column.dtype.kind in "Mmc":
        raise DataError(f"column {name!r} contains a non-number: its type is {column.dtype}; real numbers are needed")
    try:
        values = np.asarray(pd.to_numeric(column), np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"column {name!r} contains a non-number: {error}") from error
    return _finite(values, name)


def _finite(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    if (wrong := np.flatnonzero(~np.isfinite(values))).size:
        raise DataError(f"column {name!r} holds {values[wrong[0]]} in row {wrong[0]}; must be finite")
    return values


def sample_frame(
    samples: NDArray[np.floating], columns: Sequence[Column], told: Mapping[str, NDArray[Any]] | None = None
) -> pd.DataFrame:
    """Samples (N, M, draws, D) of N rows at M λ as a frame of N × M × draws rows: row, draw, what is told, outputs.

    told: further columns, (N, M) each, the same for all draws. DataError where one has the name of an output.
    """
    count, points, draws, _ = samples.shape
    flat = np.asarray(samples.reshape(count * points * draws, len(columns)), np.float64)
    frame: dict[str, NDArray[Any]] = {
        "row": np.repeat(np.arange(count), points * draws),
        "draw": np.tile(np.arange(draws), count * points),
    }
    names = [column.name for column in columns]
    if taken := sorted(set(told or ()) & {*names, *frame}):
        raise DataError(f"the answer has outputs called {taken}, which the parameters ask for as well; leave those out")
    frame |= {name: np.repeat(values.reshape(-1), draws) for name, values in (told or {}).items()}
    frame |= {name: flat[:, i] for i, name in enumerate(names)}
    answer = pd.DataFrame(dict(enumerate(frame.values())), copy=False)
    answer.columns = _index(tuple(frame))
    return answer


@lru_cache(maxsize=16)
def _index(names: tuple[str, ...]) -> pd.Index:
    """Names as an index, which costs as much to make as the rest of a small frame."""
    return pd.Index(names)
