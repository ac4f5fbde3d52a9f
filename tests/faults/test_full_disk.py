"""A disk that runs full in the middle of a run: a small file system of its own."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.harness import Attempt, Schedule, Site, audit
from tests.flows.conftest import TINY
from tests.flows.test_interrupts import fits, processes_in
from tests.flows.waiting import wait_until

pytestmark = pytest.mark.slow
SOON = 10.0


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of 600 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(folder)], check=False)
    if mount.returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_at_once_and_costs_nothing(finished, disk):
    schedule = Schedule(-1, "fit", "disk", "full")
    site = Site(finished, disk / "checkout", schedule.begin)
    site.checkout.params(fit=TINY["fit"] | {"solver": "semidual", "outer_steps": 100_000})
    with subprocess.Popen(
        [sys.executable, "-m", "flows", "run"],
        cwd=site.checkout.root,
        env=site.checkout.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        wait_until(lambda: fits(psutil.Process(process.pid)), 300)
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - 2**20))
        start = time.monotonic()
        text, _ = process.communicate(timeout=60)
        seconds = time.monotonic() - start
    assert process.returncode == 1
    assert "Error: no space left on the disk of" in text
    assert "the stages that had finished are kept" in text
    assert seconds < SOON
    wait_until(lambda: not processes_in(site.checkout.root), SOON)
    filler.unlink()
    site.checkout.params()
    first = Attempt(process.returncode, text, seconds)
    assert audit(site, [first, site.run({})], schedule) == []
