"""The time column of a series: order, duplicates, gaps, changes of clocks; and what looks wrong before training."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ConfigurationError, DataError
from pipeline.families.forecasters.settings import ForecasterSettings
from pipeline.families.forecasters.table import Series, read_series
from pipeline.families.forecasters.times import in_words, read_times
from pipeline.families.protocol import IngestSection
from pipeline.families.quantile_forecaster.family import QuantileForecaster
from pipeline.stages.raw import bundled_file

HOURS = pd.date_range("2021-03-01", periods=300, freq="h")
VALUES = np.round(20 + np.random.default_rng(5).normal(0, 3, 300), 2)
FORM = "%Y-%m-%d %H:%M"


def write(folder: Path, when, values=None, head: str = "when,flow") -> Path:
    values = VALUES[: len(when)] if values is None else values
    path = folder / "series.csv"
    path.write_text("\n".join([head, *(f"{t},{v}" for t, v in zip(when, values, strict=True))]), encoding="utf-8")
    return path


def read(path: Path, **options) -> Series:
    return read_series(path, IngestSection(**{"source": "series.csv", "column": "flow"} | options))


def hours(form: str = FORM) -> list[str]:
    return HOURS.strftime(form).tolist()


@pytest.mark.parametrize("order", ["newest first", "shuffled"])
def test_rows_are_ordered_by_time_where_it_is_told_and_refused_where_not(tmp_path, order):
    rows = np.arange(300)[::-1] if order == "newest first" else np.random.default_rng(1).permutation(300)
    path = write(tmp_path, np.array(hours())[rows], VALUES[rows])
    said = "rows are newest first" if order == "newest first" else r"not in the order of time: line \d+"
    with pytest.raises(DataError, match=rf"{said}.*'when'.*set ingest.time: when, by which rows are ordered"):
        read(path)
    series = read(path, time="when")
    np.testing.assert_array_equal(series.values, VALUES)
    assert series.starts.size == 0


def test_gaps_end_windows_where_the_time_is_told_and_are_refused_where_not(tmp_path):
    keep = np.r_[0:150, 230:300]
    path = write(tmp_path, np.array(hours())[keep], VALUES[keep])
    with pytest.raises(DataError, match=r"has 1 gap in its steps of 1 h: the first, of 3.375 days, before line 152 \("):
        read(path)
    series = read(path, time="when")
    assert series.starts.tolist() == [150]
    np.testing.assert_array_equal(series.values, VALUES[keep])


def test_doubts_may_be_warnings(tmp_path, caplog):
    keep = np.r_[0:150, 230:300]
    path = write(tmp_path, np.array(hours())[keep], VALUES[keep])
    series = read(path, doubts="warn")
    assert series.starts.size == 0
    (warned,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "has 1 gap in its steps of 1 h" in warned


def test_no_window_crosses_a_gap(tmp_path):
    # Values are hours since the beginning, so a window shows which rows it was cut from.
    keep = np.r_[0:60, 61:120, 140:200, 205:300]
    path = write(tmp_path, np.array(hours())[keep], np.arange(300.0)[keep])
    family = QuantileForecaster(ForecasterSettings(history=4, horizon=2, hidden=(8,)))
    section = IngestSection(source="series.csv", column="flow", time="when", missing=[250])
    data = family.ingest(path, section)
    ends = {"train": int(0.7 * (len(keep) - 1)), "validation": int(0.85 * (len(keep) - 1)), "test": len(keep) - 1}
    begin, kept = 0, np.array([hour for hour in keep if hour != 250])
    for part, end in ends.items():
        windows = family.windows(data, part)
        assert (np.diff(windows, axis=1) == 1).all()
        expected = [i for i in range(begin, end - 5) if kept[i + 5] - kept[i] == 5]
        np.testing.assert_array_equal(windows[:, 0], kept[expected])
        begin = end
    contexts, truth = family.test_outcomes(data)
    np.testing.assert_array_equal(truth[:, 0], contexts[:, -1] + 1)
    assert (np.diff(family.conditions(data, "fit", 1000, 0), axis=1) == 1).all()


def test_gaps_everywhere_leave_no_window(tmp_path):
    keep = [i for i in range(300) if i % 24 < 5]
    path = write(tmp_path, np.array(hours())[keep], VALUES[keep])
    family = QuantileForecaster(ForecasterSettings(history=4, horizon=2))
    with pytest.raises(DataError, match=r"between two gaps lie 5 rows at most, and nowhere in the split train is room"):
        family.ingest(path, IngestSection(source="series.csv", column="flow", time="when"))


@pytest.mark.parametrize("told", [{}, {"time": "when"}], ids=["evident", "told"])
def test_a_time_twice_is_refused(tmp_path, told):
    rows = np.r_[0:60, 59, 60:300]
    path = write(tmp_path, np.array(hours())[rows], VALUES[rows])
    with pytest.raises(DataError, match=r"'when' holds 2021-03-03 11:00 twice, in lines 61 and 62 \(1 such times\)"):
        read(path, **told)


@pytest.mark.parametrize("told", [{}, {"time": "when"}], ids=["evident", "told"])
def test_several_series_in_one_file_are_refused(tmp_path, told):
    path = write(tmp_path, hours() * 2, np.r_[VALUES, VALUES + 100])
    with pytest.raises(DataError, match=r"every time about 2 times .* in lines 2 and 302\): several series below one"):
        read(path, **told)


@pytest.mark.parametrize("told", [{}, {"time": "when"}], ids=["evident", "told"])
def test_steps_of_no_one_size_are_refused(tmp_path, told):
    when = hours()
    when[100] = HOURS[99].strftime("%Y-%m-%d %H:10")
    with pytest.raises(DataError, match=r"'when' has no regular step: 1 steps .* the first \(10 min\) before line 102"):
        read(write(tmp_path, when), **told)


@pytest.mark.parametrize("told", [{}, {"time": "when"}], ids=["evident", "told"])
def test_a_total_below_the_rows_is_refused(tmp_path, told):
    path = write(tmp_path, [*hours(), "Total"], [*VALUES, 6000])
    with pytest.raises(DataError, match=r"'when' holds 'Total' in line 302, which is no time \(the only such row\)"):
        read(path, **told)


def test_a_total_without_times_is_refused(tmp_path):
    values = [1.5, 2.5, 4.0, 8.0, 3.0]
    path = write(tmp_path, range(6), [*values, sum(values)])
    with pytest.raises(DataError, match="ends with 19 in line 7, the sum of all other values; remove that line"):
        read(path)


BERLIN = pd.date_range("2021-10-30", periods=72, freq="h", tz="Europe/Berlin")
SPRING = pd.date_range("2021-03-27", periods=72, freq="h", tz="Europe/Berlin")


@pytest.mark.parametrize("clock", [BERLIN, SPRING], ids=["autumn", "spring"])
def test_changes_of_clocks_are_no_faults_where_the_zone_is_said(tmp_path, clock):
    local = clock.strftime("%Y-%m-%dT%H:%M:%S%z")
    series = read(write(tmp_path, local), time="when")
    np.testing.assert_array_equal(series.values, VALUES[:72])
    assert series.starts.size == 0
    utc = clock.tz_convert("UTC")
    for texts, name in ((utc.strftime("%Y-%m-%d %H:%MZ"), "when"), (utc.strftime(FORM), "utc_when")):
        assert read(write(tmp_path, texts, head=f"{name},flow"), time=name).starts.size == 0


@pytest.mark.parametrize("clock", [BERLIN, SPRING], ids=["autumn", "spring"])
@pytest.mark.parametrize("step", [1, 4], ids=["hours", "quarters"])
def test_changes_of_clocks_are_known_in_local_times_that_nobody_asked_for(tmp_path, clock, step):
    fine = pd.date_range(clock[0], periods=60 * step, freq=f"{60 // step}min")
    np.testing.assert_array_equal(read(write(tmp_path, fine.strftime(FORM))).values, VALUES[: 60 * step])


def test_local_times_that_are_told_need_their_offset_in_autumn(tmp_path):
    with pytest.raises(DataError, match=r"2021-10-31 02:00 twice.*write times in UTC or with their offset"):
        read(write(tmp_path, BERLIN.strftime(FORM)), time="when")


def test_a_row_that_is_copied_in_that_night_is_no_change_of_clocks(tmp_path):
    values = VALUES[:72].copy()
    values[27] = values[26]
    with pytest.raises(DataError, match="2021-10-31 02:00 twice"):
        read(write(tmp_path, BERLIN.strftime(FORM), values))


@pytest.mark.parametrize(
    "form",
    [
        "%d.%m.%Y %H:%M",
        "%m/%d/%Y %H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%Y/%m/%d %H:%M",
        "%d.%m.%y %H:%M",
        "%d-%b-%Y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%Y%m%d%H",
        "%Y%m%d%H%M",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S UTC",
    ],
)
def test_times_as_people_write_them(form):
    found = read_times([pd.Series(hours(form), dtype=str)], ("when",))
    np.testing.assert_array_equal(np.diff(found.values), 3600)
    assert found.values[0] == HOURS[0].timestamp()


def test_days_and_months_are_told_apart_by_the_steps():
    days = pd.date_range("2021-01-01", periods=12, freq="D")  # 01/02/2021 is read both ways
    found = read_times([pd.Series(days.strftime("%d/%m/%Y"), dtype=str)], ("day",))
    np.testing.assert_array_equal(np.diff(found.values), 86_400)


def test_a_date_and_a_clock_are_one_time(tmp_path):
    path = tmp_path / "series.csv"
    rows = [f"{t:%d/%m/%Y};{t:%H.%M.%S};{v}".replace(".", ".") for t, v in zip(HOURS, VALUES, strict=True)]
    path.write_text("\n".join(["Date;Time;flow", *rows]))
    np.testing.assert_array_equal(read(path).values, VALUES)  # both are evident: no day occurs 24 times
    keep = [rows[i] for i in range(300) if i != 40]
    path.write_text("\n".join(["Date;Time;flow", *keep]))
    with pytest.raises(DataError, match=r"'Date' and 'Time' has 1 gap .* set ingest.time: \[Date, Time\]"):
        read(path)
    assert read(path, time=["Date", "Time"]).starts.tolist() == [40]


def test_months_are_a_step(tmp_path):
    months = pd.date_range("2001-01-01", periods=120, freq="MS").strftime("%Y-%m")
    assert read(write(tmp_path, months), time="when").starts.size == 0


def test_numbers_count_rows(tmp_path):
    keep = [i for i in range(200) if not 50 <= i < 60]
    path = write(tmp_path, [1_600_000_000 + 60 * i for i in keep])
    assert read(path).starts.size == 0  # a number is evidently no time
    assert read(path, time="when").starts.tolist() == [50]


@pytest.mark.parametrize("mark", [-200, -9999, 999.9, 99999])
def test_a_mark_of_missing_values_is_refused_until_it_is_said(tmp_path, mark):
    values = VALUES.copy()
    values[[7, 90, 91]] = mark
    path = write(tmp_path, hours(), values)
    with pytest.raises(DataError, match=rf"holds {mark} in 3 rows \(the first in line 9\).*missing: \[{mark}\]"):
        read(path)
    series = read(path, missing=[mark])
    assert len(series.values) == 297
    assert series.starts.tolist() == [7, 89]
    assert mark not in series.values


def test_texts_that_mean_no_value(tmp_path):
    values = VALUES.astype(object)
    values[7], values[50], values[51] = "?", "", "NA"
    series = read(write(tmp_path, hours(), values), missing=["?", "", "NA"])
    assert len(series.values) == 297
    assert series.starts.tolist() == [7, 49]


def test_a_number_of_the_data_is_no_mark(tmp_path):
    values = np.random.default_rng(0).uniform(-1500, 1500, 300)
    values[5] = -999
    assert len(read(write(tmp_path, hours(), values)).values) == 300


def test_what_float32_cannot_tell_apart_is_refused(tmp_path):
    path = write(tmp_path, hours(), 10**8 + np.arange(300))
    with pytest.raises(
        DataError, match=r"moves by 1 a row at values up to 1e.08, where float32, in which networks are"
    ):
        read(path)


@pytest.mark.parametrize(("time", "error"), [("flow", ConfigurationError), ("hour", DataError)])
def test_a_time_column_that_is_none(tmp_path, time, error):
    with pytest.raises(error, match=r"ingest\.time = "):
        read(write(tmp_path, hours()), time=time)


def test_steps_in_words():
    assert [in_words(s, dates=True) for s in (1, 90, 5400, 86_400)] == ["1 s", "1.5 min", "1.5 h", "1 days"]
    assert in_words(3, dates=False) == "3"


def test_the_bundled_series_raises_no_doubt(caplog):
    series = read(bundled_file("seattle-temps.csv"), column="temp")
    assert len(series.values) == 8759
    assert series.starts.size == 0
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
