"""Conditions from a file, and their division into those to fit on and those to score on."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column
from pipeline.errors import DataError
from pipeline.families.protocol import Split

SCORE_SHARE = 0.25
"""The fraction of the conditions that is held back for scoring."""


def read_contexts(path: Path, columns: Sequence[Column]) -> NDArray[np.float64]:
    """Conditions (N, C) from a Parquet, CSV or npz file, whose columns (npz: arrays (N,)) have the schema's names.

    Raises DataError where the file cannot be read, lacks a column, or holds values that the schema does not allow.
    """
    from pipeline.data.samples import check_columns, matrix

    table = _read(path)
    if missing := [c.name for c in columns if c.name not in table]:
        raise DataError(f"{path}: columns {missing} are missing; it holds {sorted(map(str, table))}")
    try:
        contexts = matrix(np.stack([np.asarray(table[c.name], np.float64) for c in columns], axis=1), str(path))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{path}: columns {[c.name for c in columns]} are not valid conditions ({error}); "
            "finite numbers are needed, equally many in every column"
        ) from error
    check_columns(contexts, columns, str(path))
    return np.asarray(contexts, np.float64)


def divide(
    contexts: NDArray[np.float64], columns: Sequence[Column], split: Split, count: int, seed: int
) -> NDArray[np.float32]:
    """At most `count` distinct contexts (n, C) of a split, the same ones for the same seed, in ascending order.

    A share of every combination of categories is held back to score on; a combination with a single context (all
    columns are categorical) is in both splits, which then share contexts but never draws. Where `count` leaves some
    out, every combination keeps its share, and at least one context where `count` allows.
    """
    if not contexts.shape[1]:
        return np.zeros((1, 0), np.float32)
    distinct = np.unique(contexts, axis=0)
    categorical = [i for i, column in enumerate(columns) if column.kind == "categorical"]
    stratum = np.zeros(len(distinct), np.intp)
    if categorical:
        stratum = np.unique(distinct[:, categorical], axis=0, return_inverse=True)[1].reshape(-1)
    order = np.random.default_rng(seed).permutation(len(distinct))
    rank = np.full(len(distinct), -1.0)
    for members in (order[stratum[order] == s] for s in np.unique(stratum)):
        held_back = max(1, round(SCORE_SHARE * len(members))) if len(members) > 1 else 0
        members = members[held_back:] if split == "fit" or not held_back else members[:held_back]
        # Each combination's first context comes before all others, and then each advances at the rate of its share.
        rank[members] = np.arange(len(members)) / len(members)
    chosen = [i for i in order if rank[i] >= 0]
    chosen.sort(key=lambda i: rank[i])  # stable: by rank, then by the random order
    return np.asarray(distinct[np.sort(chosen[:count])], np.float32)


def _read(path: Path) -> dict[str, Any]:
    """The columns of a file by their names; DataError where its format is unknown or it is corrupted."""
    import pandas as pd

    if not path.is_file():
        raise DataError(f"{path} does not exist; set train.conditions to a Parquet, CSV or npz file")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        if path.suffix == ".parquet":
            return dict(pd.read_parquet(path))
        if path.suffix == ".csv":
            return dict(pd.read_csv(path))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as {path.suffix[1:]}: {error}; write it again") from error
    raise DataError(f"{path} has the suffix {path.suffix!r}; conditions are read from .parquet, .csv and .npz")
