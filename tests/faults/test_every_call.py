"""A stage of which every call fails once, the first, the second, …, until there is none left to fail."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.storage.atomic import remove_left
from pipeline.storage.files import file_checksums
from tests.faults.harness import INJECTED, Site, champions

pytestmark = pytest.mark.slow
MOST = 200


@pytest.mark.parametrize(
    ("stage", "call", "output"),
    [("dataset", "rename", "dataset"), ("dataset", "write", "dataset"), ("register", "rename", "registration.json")],
)
def test_every_call_may_fail(finished, tmp_path, stage, call, output):
    site = Site(finished, tmp_path / "checkout", "validate")
    for name in ("validate",) if stage == "register" else ():
        assert run(site, name, {}).returncode == 0
    folder = site.checkout.root / "data" / "tiny"
    failed = 0
    for n in itertools.count(1):
        assert n < MOST
        done = run(site, stage, fault(site, stage, call, n))
        if not site.marker.exists():  # there is no such call: the stage ran through
            break
        failed += 1
        site.marker.unlink()
    assert failed > 0
    assert done.returncode == 0, done.stderr
    remove_left(folder)
    assert not list(folder.rglob("*.partial"))
    assert contents(folder / output) == contents(finished.root / "data" / "tiny" / output)
    if stage == "register":
        assert not champions(site)


def fault(site: Site, stage: str, call: str, n: int) -> dict[str, str]:
    document = {"where": f"pipeline {stage}", "call": call, "n": n, "kills": False, "marker": str(site.marker)}
    return {"FAULT": json.dumps(document), "PYTHONPATH": str(INJECTED)}


def run(site: Site, stage: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", stage],
        cwd=site.checkout.root,
        env=site.checkout.environment | {"DVC_STAGE": stage} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def contents(output: Path) -> object:
    """Checksums of a folder's files; of a registration, what it says apart from the run."""
    if output.is_dir():
        return file_checksums(output)
    return {k: v for k, v in json.loads(output.read_text()).items() if k in ("model", "version", "passed")}
