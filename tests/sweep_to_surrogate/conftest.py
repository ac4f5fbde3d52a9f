"""A registry that holds a champion, its bundle, and the command line in this process and in one of its own."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.tracking.store import URI_VARIABLE, open_store
from sweep_to_surrogate.__main__ import app
from tests.paths import CHECKOUT

CHAMPION = "models:/semicircles@champion"


@pytest.fixture(scope="session")
def champion_store(empty_store, register_into, tmp_path_factory):
    """A store that holds a champion: the fitted surrogate."""
    root = tmp_path_factory.mktemp("champion")
    shutil.copy(empty_store, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(URI_VARIABLE, raising=False)
        store = open_store(root)
    register_into(store)
    return store


@pytest.fixture(scope="session")
def bundle(bundles):
    """The folder of the champion's bundle."""
    return bundles[0]


@pytest.fixture
def conditions(tmp_path):
    """A CSV file of five conditions."""
    path = tmp_path / "x.csv"
    pd.DataFrame({"category": [0, 3, 1, 3, 2], "site": ["a", "b", "a", "b", "b"]}).to_csv(path, index=False)
    return path


@pytest.fixture
def call(champion_store, monkeypatch):
    """Run a command in this process, with the champion's store."""
    monkeypatch.setenv(URI_VARIABLE, champion_store.uri)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def process(champion_store):
    """Run a command in a process of its own, in a folder, with the champion's store."""

    def run(*arguments, cwd, **variables):
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT), URI_VARIABLE: champion_store.uri} | variables
        command = [sys.executable, "-m", "sweep_to_surrogate", *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def run_here():
    """Run Python code in a process of its own; returns what it printed."""

    def run(code, cwd, *arguments):
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
