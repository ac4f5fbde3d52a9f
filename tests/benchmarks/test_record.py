"""Records survive an interruption, and a document is rendered from them."""

import math

import pytest

from benchmarks.document import HEAD, render
from benchmarks.machine import Stamp
from benchmarks.record import Record, Task, side_tasks_merged

STAMP = Stamp("2026-01-02", "a processor", 2, 8.0, "3.11", "2.8", "abc", 0.1)


def double(value):
    return {"row": {"figure": 2.0 * value, "none": math.nan}}


def fail():
    raise RuntimeError("interrupted")


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "some.json", STAMP)


def test_what_was_measured_before_a_failure_is_on_disk(record):
    with pytest.raises(RuntimeError, match="interrupted"):
        record.measure([Task("a", 0, double, (1,)), Task("a", 1, double, (3,)), Task("b", 0, fail)])
    loaded = Record.load(record.path)
    assert loaded.values("a", "row", "figure") == [2.0, 6.0]
    assert math.isnan(loaded.values("a", "row", "none")[0])
    assert loaded.tasks() == ["a"]
    assert loaded.stamp == STAMP


def test_resumed_record_measures_only_what_it_lacks(record):
    record.measure([Task("a", 0, double, (1,))])
    resumed = Record.begin("some", resume=True, folder=record.path.parent)
    resumed.measure([Task("a", 0, fail), Task("a", 1, double, (2,))])
    assert resumed.values("a", "row", "figure") == [2.0, 4.0]
    assert resumed.notes == ["In part measured before: 2026-01-02, commit abc"]


@pytest.mark.slow
def test_processes_measure_the_same(record):
    record.measure([Task("a", seed, divmod_rows, (7, seed + 1)) for seed in range(3)], processes=2)
    assert record.values("a", "row", "rest") == [0.0, 1.0, 1.0]


def divmod_rows(a, b):
    return {"row": {"rest": float(a % b)}}


def test_rows_of_side_tasks_join_their_task(record):
    record.measure([Task("a", 0, double, (1,)), Task("a/side", 0, divmod_rows, (7, 4)), Task("ab", 0, double, (9,))])
    merged = side_tasks_merged(record, "a")
    assert merged.tasks() == ["a"]
    assert merged.values("a", "row", "rest") == [3.0]


def test_document_says_what_was_not_measured_and_what_was_skipped(tmp_path):
    record = Record(tmp_path / "quantiles_etth2.json", STAMP)
    record.skip("a file is missing")
    text = render(["quantiles_etth2", "cost_memory"], tmp_path)
    assert text.startswith(HEAD)
    assert "Skipped: a file is missing." in text
    assert "Not measured: `python -m benchmarks --only cost_memory`" in text
