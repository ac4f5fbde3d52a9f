"""A store of its own for each test, and surrogates of different digests to register in it."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipeline.evaluation.decision import Decision
from pipeline.registry.evidence import Evidence
from pipeline.registry.package import Candidate
from pipeline.registry.register import register
from pipeline.registry.registration import Registration
from pipeline.surrogate import Surrogate
from pipeline.tracking.store import Store, open_store

MODEL = "semicircles"


@pytest.fixture
def store(tmp_path, empty_store, monkeypatch) -> Store:
    """The default store of a fresh checkout."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return open_store(tmp_path)


@pytest.fixture(scope="session")
def surrogates(quick_fit, fitted_surrogate) -> list[Surrogate]:
    """Three surrogates that differ in their seed."""
    return [fitted_surrogate, quick_fit(1), quick_fit(2)]


@pytest.fixture(scope="session")
def bundles(surrogates, tmp_path_factory) -> list[Path]:
    """Their folders."""
    folders = [tmp_path_factory.mktemp("bundles") / str(i) / "surrogate" for i in range(len(surrogates))]
    for surrogate, folder in zip(surrogates, folders, strict=True):
        surrogate.save(folder)
    return folders


@pytest.fixture(scope="session")
def register_into(surrogates, bundles, small_harvest) -> Callable[..., Registration]:
    """Register the i-th surrogate in a store, with a decision and an error."""

    def call(store: Store, i: int = 0, promote: bool = True, error: float = 0.5) -> Registration:
        return register(
            store,
            MODEL,
            Candidate(bundles[i], surrogates[i], small_harvest.conditions[0][:2]),
            Decision(promote, "it beats them" if promote else "it does not beat the straight line"),
            Evidence({"fit": {"seed": i}}, {"mean_error": {"surrogate": error}}, {"fit": small_harvest.digest}),
        )

    return call


@pytest.fixture
def registering(store, register_into) -> Callable[..., Registration]:
    """The same in this test's store."""
    return partial(register_into, store)


@pytest.fixture
def run_outside():
    """Run Python code with the installed packages but without this project; returns what it printed.

    -S leaves out site-packages with its .pth files, and with them the editable install; the folder alone is put back.
    """

    def run(code: str, cwd: Path, **variables: str) -> str:
        prelude = (
            f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})\n"
            "import importlib.util; assert importlib.util.find_spec('pipeline') is None\n"
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | variables
        result = subprocess.run(
            [sys.executable, "-S", "-P", "-c", prelude + code], cwd=cwd, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run
