"""The forms in which people hold samples, brought to one (rows, columns) array an anchor, names and categories kept.

Frames and series, one axis, draws on an axis of their own, one array of conditions for all anchors, texts and booleans.
pandas is not imported: what is one of its objects has brought it along.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.data.samples import plain
from pipeline.data.schema import Column, Kind
from pipeline.errors import ConfigurationError, DataError


@dataclass(frozen=True)
class Side:
    """Outputs or conditions of all anchors: arrays (N_k, columns), the columns' names where they came with any.

    categories: the labels of a column by its number; codes are their places. flags: columns of booleans.
    """

    arrays: list[NDArray[Any]]
    names: tuple[str, ...] | None
    categories: dict[int, tuple[str, ...]]
    flags: frozenset[int]


def per_anchor(outputs: Sequence[Any], conditions: Any, anchors: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Outputs and conditions as a list of one table an anchor each; draws (N, draws, D) become rows.

    Raises DataError where it cannot be told what belongs to which anchor, or rows to which condition.
    """
    ys = [_drawn(y, f"outputs[{k}]") for k, y in enumerate(_listed(outputs, "outputs"))]
    xs = _shared(conditions, ys, len(anchors))
    if len(xs) != len(ys):
        return [y for y, _ in ys], xs
    for k, ((y, _), x) in enumerate(zip(ys, xs, strict=True)):
        _check_index(y, x, k)
    return [y for y, _ in ys], [_repeated(x, len(y), draws) for (y, draws), x in zip(ys, xs, strict=True)]


def _listed(tables: Any, field: str) -> list[Any]:
    if is_frame(tables) or is_series(tables):
        raise DataError(f"{field} is one table; a list of one table an anchor is needed")
    return list(tables)


def is_frame(table: Any) -> bool:
    """Whether this is a pandas.DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(table, pandas.DataFrame)


def is_series(table: Any) -> bool:
    """Whether this is a pandas.Series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(table, pandas.Series)


def _drawn(table: Any, field: str) -> tuple[Any, int]:
    """Outputs with one axis of rows, and how many rows in sequence are draws of one condition."""
    if is_frame(table) or is_series(table):
        return table, 1
    array = _dense(table, field)
    if array.ndim != 3:
        return array, 1
    return array.reshape(-1, array.shape[2]), array.shape[1]


def _dense(table: Any, field: str) -> NDArray[Any]:
    if hasattr(table, "toarray"):
        raise DataError(f"{field} is sparse; give it dense: .toarray()")
    return plain(table, field)


def _shared(conditions: Any, outputs: Sequence[tuple[Any, int]], count: int) -> list[Any]:
    """A table of conditions an anchor; one that is for all of them is repeated."""
    if is_frame(conditions) or is_series(conditions):
        return [conditions] * count
    if isinstance(conditions, list | tuple):
        return list(conditions)
    array = _dense(conditions, "conditions")
    if array.ndim > 2 or (array.ndim == 1 and array.dtype == object):
        return list(array)
    rows = [{len(y), len(y) // draws} for y, draws in outputs]
    for_all = all(len(array) in known for known in rows)
    for_each = array.ndim == 2 and len(array) == count and all(array.shape[1] in known for known in rows)
    if for_all and for_each:
        raise DataError(
            f"conditions has shape {array.shape}: one table for all anchors, or one column an anchor? Give a list of "
            "one table an anchor"
        )
    if not (for_all or for_each):
        raise DataError(
            f"conditions has shape {array.shape}, and outputs have {[len(y) for y, _ in outputs]} rows; give a list of "
            "one table an anchor, or one table for all anchors with as many rows as each has outputs"
        )
    return [array] * count if for_all else list(array)


def _check_index(outputs: Any, conditions: Any, anchor: int) -> None:
    """DataError where the rows of two pandas objects carry the same labels in another order."""
    if not all(is_frame(table) or is_series(table) for table in (outputs, conditions)):
        return
    first, second = outputs.index, conditions.index
    if len(first) == len(second) and not first.equals(second) and first.isin(second).all():
        raise DataError(
            f"outputs[{anchor}] and conditions[{anchor}] have the same index in another order; bring their rows into "
            "one order (conditions.loc[outputs.index]), or drop the index (reset_index(drop=True))"
        )


def _repeated(conditions: Any, rows: int, draws: int) -> Any:
    """Conditions with a row for each of the draws."""
    if draws == 1 or np.shape(conditions)[:1] != (rows // draws,):
        return conditions
    if is_frame(conditions) or is_series(conditions):
        return conditions.iloc[np.repeat(np.arange(len(conditions)), draws)]
    return np.repeat(plain(conditions, "conditions"), draws, axis=0)


def read_side(tables: Sequence[Any], field: str, told: Sequence[str] | None, anchors: Sequence[Any]) -> Side:
    """Tables of all anchors as arrays of the same columns; told: names that the caller gave, or None.

    Frames are brought to one order of columns, by name; DataError where their names differ.
    """
    tables = [_column(table, tables) for table in tables]
    names = _common_names(tables, field, told, anchors)
    if names is not None:
        tables = [table[list(names)] for table in tables]
    if (arrays := _numeric(tables, field)) is not None:
        flagged = all(array.dtype == bool for array in arrays) and field == "conditions"
        return Side(arrays, names, {}, frozenset(range(arrays[0].shape[1]) if flagged else ()))
    columns = [_columns(table, f"{field}[{k}]") for k, table in enumerate(tables)]
    if field == "outputs" or len({len(each) for each in columns}) > 1:
        return Side([_stacked(each) for each in columns], names, {}, frozenset())
    categories: dict[int, tuple[str, ...]] = {}
    for i in range(len(columns[0])):
        if any(_is_text(each[i]) for each in columns):
            categories[i] = _labels([each[i] for each in columns], f"{field}, column {_called(names, i)}")
    flags = frozenset(i for i in range(len(columns[0])) if all(each[i].dtype == bool for each in columns))
    coded = [[_codes(c, categories[i]) if i in categories else c for i, c in enumerate(each)] for each in columns]
    return Side([_stacked(each) for each in coded], names, categories, flags)


def _numeric(tables: Sequence[Any], field: str) -> list[NDArray[Any]] | None:
    """Tables of numbers alone, as they are but for a second axis; None where a column has to be looked at."""
    arrays = [np.asarray(t) if is_frame(t) else _dense(t, f"{field}[{k}]") for k, t in enumerate(tables)]
    if any(array.dtype.kind in "OUMm" for array in arrays) or not arrays:
        return None
    return [array[:, None] if array.ndim == 1 else array for array in arrays]


def _called(names: Sequence[str] | None, column: int) -> str:
    return str(column) if names is None else repr(names[column])


def _column(table: Any, tables: Sequence[Any]) -> Any:
    """A series as a frame, by the name that all have, or without one."""
    if not is_series(table):
        return table
    labels = {t.name if is_series(t) else None for t in tables}
    label = labels.pop() if len(labels) == 1 else None
    return table.to_frame(label if isinstance(label, str) else 0)


def _own_names(table: Any) -> tuple[str, ...] | None:
    """The names of a frame's columns; None for an array, and for numbers in place of names."""
    if not is_frame(table) or not all(isinstance(name, str) for name in table.columns):
        return None
    return tuple(table.columns)


def _common_names(
    tables: Sequence[Any], field: str, told: Sequence[str] | None, anchors: Sequence[Any]
) -> tuple[str, ...] | None:
    found = [_own_names(table) for table in tables]
    first = next((names for names in found if names is not None), None)
    if first is None:
        return None
    order = tuple(told) if told is not None and set(told) == set(first) else first
    for k, names in enumerate(found):
        if names is None:
            raise DataError(f"{field}[{k}] has no column names, another anchor's has {list(first)}; give all as frames")
        if len(set(names)) < len(names):
            raise DataError(f"{field}[{k}]: column names are repeated in {list(names)}; every column needs its own")
        if set(names) != set(order):
            raise DataError(
                f"{field} of anchor {anchors[k]} have the columns {list(names)}, those of anchor "
                f"{anchors[found.index(first)]} {list(first)}; rename them alike, or give arrays"
            )
    return order


def _columns(table: Any, field: str) -> list[NDArray[Any]]:
    """The columns (N,) of a table; an array of one axis is one column."""
    if is_frame(table):
        return [_array(table.iloc[:, i], f"{field}, column {table.columns[i]!r}") for i in range(table.shape[1])]
    array = _dense(table, field)
    if array.ndim not in (1, 2):
        raise DataError(f"{field} has shape {array.shape}; expected (rows, columns)")
    columns = array[:, None] if array.ndim == 1 else array
    if not len(columns):
        raise DataError(f"{field} is empty (shape {array.shape}); at least one row is required")
    if not columns.shape[1]:
        return [np.zeros((len(columns), 0), np.float32)]  # keeps the number of rows
    return [_array(columns[:, i], f"{field}, column {i}") for i in range(columns.shape[1])]


def _array(column: Any, field: str) -> NDArray[Any]:
    """One column (N,) of numbers, booleans or texts; DataError for times and for numbers as texts."""
    array = np.asarray(column)
    if array.dtype.kind in "Mm":
        raise DataError(
            f"{field} holds times; give numbers: hours since a date, or the cosine and sine of the hour of the day"
        )
    array = array.astype(object) if array.dtype.kind == "U" else array
    labels = str(getattr(column, "dtype", "")) == "category"  # of pandas: whoever made them means labels
    if _is_text(array) and not labels and all(_is_number(cell) for cell in array):
        raise DataError(
            f"{field} holds numbers as texts ({array[0]!r}); convert them: astype(float), or to labels, in a frame: "
            "astype('category')"
        )
    if array.dtype == object and not _is_text(array):
        try:
            kind = bool if all(isinstance(cell, bool | np.bool_) for cell in array) else np.float64
            return array.astype(kind)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{field} holds neither numbers nor texts alone ({error}); give one or the other"
            ) from error
    return array


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_text(column: NDArray[Any]) -> bool:
    return column.dtype == object and all(isinstance(cell, str) for cell in column)


def _labels(columns: Sequence[NDArray[Any]], field: str) -> tuple[str, ...]:
    """All labels of a column, in alphabetical order; DataError where it holds numbers at other anchors."""
    if not all(_is_text(column) for column in columns):
        raise DataError(f"{field} holds texts at one anchor, numbers at another; give codes or texts at all of them")
    return tuple(sorted({str(cell) for column in columns for cell in column}))


def _codes(column: NDArray[Any], labels: Sequence[str]) -> NDArray[np.float64]:
    place = {label: float(code) for code, label in enumerate(labels)}
    return np.array([place[str(cell)] for cell in column], np.float64)


def _stacked(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Columns (N,) side by side, (N, columns)."""
    if columns and columns[0].ndim == 2:
        return columns[0]
    texts = [column for column in columns if column.dtype == object]
    return np.stack(texts or list(columns), axis=1) if columns else np.zeros((0, 0))


def check_kinds(side: Side, kinds: Sequence[Kind] | Kind) -> list[Kind] | Kind:
    """The kinds of the columns of conditions: texts and booleans are categorical where nobody says otherwise."""
    if not (side.categories or side.flags):
        return kinds if isinstance(kinds, str) else list(kinds)
    if isinstance(kinds, str):
        width = side.arrays[0].shape[1]
        return ["categorical" if i in side.categories or i in side.flags else kinds for i in range(width)]
    if wrong := [_called(side.names, i) for i in side.categories if i < len(kinds) and kinds[i] != "categorical"]:
        raise ConfigurationError(
            f"condition_kind: the columns {', '.join(wrong)} hold texts; set 'categorical' for them"
        )
    return list(kinds)


def with_codes(values: Any, columns: Sequence[Column], field: str) -> Any:
    """A table whose texts are replaced by the codes of their categories, (N, C); anything else as it is.

    Raises DataError for a text that is no category of its column.
    """
    if not any(column.categories for column in columns) or np.ndim(values) != 2:
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "OU" or array.shape[1] != len(columns):
        return values
    return np.stack([codes_of(array[:, i], column, field) for i, column in enumerate(columns)], axis=1)


def codes_of(values: ArrayLike, column: Column, field: str) -> NDArray[np.float64]:
    """The codes (N,) of one column's labels or codes; DataError for a text that is no category."""
    place = {label: float(code) for code, label in enumerate(column.categories)}
    cells = np.asarray(values, object).tolist()
    try:
        return np.array([place[c] if c in place else float(c) for c in cells], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{field}: column {column.name!r} holds a text that is no category ({error}); its categories are "
            f"{list(column.categories)}"
        ) from error
