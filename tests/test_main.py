import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.evaluation.gates.config import with_gates
from pipeline.stages.params import load_config
from tests.paths import CHECKOUT
from tests.sweeps import line_harvest, sweep_text, write_source


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, as DVC calls it."""
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "120"}
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "params.yaml").write_text(with_gates(sweep_text()), encoding="utf-8")
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "small.yaml").write_text(sweep_text(), encoding="utf-8")
    write_source(tmp_path)
    return tmp_path


def test_help_lists_the_commands_in_the_pipelines_order(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    stages = ["raw", "ingest", "train", "harvest", "dataset", "fit", "timing", "leave_out", "compare", "validate"]
    stages.append("register")
    places = [done.stdout.index(f"│ {name} ") for name in ["sweep", "check", *stages, "rollback"]]
    assert places == sorted(places)


def test_commands_before_training_do_not_load_torch(root):
    script = """
import sys
import pipeline.stages.params, pipeline.data.harvest, pipeline.__main__
from pipeline.__main__ import app
for arguments in (["--help"], ["check"], ["sweep", "small"], ["ingest"]):
    app(arguments, standalone_mode=False)
assert "torch" not in sys.modules, "torch"
"""
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_error_is_one_line_without_a_traceback(root):
    (root / "series.csv").unlink()
    done = run("check", cwd=root)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "error: ingest.source = series.csv does not exist; set the path of the source data\n"


def test_unexpected_exception_keeps_its_traceback(root):
    (root / "data").touch()  # a file where a folder is needed
    done = run("ingest", cwd=root)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "FileExistsError" in done.stderr or "NotADirectoryError" in done.stderr


def test_missing_params_file_is_said(tmp_path):
    done = run("train", "0.1", cwd=tmp_path)
    assert done.returncode == 1
    assert "params.yaml does not exist; `make sweep" in done.stderr


def test_sweep_writes_a_preset(root):
    (root / "params.yaml").unlink()
    assert run("sweep", "small", cwd=root).stdout == "params.yaml: sweep small\n"
    assert run("sweep", "small", cwd=root).stdout == "params.yaml: sweep small, as it was\n"
    assert run("check", cwd=root).stdout == "params.yaml: sweep small is well\n"


def test_sweep_of_a_harvest(root):
    line_harvest((-0.5, 0.0, 0.5, 1.0)).save(root / "mine")
    done = run("sweep", "--harvest", "mine", "--held-out", "0.0,0.5", cwd=root)
    assert done.returncode == 0, done.stderr
    assert load_config(root / "params.yaml").sweep.anchors == (-0.5, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"give the name of a preset, or --harvest PATH; presets are ['small']"),
        (["small", "--harvest", "x"], "give the name of a preset, or --harvest PATH"),
        (["small", "--held-out", "0.5"], "--held-out 0.5 belongs to --harvest"),
        (["--harvest", "x", "--held-out", "half"], "--held-out half: expected comma-separated numbers"),
        (["absent"], "sweep 'absent' is not under sweeps/"),
    ],
)
def test_sweep_refuses_what_it_cannot_do(root, arguments, message):
    done = run("sweep", *arguments, cwd=root)
    assert done.returncode == 1
    assert message in done.stderr


def test_stage_logs_short_lines_to_stderr(root):
    done = run("ingest", cwd=root)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 2
    assert "ingest: read as utf-8, separated by commas, header in line 1, decimal points" in done.stderr
    assert "ingest: values (300,) from series.csv" in done.stderr


def test_negative_value_is_a_value(root):
    done = run("train", "-0.5", cwd=root)
    assert "'-0.5' is not one of sweep.values" in done.stderr
