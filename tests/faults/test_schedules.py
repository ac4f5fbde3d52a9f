"""Whole runs under faults: whatever happens, the next run goes on, and nothing finished is lost."""

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.harness import Schedule, Site, audit, perform, row, told

pytestmark = pytest.mark.slow
FIRST, COUNT = int(os.environ.get("FAULTS_FIRST", "0")), int(os.environ.get("FAULTS", "10"))
TABLE = os.environ.get("FAULTS_TABLE", "")
"""The first seed, the number of schedules, and a file to which a line for each of them is added: `make faults`."""


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_nothing_is_lost(finished, tmp_path, seed):
    schedule = Schedule.of(seed)
    site = Site(finished, tmp_path / "checkout", schedule.begin)
    attempts = perform(schedule, site)
    faults = audit(site, attempts, schedule)
    if TABLE:
        with Path(TABLE).open("a") as table:
            table.write(row(schedule, attempts, faults) + "\n")
    assert not faults, told(schedule, attempts, faults)
    shutil.rmtree(site.checkout.root)
