"""Samples of one hyperparameter value: arrays that are checked, and the Parquet file that holds them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError, DataError

SLACK = 1e-6
"""What rounding to float32 may add to an angle, in periods, or to a probability."""


def write_samples(path: Path, schema: Schema, outputs: NDArray[np.floating], conditions: NDArray[np.floating]) -> None:
    """Write outputs (N, D) and conditions (N, C) as one Parquet file: condition columns, then output columns."""
    from pyarrow import parquet, table  # here: who only answers needs no files of samples

    names = [c.name for c in (*schema.conditions, *schema.outputs)]
    parquet.write_table(table(dict(zip(names, [*conditions.T, *outputs.T], strict=True))), path)


def read_samples(path: Path, schema: Schema) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Read outputs (N, D) and conditions (N, C); BundleError for a broken file, DataError for one that does not fit."""
    from pyarrow import ArrowException, parquet

    if not path.is_file():
        raise BundleError(f"{path} is missing; a harvest has one Parquet file per anchor")
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise BundleError(f"{path} is corrupted (not a Parquet file): {error}") from error
    columns = [*schema.conditions, *schema.outputs]
    if missing := [c.name for c in columns if c.name not in table.column_names]:
        raise DataError(f"{path}: columns {missing} are missing; it contains {table.column_names}")
    if not table.num_rows:
        raise DataError(f"{path} is empty; at least one row is required")
    arrays = [table.column(c.name).to_numpy() for c in columns]
    split = len(schema.conditions)
    return np.stack(arrays[split:], axis=1), (
        np.stack(arrays[:split], axis=1) if split else np.zeros((table.num_rows, 0), np.float32)
    )


def matrix(values: ArrayLike, field: str, of: str = "", names: Sequence[str] = ()) -> NDArray[np.floating]:
    """A (rows, columns) float array of finite numbers, a copy; DataError names `field` and what is wrong with it.

    of, names: whose array it is and what its columns are called, for the message.
    """
    array = plain(values, field)
    if array.ndim != 2:
        raise DataError(f"{field} has shape {array.shape}; expected (rows, columns)")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise DataError(f"{field} has dtype {array.dtype}; must be real numbers")
    if not len(array):
        raise DataError(f"{field} is empty (shape {array.shape}); at least one row is required")
    if not array.shape[1]:
        array = array.astype(np.float32)  # the type that no column can keep on disk
    elif array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        where = ", ".join(filter(None, [of, f"column {names[column]!r}" if column < len(names) else ""]))
        raise DataError(
            f"{field}[{row}, {column}] = {array[row, column]}{f' ({where})' if where else ''}; must be finite; remove "
            "rows with NaN or Inf"
        )
    return np.array(array, order="C")  # torch takes no reversed views, and the caller's memory may change


def plain(values: ArrayLike, field: str) -> NDArray[Any]:
    """A NumPy array of what may be a torch tensor, on any device and in any dtype; DataError if that is impossible."""
    if np.ma.is_masked(values):
        raise DataError(f"{field} has masked values; fill them (numpy.ma.filled), or drop their rows")
    if (torch := sys.modules.get("torch")) and isinstance(values, torch.Tensor):
        narrow = values.is_floating_point() and values.element_size() <= 2  # NumPy has no bfloat16
        return np.asarray((values.float() if narrow else values).numpy(force=True))
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{field} is not a rectangular array: all rows must have the same length ({error})") from error


def group_rows(*conditions: NDArray[np.number]) -> list[NDArray[np.intp]]:
    """Number the distinct conditions over several arrays (N_k, C): one array of group numbers (N_k,) each."""
    stacked = np.concatenate([np.asarray(x, np.float64) for x in conditions])
    if stacked.shape[1] == 0:
        return [np.zeros(len(x), np.intp) for x in conditions]
    _, inverse = np.unique(stacked, axis=0, return_inverse=True)
    ends = np.cumsum([len(x) for x in conditions])[:-1]
    return list(np.split(inverse.reshape(-1).astype(np.intp), ends))


def check_samples(
    schema: Schema, outputs: Sequence[NDArray[np.floating]], conditions: Sequence[NDArray[np.floating]]
) -> None:
    """Raise DataError where the samples' columns do not fit the schema."""
    for field, arrays, columns in (("outputs", outputs, schema.outputs), ("conditions", conditions, schema.conditions)):
        for k, array in enumerate(arrays):
            if array.shape[1] != len(columns):
                raise DataError(f"{field}[{k}] has {array.shape[1]} columns, the schema {len(columns)}")
            check_columns(array, columns, f"{field}[{k}]")


def check_columns(array: NDArray[np.floating], columns: Sequence[Column], field: str) -> None:
    """DataError if a categorical column holds other than whole numbers, or a bounded one exceeds its bounds.

    Also where the simplex columns of a row do not sum to 1.
    """
    check_simplex(array, columns, field)
    for i, column in enumerate(columns):
        values = array[:, i]
        if column.kind == "categorical" and (bad := values[values != np.round(values)]).size:
            raise DataError(
                f"{field}: column {column.name!r} is categorical but contains {bad[0]}; codes must be whole numbers"
            )
        low = -np.inf if column.lower is None else column.lower
        high = np.inf if column.upper is None else column.upper
        if column.kind == "circular":
            _check_angles(values, low, high, f"{field}: column {column.name!r}")
        elif (bad := values[(values < low) | (values > high)]).size:
            raise DataError(f"{field}: column {column.name!r} contains {bad[0]}, outside its bounds [{low}, {high}]")


def _check_angles(values: NDArray[np.floating], low: float, high: float, field: str) -> None:
    slack = SLACK * (high - low)  # float32 rounds π up
    if (bad := values[(values < low - slack) | (values > high + slack)]).size:
        raise DataError(
            f"{field} is circular and contains {bad[0]:g}, outside [{low:g}, {high:g}]: set its bounds to the range of "
            "the angles, whose ends are the same direction, or reduce the angles to it"
        )


def check_simplex(array: NDArray[np.floating], columns: Sequence[Column], field: str) -> None:
    """DataError if the simplex columns of a row (N, D) do not sum to 1 up to rounding."""
    chosen = [i for i, column in enumerate(columns) if column.kind == "simplex"]
    sums = array[:, chosen].sum(axis=1, dtype=np.float64) if chosen else np.ones(1)
    if (far := np.abs(sums - 1) > SLACK * max(len(chosen), 10)).any():
        row = int(np.flatnonzero(far)[0])
        raise DataError(
            f"{field}: the simplex columns {[columns[i].name for i in chosen]} of row {row} sum to {sums[row]:g}; "
            "probabilities sum to 1: normalise them, or declare the columns continuous"
        )
