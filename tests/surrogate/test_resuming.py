"""Fits that are killed, and resumed: the same surrogate, bit by bit."""

import numpy as np
import pytest

from pipeline.families.protocol import Data
from pipeline.storage.checkpoint import once
from pipeline.surrogate import Surrogate
from pipeline.surrogate.barrier_check import find_barriers
from tests.clouds import circles_harvest, cloud_harvest, moment
from tests.mortal import killed_at
from tests.moving import moving
from tests.surrogate.test_barriers import Wells, policies_harvest
from tests.surrogate.test_several import draws

QUICK = moment(path_steps=6, map_steps=6, coupling_rounds=2)
FITS = {
    "network maps": (cloud_harvest(), QUICK.model_copy(update={"variant": "K_theta-U"})),
    "maps in closed form": (circles_harvest(networks=False), QUICK.model_copy(update={"variant": "K_I"})),
    "semidual": (cloud_harvest(), moment(solver="semidual", variant="K_theta-U", outer_steps=4)),
    "deterministic": (
        moving((0.0, 0.5, 1.0), "linear", 0.0, deterministic=True, draws=1),
        QUICK.model_copy(update={"variant": "K_theta"}),
    ),
    "several hyperparameters": (draws(40), QUICK.model_copy(update={"variant": "K_I-U"})),
}
KILLS = [[1], [4, 5], [9, 1, 3], [25], [7] * 6]


@pytest.mark.parametrize("name", FITS)
def test_a_fit_that_was_killed_gives_the_same_surrogate(name, tmp_path):
    harvest, config = FITS[name]

    def fit() -> Surrogate:
        return Surrogate.fit(harvest, config, seed=3)

    expected = fit()
    for moments in KILLS:
        again = killed_at(moments, tmp_path / "work", fit)
        assert again.digest == expected.digest
        assert again.history == expected.history
        assert again.candidates == expected.candidates


@pytest.mark.slow
@pytest.mark.parametrize("moments", [[3], [300], [150, 400, 350], [900]])
def test_model_selection_that_was_killed_chooses_the_same(moments, tmp_path):
    harvest = circles_harvest(draws=20, networks=False)

    def fit() -> Surrogate:
        return Surrogate.fit(harvest, QUICK)

    expected = fit()
    assert len(expected.candidates) > 3
    again = killed_at(moments, tmp_path / "work", fit)
    assert (again.digest, again.candidates) == (expected.digest, expected.candidates)


def test_barriers_are_looked_for_once(tmp_path):
    asked = []

    def check():
        wells = Wells(luck=0.1)
        asked.append(wells.asked)
        return find_barriers(policies_harvest(), wells, Data(), episodes=20)

    expected = check()
    assert killed_at([4, 6], tmp_path / "work", check) == expected
    whole, first, second, last = map(len, asked)
    assert (first, second) == (4, 6)
    assert first + second + last == whole + 2  # the two that were not kept when they were killed


def test_arrays_of_a_part_are_laid_out_as_they_are_read(tmp_path):
    # Sums over strided arrays may differ in the last bit from those over contiguous ones.
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for result in (once(lambda: array), killed_at([1], tmp_path / "work", lambda: once(lambda: array))):
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result, array)
