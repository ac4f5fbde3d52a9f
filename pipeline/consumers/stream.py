"""Draws for a whole file of conditions, in portions: memory does not grow with the number of rows.

A row's draws are those of one call with all rows: rows of equal conditions are further draws of it, in whatever portion
they come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consumers.tables import columns_of, count_rows, read_portions, table_writer
from pipeline.errors import ConfigurationError, DataError, SweepError
from pipeline.serving.frames import read_conditions
from pipeline.storage.progress import counting
from pipeline.surrogate.draws import Rows, condition_keys

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

PORTION = 2_000_000
"""Numbers that a portion may come to, of outputs or of the anchors' draws that are matched for them."""
MOST_ROWS = 65_536
DRAWN = 256
"""Draws of both anchors around λ that a condition takes at least, where networks give draws."""


@dataclass(frozen=True)
class Question:
    """What is asked of every row.

    values: λ by the hyperparameter's name, whose combinations all rows are asked at; the other hyperparameters are
    columns of the file. draws, seed, strict: as in `Surrogate.sample`.
    """

    values: Mapping[str, Sequence[float]]
    draws: int = 1
    seed: int = 0
    strict: bool = False

    @property
    def grid(self) -> NDArray[np.float64]:
        """All combinations of the values, (L, their names)."""
        combinations = list(product(*self.values.values()))  # of nothing there is one: the empty one
        return np.array(combinations, np.float64).reshape(len(combinations), len(self.values))


def read_values(texts: Sequence[str]) -> dict[str, list[float]]:
    """The values that texts such as `quantile=0.1,0.5` name; the same name may come several times."""
    found: dict[str, list[float]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        try:
            values = [float(number) for number in listed.split(",")]
        except ValueError as error:
            raise ConfigurationError(f"--at {text}: write NAME=VALUE or NAME=VALUE,VALUE, as quantile=0.3") from error
        found.setdefault(name.strip(), []).extend(values)
    return found


class Occurrences:
    """How often conditions have come so far, by a hash of each: 16 bytes a distinct condition."""

    def __init__(self) -> None:
        self._keys, self._counts = np.zeros(0, np.uint64), np.zeros(0, np.intp)

    def of(self, conditions: NDArray[np.float64]) -> NDArray[np.intp]:
        """The number of earlier rows, of this portion and those before, with the same condition: (N, C) → (N,)."""
        rows = Rows.of(conditions)
        keys = condition_keys(conditions[rows.distinct], 0)
        at = np.searchsorted(self._keys, keys)
        known = np.flatnonzero(at < len(self._keys))
        known = known[self._keys[at[known]] == keys[known]]
        before = np.zeros(len(keys), np.intp)
        before[known] = self._counts[at[known]]
        sizes = np.bincount(rows.number, minlength=len(keys))
        self._counts[at[known]] += sizes[known]
        new = np.setdiff1d(np.arange(len(keys)), known)
        new = new[np.argsort(keys[new])]
        self._keys, self._counts = (
            np.insert(self._keys, at[new], keys[new]),
            np.insert(self._counts, at[new], sizes[new]),
        )
        return rows.occurrence + before[rows.number]


def sample_file(surrogate: "Surrogate", source: Path, target: Path, question: Question) -> int:
    """Answer every row of a table of conditions in another table; returns the number of rows written.

    Written are row (of the file, from 0), the hyperparameters, draw, and the outputs: of a row all λ, of a λ all draws.
    Raises HyperparameterError or DataError, which names the rows, for what the surrogate refuses.
    """
    columns = _wanted(surrogate, source, question)
    texts = [c.name for c in surrogate.schema.conditions if c.categories]
    size, first, written, seen = portion_rows(surrogate, question), 0, 0, Occurrences()
    steps = -(-count_rows(source) // size)
    with table_writer(target) as write, counting("portions", steps) as step:
        for frame in read_portions(source, columns, texts, size):
            try:
                answer = answers(surrogate, frame, question, seen)
            except SweepError as error:
                place = f"{source}, rows {first} to {first + len(frame) - 1}, counted from 0"
                raise type(error)(f"{place}: {error}") from error
            answer["row"] += first
            write(answer)
            first, written = first + len(frame), written + len(answer)
            step()
    return written


def portion_rows(surrogate: "Surrogate", question: Question) -> int:
    """The rows that are read at a time."""
    drawn = len(question.grid) * question.draws
    points = drawn if surrogate.deterministic else max(drawn, DRAWN)
    return int(np.clip(PORTION // (points * len(surrogate.schema.outputs)), 1, MOST_ROWS))


def answers(surrogate: "Surrogate", frame: pd.DataFrame, question: Question, seen: Occurrences) -> pd.DataFrame:
    """The answer to one portion, whose rows are counted from 0."""
    schema, grid = surrogate.schema, question.grid
    names = [column.name for column in schema.hyperparameters]
    conditions = read_conditions(frame[[column.name for column in schema.conditions]], schema.conditions)
    count, asked = len(frame), np.empty((len(frame), len(grid), len(names)))
    for p, name in enumerate(names):
        given = list(question.values).index(name) if name in question.values else None
        asked[..., p] = frame[name].to_numpy(np.float64)[:, None] if given is None else grid[:, given]
    repeats, values = len(grid), asked.reshape(-1, len(names))
    samples = surrogate.sample(
        np.repeat(conditions, repeats, axis=0),
        values,
        draws=question.draws,
        seed=question.seed,
        strict=question.strict,
        occurrence=np.repeat(seen.of(conditions), repeats),
    )
    flat = samples.reshape(-1, len(schema.outputs))
    draws = question.draws
    told = {"row": np.repeat(np.arange(count), repeats * draws)}
    told |= {name: np.repeat(values[:, p], draws) for p, name in enumerate(names)}
    told |= {"draw": np.tile(np.arange(draws), count * repeats)}
    return pd.DataFrame(told | {column.name: flat[:, i] for i, column in enumerate(schema.outputs)})


def _wanted(surrogate: "Surrogate", source: Path, question: Question) -> list[str]:
    """The columns to read; each hyperparameter has to come from the file or from the question, and from one of them."""
    conditions = [column.name for column in surrogate.schema.conditions]
    names, found = [column.name for column in surrogate.schema.hyperparameters], columns_of(source)
    if unknown := [name for name in question.values if name not in names]:
        raise ConfigurationError(f"--at names {unknown}; the hyperparameters of this surrogate are {names}")
    if missing := [name for name in conditions if name not in found]:
        raise DataError(f"{source}: columns {missing} are missing; it has {found}, and conditions are {conditions}")
    if twice := [name for name in names if name in found and name in question.values]:
        raise ConfigurationError(f"{twice} are columns of {source} and named by --at; take one of the two")
    if nowhere := [name for name in names if name not in found and name not in question.values]:
        example = f"--at {nowhere[0]}=VALUE"
        raise ConfigurationError(f"no λ: give {example}, or a column {nowhere[0]!r} in {source} (it has {found})")
    return [*conditions, *(name for name in names if name not in question.values)]
