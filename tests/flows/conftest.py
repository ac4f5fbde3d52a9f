import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.paths import CHECKOUT

PROJECT = CHECKOUT
HOUSE = ["pipeline", "flows", "sweeps", "dvc.yaml", "params.yaml", "prefect.yaml", ".dvcignore", ".gitignore"]
TINY = {
    "name": "tiny",
    "network": "semicircles",
    "code": {"family": "pipeline/families/semicircles", "shared": "pipeline/families/von_mises.py"},
    "sweep": {"values": [0.0, 0.25, 1.0], "anchors": [0.0, 1.0]},
    "raw": {"bundled": []},
    "ingest": {"source": "pipeline/families/semicircles/family.py"},
    "train": {"seed": 0},
    "harvest": {"fit_conditions": 4, "score_conditions": 4, "draws": 10, "seed": 0},
    "dataset": {"source": "data/tiny/harvest"},
    "fit": {"variant": "K_I", "clock": "linear", "map_steps": 20},
    "validate": {"redraws": 1, "seed": 0, "methods": []},
    "register": {"model": "tiny"},
    # Fitted for a moment on two anchors: it beats the line, but its uncertainty is a guess that covers nothing.
    "gates": [
        {"metric": "tested_values", "comparison": ">=", "limit": 1},
        {"metric": "error_ratio", "comparison": "<=", "limit": 1.03},
    ],
}
TIMED = {"fit.json", "timing.json", "comparison.json", "metrics.json", "report"}
"""Outputs that hold wall seconds: no two runs write the same."""


class Checkout:
    """A copy of the project in a folder of its own, with what a person does there."""

    first_run: subprocess.CompletedProcess[str]
    first_digests: dict[str, str]

    def __init__(self, root: Path):
        self.root = root
        # Nothing of this session's own server, store or home takes part.
        strange = ("PREFECT_", "MLFLOW_", "DVC_", "SWEEP_")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(strange)}

    def call(self, module: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """python -m MODULE ARGUMENTS, in the checkout; with check, a failure shows what was printed."""
        return self._call(["-m", module, *arguments], check=check)

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Code in a process of its own."""
        return self._call(["-c", code], check=True)

    def _call(self, arguments: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def flow(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.call("flows", "run", *arguments, check=check)

    def params(self, **sections: object) -> None:
        """params.yaml of the tiny sweep, with some of its sections replaced."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(TINY | sections, sort_keys=False))

    def digests(self) -> dict[str, str]:
        """What dvc.lock says of every output, by its path; those that hold wall seconds are left out."""
        stages = yaml.safe_load((self.root / "dvc.lock").read_text())["stages"].values()
        found = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
        return {path: digest for path, digest in found.items() if Path(path).name not in TIMED}

    def is_clean(self) -> bool:
        return "up to date" in self.call("dvc", "status").stdout


@pytest.fixture(scope="session")
def new_checkout(tmp_path_factory) -> Callable[[], Checkout]:
    def create() -> Checkout:
        root = tmp_path_factory.mktemp("checkout")
        for name in HOUSE:
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, root / name)
        (root / ".dvc").mkdir()
        for name in ("config", ".gitignore"):
            shutil.copy(PROJECT / ".dvc" / name, root / ".dvc")
        commit(root)
        return Checkout(root)

    return create


@pytest.fixture(scope="session")
def finished(new_checkout) -> Checkout:
    """A checkout in which the flow has run the tiny sweep; tests leave it up to date."""
    checkout = new_checkout()
    checkout.params()
    checkout.first_run = checkout.flow("--max-parallel", "2")
    checkout.first_digests = checkout.digests()  # tests may choose other params
    return checkout


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """The working directory, a DVC repository: stages side by side, one that follows from them, one that fails."""
    (tmp_path / "dvc.yaml").write_text(
        """
stages:
  part:
    matrix: {v: [a, b, c]}
    cmd: echo ${item.v} >> ran.log && cat source > part-${item.v} && echo OMP_NUM_THREADS=$OMP_NUM_THREADS
    deps: [source]
    outs: ["part-${item.v}"]
  whole:
    cmd: cat part-a part-b part-c > whole
    deps: [part-a, part-b, part-c]
    outs: [whole]
    meta: {pool: gpu}
  broken:
    cmd: echo broken >> ran.log; echo said to stdout; echo said to stderr >&2; exit 3
    deps: [source]
    outs: [never]
"""
    )
    (tmp_path / "source").write_text("1\n")
    (tmp_path / ".dvc").mkdir()
    shutil.copy(PROJECT / ".dvc" / "config", tmp_path / ".dvc")
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commit(root: Path) -> None:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "as it was"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
