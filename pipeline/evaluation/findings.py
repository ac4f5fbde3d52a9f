"""What stage compare found of the methods that are fitted, as the file that stage validate reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pipeline.data.mesh import Value
from pipeline.errors import BundleError
from pipeline.evaluation.scores import Score
from pipeline.evaluation.task_table import TaskTable
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json


@dataclass(frozen=True)
class Cost:
    """What a method takes on this machine, in wall seconds. fit: once. ask: for 1,000 answers in one call."""

    method: str
    fit: float
    ask: float


@dataclass(frozen=True)
class _Table:
    """A `TaskTable` in JSON: λ and what it has, in pairs."""

    name: str
    names: tuple[str, ...]
    rows: list[tuple[Value, dict[str, float]]]
    episodes: list[tuple[Value, dict[str, list[float]]]]


@dataclass(frozen=True)
class _Document:
    scores: tuple[Score, ...]
    tables: tuple[_Table, ...]
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class Findings:
    """Scores at the held-out λ, tables of task scores and features, and costs, of methods that are fitted."""

    scores: tuple[Score, ...] = ()
    tables: tuple[TaskTable, ...] = ()
    costs: tuple[Cost, ...] = ()

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        document = _Document(self.scores, tuple(map(_written, self.tables)), self.costs)
        write_json(path, TypeAdapter(_Document).dump_python(document, mode="json"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote; BundleError where it is missing or corrupted."""
        document: Any = read_json(path, "comparison")
        try:
            found = TypeAdapter(_Document).validate_python(document)
        except ValidationError as error:
            raise BundleError(
                f"{path} is corrupted, or of another version; run stage compare again: {error}"
            ) from error
        return cls(found.scores, tuple(map(_read, found.tables)), found.costs)


def _written(table: TaskTable) -> _Table:
    def lists(found: Mapping[str, Any]) -> dict[str, list[float]]:
        return {method: scores.tolist() for method, scores in found.items()}

    return _Table(table.name, table.names, list(table.rows), [(v, lists(e)) for v, e in table.episodes.items()])


def _read(table: _Table) -> TaskTable:
    episodes = {value: {m: np.array(scores) for m, scores in found.items()} for value, found in table.episodes}
    return TaskTable(table.name, tuple(table.rows), episodes, names=table.names)
