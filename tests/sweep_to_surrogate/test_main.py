import importlib
import os
import subprocess
import sys
import tomllib

import pytest
from typer.main import get_command

from flows.__main__ import app as flows
from pipeline.__main__ import app as stages
from sweep_to_surrogate.__main__ import app
from tests.paths import CHECKOUT


def run(*arguments, cwd):
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "120"}
    command = [sys.executable, "-m", "sweep_to_surrogate", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def commands(source):
    return dict(vars(get_command(source))["commands"])


@pytest.mark.parametrize("face", [flows, stages], ids=["flows", "pipeline"])
def test_every_command_of_the_two_faces_is_here_and_is_the_same_function(face):
    own = commands(app)
    for name, command in commands(face).items():
        assert own[name].callback.__wrapped__ is command.callback.__wrapped__
        assert isinstance(own[name], type(command))
        assert [p.opts for p in own[name].params] == [p.opts for p in command.params]
        assert own[name].context_settings == command.context_settings


def test_help_groups_the_stages(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    before, _, after = done.stdout.partition("Stages, as dvc.yaml calls them")
    assert all(f"│ {name} " in before for name in ("inspect", "recommend", "run", "deploy", "exp"))
    assert all(f"│ {name} " in after for name in ("train", "fit", "leave_out", "validate", "register"))


def test_help_loads_nothing_heavy(tmp_path):
    script = """
import sys
from sweep_to_surrogate.__main__ import app
for name in (None, "recommend", "sample", "explain", "inspect", "run", "check", "fit"):
    app([name, "--help"] if name else ["--help"], standalone_mode=False)
print(sorted({"torch", "mlflow", "prefect", "dvc", "pandas", "pyarrow", "matplotlib"} & set(sys.modules)),
    file=sys.stderr)
"""
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"


def test_an_error_is_one_line_and_status_1(tmp_path):
    done = run("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: params.yaml does not exist")
    assert done.stderr.count("\n") == 1


def test_runs_are_refused_outside_of_a_checkout(tmp_path):
    done = run("stop", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no dvc.yaml" in done.stderr


def test_the_console_script_is_this_command_line():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["sweep-to-surrogate"].partition(":")
    assert getattr(importlib.import_module(module), function).__module__ == "sweep_to_surrogate.__main__"
