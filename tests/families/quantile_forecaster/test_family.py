import gzip
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.families.forecasters.settings import ForecasterSettings
from pipeline.families.protocol import Data, IngestSection
from pipeline.families.quantile_forecaster.family import LEVEL, PINBALL, QuantileForecaster
from pipeline.stages.raw import bundled_file

SMALL = ForecasterSettings(history=4, horizon=2, hidden=(8,), max_epochs=3)
COLUMN = IngestSection(source="series.csv", column="value", units="kW")


def family(**settings) -> QuantileForecaster:
    return QuantileForecaster(SMALL.model_copy(update=settings))


def write_csv(folder: Path, values, column: str = "value") -> Path:
    path = folder / "series.csv"
    path.write_text(f"time,{column}\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values)), encoding="utf-8")
    return path


def counting(rows: int) -> Data:
    return Data({"values": np.arange(rows, dtype=np.float32)}, {"column": "value", "units": "kW"})


def test_ingest_reads_the_value_column(tmp_path):
    data = family().ingest(write_csv(tmp_path, range(100)), COLUMN)
    np.testing.assert_array_equal(data.arrays["values"], np.arange(100))
    assert data.attributes == {"column": "value", "units": "kW"}


def test_outcomes_are_what_followed_contexts_of_the_validation_split():
    # Values are row numbers.
    contexts, outcomes = family().outcomes(counting(200), 1000, 0)
    assert set(contexts[:, 0].astype(int)) == set(range(140, 170 - 5))
    np.testing.assert_array_equal(contexts, contexts[:, :1] + np.arange(4))
    np.testing.assert_array_equal(outcomes, contexts[:, -1:] + [1, 2])
    fewer, _ = family().outcomes(counting(200), 7, 0)
    assert len(fewer) == 7
    np.testing.assert_array_equal(fewer, family().outcomes(counting(200), 7, 0)[0])


def test_scores_are_of_what_followed_contexts_of_the_test_split():
    data = counting(400)
    contexts, truth = family().test_outcomes(data)
    np.testing.assert_array_equal(truth, contexts[:, -1:] + [1, 2])  # the series counts
    assert contexts.min() >= 0.85 * 400

    def below(x, draws, seed):
        return np.repeat((x[:, None, -1:] + [1, 2]) - 3.0, draws, axis=1)

    found = family().score(below, data, 0.9, 0)
    assert found == {PINBALL: pytest.approx(0.9 * 3), LEVEL: 0.9}


def test_contexts_stay_inside_their_splits():
    # Values are row numbers: a context shows which rows it was cut from, and its horizon follows it.
    fit = family().conditions(counting(200), "fit", 1000, 0)
    score = family().conditions(counting(200), "score", 1000, 0)
    starts = set(fit[:, 0].astype(int))
    assert starts == set(range(140 - 5)) | set(range(140, 170 - 5))
    assert set(score[:, 0].astype(int)) == set(range(170, 200 - 5))
    np.testing.assert_array_equal(fit, fit[:, :1] + np.arange(4))


def test_conditions_are_the_same_for_a_seed_and_a_subset_of_them_all():
    some = family().conditions(counting(200), "fit", 20, 7)
    np.testing.assert_array_equal(some, family().conditions(counting(200), "fit", 20, 7))
    assert len(np.unique(some[:, 0])) == 20
    assert not np.array_equal(some, family().conditions(counting(200), "fit", 20, 8))


def test_no_context_of_score_occurs_in_fit():
    # A period of 7 makes every context of the test split one of the train split too, but for the last, odd rows.
    values = np.tile(np.arange(7, dtype=np.float32), 40)
    values[-20:] += np.arange(20) / 100
    data = Data({"values": values}, {"column": "value", "units": ""})
    fit, score = (family().conditions(data, split, 1000, 0) for split in ("fit", "score"))
    assert len(fit) == 7
    # Rows 261 to 279 are odd: contexts that start at 258 touch one, and from 275 on their horizon has no room.
    assert len(score) == 275 - 258
    assert not {row.tobytes() for row in fit} & {row.tobytes() for row in score}


def test_schema_names_times_and_units():
    schema = family().schema(counting(100))
    assert [c.name for c in schema.conditions] == ["value_t-3", "value_t-2", "value_t-1", "value_t-0"]
    assert [c.name for c in schema.outputs] == ["value_t+1", "value_t+2"]
    assert {c.units for c in (*schema.conditions, *schema.outputs)} == {"kW"}
    assert schema.deterministic is True
    assert schema.picture == "forecast"
    assert schema.hyperparameter.name == "quantile"


@pytest.mark.parametrize("quantile", [0.0, 1.0, -0.1, 7.0, float("nan")])
def test_quantile_outside_zero_and_one_is_refused(quantile):
    with pytest.raises(HyperparameterError, match="between 0 and 1"):
        family().train(counting(100), quantile, 0)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"ingest.source = .*absent.csv does not exist"):
        family().ingest(tmp_path / "absent.csv", COLUMN)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "series.csv").touch()
    with pytest.raises(DataError, match="is empty"):
        family().ingest(tmp_path / "series.csv", COLUMN)


def test_binary_file_is_refused(tmp_path):
    (tmp_path / "series.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DataError, match="not a CSV file"):
        family().ingest(tmp_path / "series.csv", COLUMN)


@pytest.mark.parametrize("ending", ["gz", "bz2", "zip", "xz", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "content",
    [b"no archive", b"\x1f\x8b\x08\x00", gzip.compress(b"value" * 99, mtime=0)[:-9]],
    ids=["text", "header", "cut"],  # without ids the bytes name the test, and every worker must see one name
)
def test_broken_archive_is_refused(tmp_path, ending, content):
    (tmp_path / f"series.csv.{ending}").write_bytes(content)
    with pytest.raises(DataError, match=rf"ingest.source = .*series.csv.{ending} is not a CSV file"):
        family().ingest(tmp_path / f"series.csv.{ending}", COLUMN)


@pytest.mark.skipif(find_spec("zstandard") is not None, reason="needs an environment without zstandard")
def test_compression_that_is_not_installed_is_refused(tmp_path):
    (tmp_path / "series.csv.zst").touch()
    with pytest.raises(DataError, match=r"series.csv.zst cannot be decompressed .*; unpack it"):
        family().ingest(tmp_path / "series.csv.zst", COLUMN)


def test_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is a folder; set the path of a CSV file in it"):
        family().ingest(tmp_path, COLUMN)


def test_header_alone_is_refused(tmp_path):
    with pytest.raises(DataError, match="has 0 rows"):
        family().ingest(write_csv(tmp_path, []), COLUMN)


def test_missing_column_is_refused_and_the_columns_are_named(tmp_path):
    with pytest.raises(DataError, match=r"ingest.column = 'value' is not in .*; its columns are \['time', 'load'\]"):
        family().ingest(write_csv(tmp_path, range(100), "load"), COLUMN)


def test_unset_column_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"ingest.column is empty; set one of \['time', 'value'\]"):
        family().ingest(write_csv(tmp_path, range(100)), IngestSection(source="series.csv"))


@pytest.mark.parametrize("bad", ["cold", "", "inf", "nan", "1e39"])
def test_values_that_are_no_finite_numbers_are_refused(tmp_path, bad):
    with pytest.raises(DataError, match=rf"column 'value' holds '{bad}' in line 12 \(1 such rows\)"):
        family().ingest(write_csv(tmp_path, [*range(10), bad, *range(89)]), COLUMN)


def test_too_short_series_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has 34 rows, and its shortest split 5: too few .* = 6"):
        family().ingest(write_csv(tmp_path, range(34)), COLUMN)
    family().ingest(write_csv(tmp_path, range(40)), COLUMN)


@pytest.mark.parametrize("value", [5, 0.1, 1e30])
def test_constant_series_is_refused(tmp_path, value):
    with pytest.raises(DataError, match="constant"):
        family().ingest(write_csv(tmp_path, [value] * 100), COLUMN)


@pytest.mark.slow
def test_bundled_series_trains_within_seconds_and_covers_its_quantile():
    forecaster = QuantileForecaster(ForecasterSettings())
    data = forecaster.ingest(bundled_file("seattle-temps.csv"), IngestSection(source="s", column="temp", units="°F"))
    assert len(data.arrays["values"]) == 8759
    start = time.process_time()
    network, metrics = forecaster.train(data, 0.9, 0)
    assert time.process_time() - start < 6
    assert 1 <= metrics["best_epoch"] <= metrics["epochs"] <= 60
    windows = np.lib.stride_tricks.sliding_window_view(data.arrays["values"][:6131], 15)
    below = windows[:, 12:] <= network.outputs(windows[:, :12], 1, 0)[:, 0]
    assert below.mean() == pytest.approx(0.9, abs=0.07)  # train split: a quantile network covers its quantile
