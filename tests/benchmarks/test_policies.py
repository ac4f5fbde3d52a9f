"""What the benchmark of policies trains, and what it says of it."""

import numpy as np
import pytest

from benchmarks.machine import Stamp
from benchmarks.policies import CANCER, DAY, EPISODES, REACHER, STEPS, day, family_of, section, treated
from benchmarks.record import Record


@pytest.mark.parametrize("sweep", [CANCER, REACHER])
def test_families_are_those_of_the_sweeps_with_other_steps(sweep):
    short, long = (family_of(sweep, steps).settings for steps in STEPS)
    assert (short.steps, long.steps, short.episodes) == (*STEPS, EPISODES)
    assert short.normalise == (sweep == REACHER)


def test_patients_of_a_batch_are_those_alone():
    np.testing.assert_array_equal(treated(3).tumours.table[:, :1], treated(1).tumours.table)


@pytest.mark.slow
def test_a_day_is_measured_for_every_batch():
    rows = day()
    assert list(rows) == ["1", "32", "256", "lsoda"]
    assert all(0 < row["ms"] < 1e4 for row in rows.values())


def record(tmp_path, *, short, long):
    stamp = Stamp("2026-11-24", "cpu", 2, 24.0, "3.11", "2.13", "abc", 0.1)
    found = Record(tmp_path / "policies.json", stamp)
    found.measurements[DAY, 0] = {
        row: {"ms": ms} for row, ms in {"1": 2.0, "32": 0.2, "256": 0.1, "lsoda": 4.0}.items()
    }
    for first, steps, rewards in ((0, STEPS[0], short), (100, STEPS[1], long)):
        for seed, reward in enumerate(rewards, first):
            row = {"reward": reward, "seconds": 300.0 + seed, "units": 3000.0}
            found.measurements[f"{CANCER}/{steps}", seed] = {str(steps): row}
    found.measurements[f"{REACHER}/{STEPS[0]}", 0] = {
        str(STEPS[0]): {"reward": -5.5, "seconds": 120.0, "units": 1200.0}
    }
    return found


@pytest.mark.parametrize(("short", "verdict"), [([104.0, 105.0, 90.0], "met"), ([80.0, 90.0], "**missed by 15.0**")])
def test_section_holds_the_short_runs_against_the_spread_of_the_long_ones(tmp_path, short, verdict):
    text = section(record(tmp_path, short=short, long=[100.0, 106.0]))
    assert f"of the worst seed of 1,000,000: {np.median(short):.{0 if np.median(short) >= 100 else 1}f}" in text
    assert verdict in text
    assert "| 500,000 steps | −5.50 |" in text
    assert "| 32 at once | 0.200 | 20.0 |" in text
