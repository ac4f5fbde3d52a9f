"""Experiments and what DVC makes of them, with DVC itself, in a repository of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.evaluation.gates.config import with_gates
from tests.paths import CHECKOUT
from tests.sweeps import line_harvest, sweep_text

pytestmark = pytest.mark.slow

FIT = {"variant": "K_I", "solver": "paired", "clock": "linear", "map_steps": 5, "seed": 0, "device": "cpu"}


def call(root: Path, *command: str, status: int = 0) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def git(root: Path, *arguments: str) -> str:
    return call(root, "git", "-c", "user.name=Test", "-c", "user.email=test@example.org", *arguments)


def dvc(root: Path, *arguments: str) -> str:
    return call(root, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A commit with the project's code and a sweep of a harvest, validated."""
    root = tmp_path_factory.mktemp("repository")
    shutil.copytree(CHECKOUT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".dvc").mkdir()
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(CHECKOUT / name, root / name)
    line_harvest().save(root / "handed")
    text = sweep_text("harvest", fit=FIT, validate={"redraws": 1, "seed": 0, "methods": []})
    (root / "params.yaml").write_text("# A remark.\n" + with_gates(text), encoding="utf-8")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "config", "user.name", "Test")
    git(root, "config", "user.email", "test@example.org")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "A sweep")
    dvc(root, "repro", "validate")
    assert git(root, "status", "--porcelain") == "?? dvc.lock\n"  # all that a run leaves: seen, not ignored
    git(root, "add", "dvc.lock")
    git(root, "commit", "--quiet", "-m", "What it came to")
    return root


def experiment(root: Path, *arguments: str, status: int = 0) -> str:
    return call(root, sys.executable, "-m", "pipeline", "exp", *arguments, status=status)


@pytest.mark.parametrize("setting", ["fit.map_steps=-1", "fit.no_such_field=1"])
def test_an_experiment_that_is_refused_leaves_params_as_they_were(repository, setting):
    path = repository / "params.yaml"
    path.write_bytes(path.read_bytes() + b"# Another, that nobody has committed.\n")
    before = path.read_bytes()
    said = experiment(repository, "-S", setting, "validate", status=255)
    assert setting.split("=")[0].split(".")[1] in said
    assert path.read_bytes() == before
    assert git(repository, "status", "--porcelain") == " M params.yaml\n"
    git(repository, "checkout", "--quiet", "params.yaml")


def test_experiments_are_compared_in_plots(repository):
    experiment(repository, "--name", "other", "-S", "fit.clock=hold", "validate")
    assert "clock: hold" in (repository / "params.yaml").read_text()
    git(repository, "checkout", "--quiet", "params.yaml", "dvc.lock")
    dvc(repository, "plots", "diff", "main", "other", "--out", "plots")
    page = (repository / "plots" / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'"rev": "([^"]+)"', page)) == {"main", "other"}
    assert set(re.findall(r'"filename": "([^"]+)"', page)) == {"data/handed/validation/errors.csv"}
    images = re.findall(r'<img src="(static/[^"]+)"', page)
    assert {name.split("_")[0] for name in images} == {"static/main", "static/other"}
    assert all((repository / "plots" / name).is_file() for name in images)
    shutil.rmtree(repository / "plots")


def test_without_its_lock_a_sweep_comes_back_from_the_run_cache(repository):
    lock = repository / "dvc.lock"
    before = lock.read_bytes()
    lock.unlink()
    shutil.rmtree(repository / "data")
    said = dvc(repository, "repro", "validate")
    assert "Running stage" not in said
    assert said.count("is cached - skipping run") > 5
    assert lock.read_bytes() == before
    assert (repository / "data" / "handed" / "validation" / "report" / "report.html").is_file()
