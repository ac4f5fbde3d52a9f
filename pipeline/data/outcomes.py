"""Outcomes: what came true at conditions that no network was trained on.

Where the hyperparameter is a probability level, as a quantile is, outcomes say how the outputs move between anchors:
λ is the probability that an outcome lies below the output at λ.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.data.samples import check_samples, matrix, read_samples, write_samples
from pipeline.data.schema import Schema
from pipeline.errors import DataError

OUTCOMES_FILE = "outcomes.parquet"
"""Their file in the folder of a harvest; written and read here alone."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """conditions: (M, C); values: (M, D), in the columns and units of the harvest's conditions and outputs."""

    conditions: NDArray[np.floating]
    values: NDArray[np.floating]

    @classmethod
    def of(cls, conditions: ArrayLike, values: ArrayLike, schema: Schema, levels: NDArray[np.float64]) -> Self:
        """Check arrays against a harvest's schema and levels (K,), its anchors; DataError where they do not match."""
        if not (levels.min() >= 0 and levels.max() <= 1):
            raise DataError(
                f"outcomes: anchors {levels.tolist()} are not probability levels, so outcomes say nothing "
                "about them; leave outcomes out"
            )
        made = cls(matrix(conditions, "outcomes: conditions"), matrix(values, "outcomes: values"))
        for name, array, width in (
            ("conditions", made.conditions, len(schema.conditions)),
            ("values", made.values, len(schema.outputs)),
        ):
            if array.shape[1] != width:
                raise DataError(f"outcomes: {name} have {array.shape[1]} columns; the harvest has {width}")
        if len(made.conditions) != len(made.values):
            raise DataError(
                f"outcomes: {len(made.values)} rows of values but {len(made.conditions)} of conditions; rows must match"
            )
        check_samples(schema, [made.values], [made.conditions])
        return made


def write_outcomes(
    folder: Path, schema: Schema, conditions: NDArray[np.floating], values: NDArray[np.floating]
) -> None:
    """Write conditions (M, C) and values (M, D) into an existing folder, in the format of the samples."""
    write_samples(folder / OUTCOMES_FILE, schema, values, conditions)


def has_outcomes(folder: Path) -> bool:
    """Whether outcomes were written into a folder."""
    return (folder / OUTCOMES_FILE).is_file()


def read_outcomes(folder: Path, schema: Schema) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Read the conditions (M, C) and values (M, D) that `write_outcomes` wrote; errors as `read_samples`."""
    values, conditions = read_samples(folder / OUTCOMES_FILE, schema)
    return conditions, values
