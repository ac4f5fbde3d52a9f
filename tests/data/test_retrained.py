import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.retrained import Retrained, Samples, save_retrained
from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError
from pipeline.families.semicircles.family import SemicircleNetwork

SCHEMA = Schema(
    hyperparameter=Column(name="s"),
    outputs=(Column(name="y0"), Column(name="y1")),
    conditions=(Column(name="category", kind="categorical"),),
)
CODES = np.repeat(np.arange(4.0), 3)[:, None]


def samples(rows: int, dtype: type) -> Samples:
    return Samples(np.random.default_rng(rows).normal(size=(rows, 2)).astype(dtype), CODES[:rows].astype(dtype))


PLANE = SCHEMA.model_copy(update={"further_hyperparameters": (Column(name="t"),)})


def entry(value, seed: int = 1) -> Retrained:
    return Retrained(value, seed, samples(12, np.float32), samples(9, np.float64), SemicircleNetwork(0.25))


@pytest.fixture
def folder(tmp_path) -> Path:
    save_retrained([entry(0.1), entry(1 / 3, 7)], SCHEMA, tmp_path / "retrained")
    return tmp_path / "retrained"


def test_what_is_saved_is_read_again(folder):
    first, second = Retrained.load(folder)
    assert [(first.value, first.seed), (second.value, second.seed)] == [(0.1, 1), (1 / 3, 7)]
    for read in (first, second):
        for split, given in (("fit", samples(12, np.float32)), ("score", samples(9, np.float64))):
            for array, expected in zip(getattr(read, split), given, strict=True):
                assert array.dtype == expected.dtype
                np.testing.assert_array_equal(array, expected)
        np.testing.assert_array_equal(read.network.outputs(CODES, 2, 5), SemicircleNetwork(0.25).outputs(CODES, 2, 5))


def test_several_hyperparameters(folder):
    save_retrained([entry((1 / 3, 2.0), 7)], PLANE, folder)
    assert [again.value for again in Retrained.load(folder)] == [(1 / 3, 2.0)]


def test_none_is_an_index_alone(folder):
    save_retrained([], SCHEMA, folder)
    assert [path.name for path in folder.iterdir()] == ["retrained.json"]
    assert Retrained.load(folder) == ()


@pytest.mark.parametrize("name", ["retrained.json", "1/fit.parquet", "0/score.parquet", "0/network/family.json"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(
        BundleError, match=rf"{name} is missing: .* does not contain a complete set of retrained networks"
    ):
        Retrained.load(folder)


def test_changed_file_is_refused(folder):
    (folder / "1" / "fit.parquet").write_bytes((folder / "0" / "score.parquet").read_bytes())
    with pytest.raises(BundleError, match=r"1/fit.parquet is corrupted \(checksum mismatch\)"):
        Retrained.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, r"format 2 of a set of retrained networks; this version reads 1"),
        ({"retrained": [{"value": [], "seed": 1}]}, r"retrained.json is corrupted .*; run stage dataset again"),
        ({"retrained": [{"value": [0, 1], "seed": 1}]}, r"\(0.0, 1.0\) has not one number a hyperparameter"),
        ({"retrained": [{"value": ["a"], "seed": 1}]}, r"retrained.json is corrupted"),
        ({"retrained": [{"value": [0.1]}]}, r"retrained.json is corrupted \(KeyError\('seed'\)\)"),
        ({"schema": {}}, r"retrained.json is corrupted"),
        ({"files": None}, r"retrained.json is corrupted"),
    ],
)
def test_index_that_says_nothing_is_refused(folder, changes, message):
    path = folder / "retrained.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(BundleError, match=message):
        Retrained.load(folder)


def test_other_folders_are_not_replaced(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(BundleError, match=r"contains other files but no retrained.json"):
        save_retrained([], SCHEMA, tmp_path)
