"""The examples run as they are, and what they print is true."""

import re
from importlib import import_module

import numpy as np
import pytest

from tests.paths import CHECKOUT

TESTED = ("analyst", "arrays", "batch", "bundle", "own_family", "policy_server", "served")


@pytest.fixture
def printed(capsys, monkeypatch):
    """Run an example; what follows the colon in each line that it prints."""

    def run(name: str) -> list[str]:
        monkeypatch.setattr("sys.argv", [name])
        import_module(f"examples.{name}").main()
        return [line.partition(":")[2] for line in capsys.readouterr().out.splitlines()]

    return run


def test_every_example_is_tested():
    assert {path.stem for path in (CHECKOUT / "examples").glob("*.py")} - {"__init__"} == set(TESTED)


def test_arrays_are_moved_to_the_true_mean_and_spread(printed):
    for line in printed("arrays"):
        mean, true_mean, spread, true_spread = map(float, re.findall(r"-?\d+\.\d\d", line))
        assert abs(mean - true_mean) < 0.2  # 240 draws: two standard errors and more
        assert abs(spread - true_spread) < 0.3


@pytest.mark.parametrize("name", ["own_family", "served", "policy_server"])
def test_powers_between_the_prices_are_nearly_the_best(printed, name):
    for line in printed(name):
        answered, exact = (np.array(part.split(), float) for part in re.findall(r"\[(.*?)\]", line))
        np.testing.assert_allclose(answered, exact, atol=0.5)


def test_a_loaded_bundle_moves_samples_upwards(printed):
    path = np.array([line.strip(" []").split() for line in printed("bundle")], float)
    assert path.shape == (5, 3)
    assert (np.diff(path, axis=0) > 0).all()


def test_an_analyst_sees_power_fall_with_its_price(printed):
    *rooms, distance = printed("analyst")
    for line in rooms:
        powers = np.abs(np.array(re.findall(r"\[(.*?)\]", line)[-1].split(), float))
        assert (np.diff(powers) < 0).all()
    assert float(distance.split()[0]) > 0.5


def test_a_batch_is_answered_row_by_row(printed):
    written, error = printed("batch")
    assert int(written) == 40_000
    assert float(error) < 0.5
