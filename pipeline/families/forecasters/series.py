"""A series as forecasters see it: split in time, cut into windows of a history and what followed.

The series is split 70/15/15 in time into train, validation and test, and no window straddles two splits. Networks are
trained on train and stop early on validation. The surrogate is fitted on contexts of those two, and scored on test.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column
from pipeline.data.values import value_of
from pipeline.errors import DataError
from pipeline.families.conditioned import ConditionedModule, ConditionedModules
from pipeline.families.forecasters.settings import ForecasterSettings
from pipeline.families.forecasters.table import read_series
from pipeline.families.protocol import Data, IngestSection, Split, drawn_conditions
from pipeline.families.torch_family import DeterministicFamily

if TYPE_CHECKING:
    from pipeline.data.conditioned import Box, ConditionedNetwork
    from pipeline.families.forecasters.pinball import ForecastModule

TRAIN_END, VALIDATION_END = 0.70, 0.85
"""Ends of the train and validation splits, as fractions of the series."""

Part = Literal["train", "validation", "test"]


STARTS = "starts"
"""Rows that do not follow on the one before them, ascending; no such array where there are none."""


class SeriesFamily(DeterministicFamily, ConditionedModules):
    """What forecasters share but λ; ingest.source is any CSV with a value column, one row a time step, in order."""

    Settings = ForecasterSettings
    settings: ForecasterSettings

    @property
    def width(self) -> int:
        """Hours of the history."""
        return self.settings.history

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Read the value column, in the order of `ingest.time`; DataError where it cannot be used, or looks wrong."""
        series = read_series(source, settings)
        values = np.asarray(series.values, np.float32)
        arrays = {"values": values} | ({STARTS: series.starts} if series.starts.size else {})
        data = Data(arrays, {"column": settings.column, "units": settings.units})
        self._check_length(data, source)
        if not np.ptp(_splits(values)["train"]) > 0:  # the computed deviation of equal numbers may differ from 0
            raise DataError(f"ingest.source = {source}: column {settings.column!r} is constant over the train split")
        return data

    def _check_length(self, data: Data, source: Path) -> None:
        values = data.arrays["values"]
        if (shortest := min(map(len, _splits(values).values()))) < self.settings.window:
            raise DataError(
                f"ingest.source = {source} has {len(values)} rows, and its shortest split {shortest}: too few for a "
                f"window of train.history + train.horizon = {self.settings.window}; give a longer series"
            )
        if empty := [part for part in _splits(values) if not len(self.windows(data, part))]:
            longest = int(np.diff([0, *data.arrays[STARTS], len(values)]).max())
            raise DataError(
                f"ingest.source = {source}: between two gaps lie {longest} rows at most, and nowhere in the split "
                f"{empty[0]} is room for a window of train.history + train.horizon = {self.settings.window}; set these "
                "lower, fill the gaps, or leave ingest.time out where rows follow on one another all the same"
            )

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
        """Windows (N, history + horizon) of a split of the series, in the order of time; none crosses a gap."""
        values, window = data.arrays["values"], self.settings.window
        begin, end = _bounds(len(values))[part]
        if end - begin < window:
            return np.zeros((0, window), np.float32)
        found = np.lib.stride_tricks.sliding_window_view(values[begin:end], window)
        if STARTS not in data.arrays:
            return found
        gaps = np.zeros(len(values) + 1, np.int64)  # how many gaps lie before each row
        np.add.at(gaps, data.arrays[STARTS] + 1, 1)
        before = np.cumsum(gaps)
        first = np.arange(begin, begin + len(found))
        return np.asarray(found[before[first + window] == before[first + 1]], np.float32)


def _bounds(rows: int) -> dict[Part, tuple[int, int]]:
    first, second = int(TRAIN_END * rows), int(VALIDATION_END * rows)
    return {"train": (0, first), "validation": (first, second), "test": (second, rows)}


def _splits(values: NDArray[np.float32]) -> dict[Part, NDArray[np.float32]]:
    return {part: values[begin:end] for part, (begin, end) in _bounds(len(values)).items()}


def _distinct(contexts: NDArray[np.float32], known: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """First occurrences of rows, in their order, without those that also occur in `known`."""
    seen = set() if known is None else {row.tobytes() for row in known}
    keep = []
    for i, row in enumerate(contexts):
        if (key := row.tobytes()) not in seen:
            seen.add(key)
            keep.append(i)
    return contexts[keep]
