"""Runs that are ended before their time: they end soon, in a line, leave no process behind, and lose nothing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.guard import guarded
from tests.flows.conftest import TINY, Checkout
from tests.flows.waiting import wait_until

pytestmark = pytest.mark.slow
SOON = 15.0


@pytest.fixture(scope="module")
def checkout(new_checkout) -> Checkout:
    """A checkout whose fit takes long enough to be interrupted."""
    made = new_checkout()
    made.params(fit=TINY["fit"] | {"solver": "semidual", "outer_steps": 100_000})
    return made


def processes_in(root: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cwd"]):
        folder = process.info["cwd"]
        if folder and Path(folder).is_relative_to(root):
            found.append(process)
    return found


def descendants(flow: psutil.Process) -> dict[psutil.Process, list[str]]:
    """What a run started, and its command lines; a process that ends meanwhile is left out."""
    found = {}
    for process in flow.children(recursive=True):
        try:
            found[process] = process.cmdline()
        except psutil.NoSuchProcess:
            continue
    return found


def fits(flow: psutil.Process) -> bool:
    return any(command[-2:] == ["pipeline", "fit"] for command in descendants(flow).values())


def server_of(flow: psutil.Process) -> psutil.Process:
    return next(p for p, c in descendants(flow).items() if "uvicorn" in c and not c[1].endswith("guard.py"))


@pytest.mark.parametrize(
    ("ended", "status", "said"),
    [
        ("SIGINT", 130, "Interrupted by SIGINT: the stages that had finished are kept, and the next run goes on"),
        ("SIGTERM", 143, "Interrupted by SIGTERM: the stages that had finished are kept"),
        ("SIGKILL", -9, ""),
        ("server", 1, "Error: the Prefect server has ended before the run did: the stages that had finished are kept"),
    ],
)
def test_a_run_that_is_ended_ends_soon_and_leaves_nothing_behind(checkout, ended, status, said):
    command = [sys.executable, "-m", "flows", "run"]
    with subprocess.Popen(
        command,
        cwd=checkout.root,
        env=checkout.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        flow = psutil.Process(process.pid)
        wait_until(lambda: fits(flow), 300)
        start = time.monotonic()
        if ended == "server":
            server_of(flow).kill()
        else:
            flow.send_signal(signal.Signals[ended])
        text, _ = process.communicate(timeout=SOON)
    assert process.returncode == status, text
    wait_until(lambda: not processes_in(checkout.root), SOON - (time.monotonic() - start))
    last = text.strip().splitlines()
    assert said in text
    assert "Traceback" not in text
    assert len(last) < 20, text
    assert checkout.call("dvc", "status", "train", "harvest", "dataset").stdout.count("changed") == 0


def test_what_was_done_before_is_not_done_again(checkout):
    checkout.params()
    # Fit and what follows from it: timing, leave_out, compare, validate, register.
    assert "Stages: 6 ran, 0 restored, 8 unchanged" in checkout.flow().stdout
    assert checkout.is_clean()


def test_a_killed_guard_leaves_nothing_behind():
    marker = "import time; time.sleep(98.7)"
    with subprocess.Popen(guarded([sys.executable, "-c", marker])) as process:
        guard = psutil.Process(process.pid)
        wait_until(lambda: any(marker in p.cmdline() for p in guard.children()), 20)
        (child,) = guard.children()
        guard.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, SOON)
