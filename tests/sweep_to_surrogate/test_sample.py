import numpy as np
import pandas as pd
import pytest

from pipeline.surrogate.regions import Region
from tests.sweep_to_surrogate.conftest import CHAMPION

AT = ("--at", "s=0.3", "--draws", "3", "--seed", "1")


@pytest.mark.slow
def test_the_champion_answers_a_file_in_a_process_of_its_own(process, fitted_surrogate, conditions, tmp_path):
    done = process(
        "sample", "--model", CHAMPION, "--conditions", conditions, *AT, "--output", "y.parquet", cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "y.parquet: 15 rows\n", "")
    found = pd.read_parquet(tmp_path / "y.parquet")
    expected = fitted_surrogate.sample(np.array([[0], [3], [1], [3], [2]]), 0.3, draws=3, seed=1)
    np.testing.assert_allclose(found[["east", "north"]].to_numpy().reshape(5, 3, 2), expected, rtol=0, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "y.parquet"]


def test_model_version_and_bundle_answer_alike(call, bundle, conditions, tmp_path):
    for name, model in {"a": CHAMPION, "b": "models:/semicircles/1", "c": bundle}.items():
        done = call("sample", "--model", model, "--conditions", conditions, *AT, "--output", tmp_path / f"{name}.csv")
        assert done.exit_code == 0, done.output
    first, *others = [(tmp_path / f"{name}.csv").read_text() for name in "abc"]
    assert len(first.splitlines()) == 16
    assert others == [first, first]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("models:/absent@champion", "has no model 'absent' with the alias 'champion'"),
        ("models:/semicircles@latest", "has no model 'semicircles' with the alias 'latest'"),
        ("models:/semicircles/99", "models:/semicircles/99 cannot be fetched from"),
        ("models:/semicircles", "write models:/NAME@ALIAS or models:/NAME/VERSION"),
        ("nowhere", "nowhere holds no surrogate (no surrogate.json); name models:/NAME@champion"),
    ],
)
def test_a_model_that_is_not_there(call, conditions, tmp_path, model, message):
    done = call("sample", "--model", model, "--conditions", conditions, *AT, "--output", tmp_path / "y.csv")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_store_is_made_where_there_is_none(call, conditions, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    done = call("sample", "--model", CHAMPION, "--conditions", conditions, *AT, "--output", "y.csv")
    assert done.exit_code == 1
    assert "run this in the checkout that registered 'semicircles', or set MLFLOW_TRACKING_URI" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


def test_warnings_are_lines_and_strict_refuses(call, fitted_surrogate, conditions, tmp_path):
    regions = (Region(0.0, 0.5, "trusted", ("tested at 0.25",)), Region(0.5, 1.0, "untested", ("nothing is held out",)))
    fitted_surrogate.certified(regions).save(tmp_path / "certified")
    base = ("sample", "--model", tmp_path / "certified", "--conditions", conditions, "--output", tmp_path / "y.csv")
    done = call(*base, "--at", "s=0.7,0.8")
    assert (done.exit_code, done.stderr) == (0, "warning: s: untested from 0.5 to 1: nothing is held out\n")
    done = call(*base, "--at", "s=0.7", "--strict")
    assert done.exit_code == 1
    assert "untested from 0.5 to 1" in done.stderr


MEMORY = """
import resource, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from pipeline.consumers.stream import Question, sample_file
from pipeline.surrogate import Surrogate
surrogate = Surrogate.load(sys.argv[1])
sample_file(surrogate, Path(sys.argv[2]), Path("first.parquet"), Question({"s": [0.3]}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
written = sample_file(surrogate, Path(sys.argv[3]), Path("y.parquet"), Question({"s": [0.3]}))
print(written, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)
"""


@pytest.mark.slow
def test_a_million_rows_take_less_than_a_gibibyte(run_here, bundle, conditions, tmp_path):
    codes = np.random.default_rng(0).integers(0, 4, 1_000_000)
    pd.DataFrame({"category": codes}).to_csv(tmp_path / "many.csv", index=False)
    rows, gibibytes = run_here(MEMORY, tmp_path, bundle, conditions, tmp_path / "many.csv").split()
    assert int(rows) == 1_000_000
    assert float(gibibytes) < 1.0
