"""`python -m flows drift`: what it prints, its exit status, and what Prefect shows of it."""

import shutil
from dataclasses import replace

import pytest

from flows.report.drift_table import as_markdown
from pipeline.data.harvest import Harvest
from pipeline.evaluation.drift import Drift, Figure
from pipeline.families.semicircles.family import SemicircleNetwork
from tests.flows.conftest import Checkout


def test_the_artifact_says_the_verdict_and_every_figure():
    drifted = Figure("0.25", 0.5, 1.0, 0.2, 1.2, drifted=True)
    steady = Figure("0.5", 0.5, 0.5, None, None, drifted=False)
    found = Drift("small", 3, "MSE", 1.5, 7, "other conditions of the same source", (drifted, steady))
    lines = as_markdown(found).splitlines()
    assert lines[0].startswith("Version 3 of small has drifted at 0.25: its MSE is at most 2 times what was registered")
    assert "| 0.25 | 0.5 | 1 | 2 | 0.7 | × 1.2 | drifted |" in lines
    assert "| 0.5 | 0.5 | 0.5 | 1 |  |  | as registered |" in lines
    assert lines[-1] == "MSE, on other conditions of the same source; seed 7."


@pytest.mark.slow
def test_a_champion_on_other_draws_of_its_networks_is_as_registered(finished):
    done = finished.call("flows", "drift", "--seed", "3")
    assert "Version 1 of tiny has not drifted" in done.stdout
    assert "as registered" in done.stdout
    assert finished.is_clean()


@pytest.mark.slow
def test_drift_has_an_exit_status_of_its_own(finished, tmp_path):
    copied = Checkout(shutil.copytree(finished.root, tmp_path / "copied"))
    folder = copied.root / "data" / "tiny" / "dataset" / "score"
    score = Harvest.load(folder)
    other = [SemicircleNetwork(0.9 if value == 0.25 else value) for value in score.values]
    replace(score, networks=tuple(other)).save(folder)
    done = copied.call("flows", "drift", check=False)
    assert done.returncode == 4, done.stderr
    assert "Version 1 of tiny has drifted at 0.25" in done.stdout


def test_a_threshold_below_one_is_a_wrong_option(new_checkout):
    assert new_checkout().call("flows", "drift", "--threshold", "0.5", check=False).returncode == 2


@pytest.mark.slow
def test_without_a_champion_it_is_one_line(new_checkout):
    checkout = new_checkout()
    checkout.params()
    done = checkout.call("flows", "drift", check=False)
    assert done.returncode == 1
    assert "Error: model 'tiny' has no champion with a bundle to be checked" in done.stderr
    assert "Traceback" not in done.stderr
