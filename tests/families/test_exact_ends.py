"""For every built-in family: a surrogate of its networks is exact at every anchor, and jumps nowhere between them."""

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.network import Network
from pipeline.surrogate import Surrogate
from tests.clouds import moment
from tests.families.test_contract import Trained, one, trained

__all__ = ["one", "trained"]

GAP = 1e-3
"""The largest jump at an anchor, as a share of how far outputs move over an interval."""
ANCHORS = (0.0, 0.4, 1.0)


@pytest.fixture
def surrogate(one: Trained) -> Surrogate:
    """Out to another network and back again: three anchors of two networks."""
    networks: list[Network] = [one.networks[0], one.networks[1], one.networks[0]]
    x = np.repeat(one.conditions, 1 if one.schema.deterministic else 6, axis=0)
    outputs = [n.outputs(x, 1, seed)[:, 0] for seed, n in enumerate(networks)]
    harvest = Harvest.from_arrays(ANCHORS, outputs, [x] * 3, networks=networks, schema=one.schema)
    return Surrogate.fit(harvest, moment(clock="linear"))


@pytest.mark.parametrize("draws", [1, 5])
def test_a_draw_is_continuous_at_every_anchor(surrogate, one, draws):
    x = one.conditions
    at = [surrogate.sample(x, anchor, draws=draws, seed=1) for anchor in ANCHORS]
    move = np.sqrt(np.mean((at[1] - at[0]) ** 2))
    for k, anchor in enumerate(ANCHORS):
        for near in (anchor - 3e-6, anchor + 3e-6):
            if 0 <= near <= 1:
                gap = np.abs(surrogate.sample(x, near, draws=draws, seed=1) - at[k]).max()
                assert gap <= GAP * move + 1e-6


def test_at_an_anchor_the_laws_are_the_network_s_own(surrogate, one):
    x = one.conditions
    for network, anchor in zip(surrogate.networks, ANCHORS, strict=True):
        found = surrogate.sample(x, anchor, draws=128, seed=3)
        if one.schema.deterministic:
            np.testing.assert_array_equal(found[:, 0], network.outputs(x, 1, 0)[:, 0])
        else:
            drawn = network.outputs(x, 400, 9)
            spread = drawn.std(axis=1).mean() + 1e-6
            assert np.abs(found.mean(1) - drawn.mean(1)).max() < 6 * spread / np.sqrt(128) + 0.05 * spread
