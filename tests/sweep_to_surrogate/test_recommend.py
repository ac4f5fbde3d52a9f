import numpy as np
import pandas as pd
import pytest

from pipeline.consumers.objective import read_objective
from pipeline.consumers.recommend import Problem, recommend

OBJECTIVE = "(east - 1) ** 2 + north ** 2"


@pytest.mark.parametrize(
    ("per", "labels", "rows"),
    [("overall", ["all"], [5]), ("row", [0, 1, 2, 3, 4], [1] * 5), ("group=site", ["a", "b"], [2, 3])],
)
def test_the_table_is_what_the_library_recommends(
    call, bundle, conditions, fitted_surrogate, tmp_path, per, labels, rows
):
    arguments = ("--conditions", conditions, "--objective", OBJECTIVE, "--per", per, "--draws", 8)
    done = call("recommend", bundle, *arguments, "--output", tmp_path / "best.csv")
    assert done.exit_code == 0, done.output
    found = pd.read_csv(tmp_path / "best.csv")
    assert found.iloc[:, 0].tolist() == labels
    assert found["rows"].tolist() == rows
    assert ((found["s_low"] <= found["s"] + 1e-9) & (found["s"] <= found["s_high"] + 1e-9)).all()
    table = np.array([[0], [3], [1], [3], [2]], float)
    problem = Problem(fitted_surrogate, read_objective(OBJECTIVE, {"east", "north"}), table, draws=8)
    if per == "overall":
        (expected,) = recommend(problem)
        assert found["s"][0] == pytest.approx(expected.value[0], abs=1e-3)
        assert f"{found['objective'][0]:.4g}" in done.stdout


def test_maximising_finds_another_value(call, bundle, conditions, tmp_path):
    base = ("recommend", bundle, "--conditions", conditions, "--objective", "north", "--draws", 8)
    for way in ("maximise", "minimise"):
        assert call(*base, f"--{way}", "--output", tmp_path / f"{way}.parquet").exit_code == 0
    most, least = (pd.read_parquet(tmp_path / f"{way}.parquet")["objective"][0] for way in ("maximise", "minimise"))
    assert most > least


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--objective", "west"), "there is no column 'west'; there are ['category', 'east', 'north', 's']"),
        (("--objective", "east.sum()"), "'east.sum()' is not allowed in it"),
        (("--objective", "east", "--per", "group=country"), "a column of ['category', 'site']"),
        (("--objective", "east", "--per", "each"), "--per each: overall, row or group=COLUMN"),
        (("--objective", "log(east)", "--draws", "8"), "it must be finite everywhere"),
        (("--objective", "east", "--output", "best.xlsx"), "unknown format '.xlsx'"),
    ],
)
def test_what_cannot_be_recommended_is_one_line(call, bundle, conditions, options, message):
    done = call("recommend", bundle, "--conditions", conditions, *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
