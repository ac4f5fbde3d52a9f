"""Several that write in one checkout: nothing is mixed up, and whoever cannot go on says so."""

import os
import re
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from pipeline.storage.lease import HOLDER
from tests.flows.conftest import TINY

pytestmark = pytest.mark.slow


STEPS = count(30)


def others():
    """Settings of the fit, other ones each time, so that there is something to run."""
    return TINY["fit"] | {"map_steps": next(STEPS)}


def started(checkout, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "flows", "run", *arguments],
        cwd=checkout.root,
        env=checkout.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(path):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def shared(finished):
    """The finished checkout; it is up to date again afterwards."""
    yield finished
    finished.params()
    finished.flow()


@pytest.fixture
def stale(shared):
    """The checkout with stages to run from fit on."""
    shared.params(fit=others())
    return shared


def test_two_runs_at_once_are_two_runs_one_after_the_other(stale):
    one = started(stale)
    wait_for(stale.root / HOLDER)
    second = started(stale)
    refused = stale.flow("--no-wait", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: this checkout is in use by python -m flows run (process ")
    selected = stale.call("pipeline", "sweep", "quantiles", check=False)
    assert selected.returncode == 1
    assert "error: this checkout is in use by" in selected.stderr
    stale.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where dvc.yaml looks
    repro = stale.call("dvc", "repro", "--single-item", "--force", "ingest", check=False)
    assert "error: this checkout is in use by" in repro.stderr
    assert repro.returncode != 0
    texts = [process.communicate(timeout=900)[0] for process in (one, second)]
    assert (one.returncode, second.returncode) == (0, 0), texts
    assert "Waiting: this checkout is in use by python -m flows run (process " in texts[1]
    assert re.search(r"^fit +ran", texts[0], re.MULTILINE)
    assert not re.search(r"^\S+ +ran", texts[1], re.MULTILINE)  # what the first did is up to date
    assert stale.is_clean()


def test_params_that_change_under_a_run_end_it(stale):
    one = started(stale)
    assert one.stdout is not None
    seen = []
    for line in one.stdout:
        seen.append(line)
        if line.startswith("fit "):
            break
    stale.params(fit=others())
    rest, _ = one.communicate(timeout=600)
    assert one.returncode == 1, [*seen, rest]
    assert "Error: params.yaml was changed while this run worked with it" in rest
    assert "Model" not in rest


def test_code_that_changes_under_a_run_ends_it(stale):
    one = started(stale)
    assert one.stdout is not None
    for line in one.stdout:
        if line.startswith("fit "):
            break
    module = stale.root / "pipeline" / "surrogate" / "choice.py"
    was = module.read_text()
    try:
        module.write_text(was + "\n# Changed.\n")
        rest, _ = one.communicate(timeout=600)
    finally:
        module.write_text(was)
    assert one.returncode == 1, rest
    assert "are out of date again: code, settings or data were changed while this run worked" in rest
