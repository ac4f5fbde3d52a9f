"""A series as forecasters see it: split in time, cut into windows of a history and what followed.

The series is split 70/15/15 in time into train, validation and test, and no window straddles two splits. Networks are
trained on train and stop early on validation. The surrogate is fitted on contexts of those two, and scored on test.
"""

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column
from pipeline.data.values import value_of
from pipeline.errors import ConfigurationError, DataError
from pipeline.families.conditioned import ConditionedModule, ConditionedModules
from pipeline.families.forecasters.settings import ForecasterSettings
from pipeline.families.protocol import Data, IngestSection, Split, drawn_conditions
from pipeline.families.torch_family import DeterministicFamily

if TYPE_CHECKING:
    from pipeline.data.conditioned import Box, ConditionedNetwork
    from pipeline.families.forecasters.pinball import ForecastModule

TRAIN_END, VALIDATION_END = 0.70, 0.85
"""Ends of the train and validation splits, as fractions of the series."""

Part = Literal["train", "validation", "test"]

BROKEN = (ValueError, EOFError, OSError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, tarfile.TarError)
"""What pandas raises for a file that is not a table: its own errors (ValueErrors), and those of the compressions."""


class SeriesFamily(DeterministicFamily, ConditionedModules):
    """What forecasters share but λ; ingest.source is any CSV with a value column, one row a time step, in order."""

    Settings = ForecasterSettings
    settings: ForecasterSettings

    @property
    def width(self) -> int:
        """Hours of the history."""
        return self.settings.history

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Read the value column; DataError where it is missing, not numeric, has gaps or is too short for windows."""
        values = _read_column(source, settings.column)
        if (shortest := min(map(len, _splits(values).values()))) < self.settings.window:
            raise DataError(
                f"ingest.source = {source} has {len(values)} rows, and its shortest split {shortest}: too few for a "
                f"window of train.history + train.horizon = {self.settings.window}; give a longer series"
            )
        if not np.ptp(_splits(values)["train"]) > 0:  # the computed deviation of equal numbers may differ from 0
            raise DataError(f"ingest.source = {source}: column {settings.column!r} is constant over the train split")
        return Data({"values": values}, {"column": settings.column, "units": settings.units})

    def columns(self, data: Data) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
        """Conditions temp_t-11 … temp_t-0 and outputs temp_t+1 … of a column temp, all in its units."""
        column, units = data.attributes["column"], data.attributes["units"]
        past = tuple(Column(name=f"{column}_t-{i}", units=units) for i in reversed(range(self.settings.history)))
        return past, tuple(Column(name=f"{column}_t+{i + 1}", units=units) for i in range(self.settings.horizon))

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """Distinct contexts (n, history), drawn at random, in the order of time; none of score occurs in fit."""
        known: tuple[Part, Part] = ("train", "validation")
        fit = np.concatenate([self.windows(data, part)[:, : self.settings.history] for part in known])
        score = self.windows(data, "test")[:, : self.settings.history]
        pool = _distinct(fit) if split == "fit" else _distinct(score, known=fit)
        return drawn_conditions(pool, count, seed)

    def test_outcomes(self, data: Data) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """All contexts (n, history) of the test split, and the values that followed (n, horizon)."""
        windows, history = self.windows(data, "test"), self.settings.history
        return np.asarray(windows[:, :history], np.float32), np.asarray(windows[:, history:], np.float32)

    def build_conditioned(self, features: int) -> "ForecastModule":
        """An untrained forecaster of all λ."""
        from pipeline.families.forecasters.pinball import ForecastModule

        return ForecastModule(self.settings, features)

    def train_conditioned(self, data: Data, box: "Box", seed: int) -> "tuple[ConditionedNetwork, dict[str, float]]":
        """Train an implicit quantile network; metrics are its loss in the mean over λ, in the data's units, and epochs.

        Epochs, batches and stopping are those of one λ's network.
        """
        from pipeline.families.forecasters.implicit import train

        for end in (box.lowest, box.highest):
            self.check_hyperparameter(box.named(value_of(end)))
        known, watched = self.windows(data, "train"), self.windows(data, "validation")
        module, metrics = train(known, watched, box, self.settings, seed)
        return ConditionedModule(self, module, box), metrics

    def windows(self, data: Data, part: Part) -> NDArray[np.float32]:
        """Windows (N, history + horizon) of a split of the series, in the order of time."""
        return self._windows(_splits(data.arrays["values"])[part])

    def _windows(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.lib.stride_tricks.sliding_window_view(values, self.settings.window)


def _splits(values: NDArray[np.float32]) -> dict[Part, NDArray[np.float32]]:
    first, second = int(TRAIN_END * len(values)), int(VALIDATION_END * len(values))
    return {"train": values[:first], "validation": values[first:second], "test": values[second:]}


def _distinct(contexts: NDArray[np.float32], known: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """First occurrences of rows, in their order, without those that also occur in `known`."""
    seen = set() if known is None else {row.tobytes() for row in known}
    keep = []
    for i, row in enumerate(contexts):
        if (key := row.tobytes()) not in seen:
            seen.add(key)
            keep.append(i)
    return contexts[keep]


def _read_table(source: Path) -> Any:
    import pandas as pd

    if source.is_dir():
        raise DataError(f"ingest.source = {source} is a folder; set the path of a CSV file in it")
    if not source.is_file():
        raise DataError(f"ingest.source = {source} does not exist; set the path of a CSV file")
    try:
        return pd.read_csv(source)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"ingest.source = {source} is empty; a header and rows are needed") from error
    except BROKEN as error:
        raise DataError(f"ingest.source = {source} is not a CSV file: {error}") from error
    except ImportError as error:
        raise DataError(f"ingest.source = {source} cannot be decompressed ({error}); unpack it") from error


def _read_column(source: Path, column: str) -> NDArray[np.float32]:
    import pandas as pd

    table = _read_table(source)
    if not column:
        raise ConfigurationError(f"ingest.column is empty; set one of {list(table.columns)}")
    if column not in table.columns:
        raise DataError(f"ingest.column = {column!r} is not in {source}; its columns are {list(table.columns)}")
    with np.errstate(over="ignore"):  # values beyond float32 are treated as missing
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64).astype(np.float32)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        first = table[column].iloc[bad[0]]
        shown = repr(first) if isinstance(first, str) else str(first)
        # The header is line 1, as an editor counts.
        raise DataError(
            f"ingest.source = {source}: column {column!r} holds {shown} in line {bad[0] + 2} "
            f"({bad.size} such rows); finite numbers are needed: fill or remove these rows"
        )
    return np.asarray(values, np.float32)
