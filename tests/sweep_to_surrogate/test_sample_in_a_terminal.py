"""The progress of `sample` as a terminal shows it: within its width, and gone at the end."""

import os
import sys

import numpy as np
import pandas as pd
import pytest

from pipeline.surrogate.regions import Region
from tests.paths import CHECKOUT
from tests.terminal import Screen, run_in_terminal

pytestmark = pytest.mark.slow
ROWS = 60_000
"""So many take longer than the two seconds between two reports."""
WARNING = "warning: s: untested from 0 to 1: nothing is held out"


@pytest.fixture(scope="module")
def asked(fitted_surrogate, tmp_path_factory):
    """A command whose answer comes with a warning, and the file that it writes."""
    folder = tmp_path_factory.mktemp("terminal")
    regions = (Region(0.0, 1.0, "untested", ("nothing is held out",)),)
    fitted_surrogate.certified(regions).save(folder / "bundle")
    codes = np.random.default_rng(0).integers(0, 4, ROWS)
    pd.DataFrame({"category": codes}).to_csv(folder / "x.csv", index=False)
    given = ("--model", folder / "bundle", "--conditions", folder / "x.csv", "--output", folder / "y.parquet")
    return folder, [sys.executable, "-m", "sweep_to_surrogate", "sample", *given, "--at", "s=0.3,0.4", "--draws", "4"]


def shown(command, columns, **variables):
    status, written = run_in_terminal(command, columns, PYTHONPATH=str(CHECKOUT), OMP_NUM_THREADS="1", **variables)
    assert status == 0, written
    return Screen(written, columns)


@pytest.mark.parametrize("columns", [100, 40])
def test_a_bar_moves_in_one_line_and_nothing_of_it_is_left(asked, columns):
    screen = shown(asked[1], columns)
    text = " ".join(screen.lines).split()
    assert " ".join(text[: len(WARNING.split())]) == WARNING
    assert "portions" not in text
    assert f"{2 * 4 * ROWS:,} rows" in " ".join(text)
    bars = [[line for line in frame if "portions" in line] for frame in screen.frames]
    assert max(map(len, bars)) == 1
    steps = {line.split(" of ")[0] for (line,) in filter(None, bars)}
    assert len(steps) > 1
    assert all(len(line) <= columns for frame in screen.frames for line in frame)
    assert any("━" in line for bar in bars for line in bar) == (columns == 100)
    assert any("left" in line for bar in bars for line in bar) or columns < 100


def test_a_terminal_that_takes_nothing_back_has_no_bar(asked):
    folder, command = asked
    assert shown(command, 200, TERM="dumb").lines == [WARNING, f"{folder / 'y.parquet'}: {2 * 4 * ROWS:,} rows", ""]


def test_where_stderr_is_no_terminal_there_is_no_bar(asked):
    folder, command = asked
    error = folder / "stderr"
    line = ["sh", "-c", '"$@" 2>"$0"', error, *command]
    assert shown(line, 200).lines == [f"{folder / 'y.parquet'}: {2 * 4 * ROWS:,} rows", ""]
    assert error.read_text() == f"{WARNING}{os.linesep}"


def test_an_error_stands_alone_and_in_full(asked):
    folder, command = asked
    pd.DataFrame({"category": [0.0] * ROWS + [9.0]}).to_csv(folder / "bad.csv", index=False)
    changed = [str(part).replace("x.csv", "bad.csv") for part in command]
    status, written = run_in_terminal(changed, 100, PYTHONPATH=str(CHECKOUT), OMP_NUM_THREADS="1")
    assert status == 1
    text = "".join(Screen(written, 100).lines)
    assert "portions" not in text
    assert "counted from 0: conditions: column 'category' contains 9.0, outside its bounds [0.0, 3.0]" in text
