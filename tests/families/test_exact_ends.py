"""For every built-in family: a surrogate of its networks is exact at every anchor, and jumps nowhere between them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Network
from pipeline.surrogate import Surrogate
from tests.clouds import moment
from tests.families.test_contract import Trained, one, trained

__all__ = ["one", "trained"]

GAP = 1e-3
"""The largest jump at an anchor, as a share of how far outputs move over an interval."""
LINE = (0.0, 0.4, 1.0)
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@pytest.fixture
def anchors(one: Trained) -> tuple[Value, ...]:
    return SQUARE if one.schema.further_hyperparameters else LINE


@pytest.fixture
def surrogate(one: Trained, anchors: tuple[Value, ...]) -> Surrogate:
    """Out to another network and back again: three or four anchors of two networks."""
    networks: list[Network] = [one.networks[k % 2] for k in range(len(anchors))]
    x = np.repeat(one.conditions, 1 if one.schema.deterministic else 6, axis=0)
    outputs = [n.outputs(x, 1, seed)[:, 0] for seed, n in enumerate(networks)]
    harvest = Harvest.from_arrays(anchors, outputs, [x] * len(anchors), networks=networks, schema=one.schema)
    return Surrogate.fit(harvest, moment(clock="linear"))


def given(value: "Value | NDArray[np.float64]") -> "float | NDArray[np.float64]":
    """A λ as `sample` takes it for all rows: a number, or (1, P)."""
    return np.array([value]) if np.ndim(value) else float(np.asarray(value))


@pytest.mark.parametrize("draws", [1, 5])
def test_a_draw_is_continuous_at_every_anchor(surrogate, one, anchors, draws):
    x = one.conditions
    at = [surrogate.sample(x, given(anchor), draws=draws, seed=1) for anchor in anchors]
    move = np.sqrt(np.mean((at[1] - at[0]) ** 2))
    for k, anchor in enumerate(anchors):
        for step in (-3e-6, 3e-6):
            near = np.clip(np.add(anchor, step), 0.0, 1.0)
            gap = np.abs(surrogate.sample(x, given(near), draws=draws, seed=1) - at[k]).max()
            assert gap <= GAP * move + 1e-6


def test_at_an_anchor_the_laws_are_the_network_s_own(surrogate, one, anchors):
    x = one.conditions
    for network, anchor in zip(surrogate.networks, anchors, strict=True):
        found = surrogate.sample(x, given(anchor), draws=128, seed=3)
        if one.schema.deterministic:
            np.testing.assert_array_equal(found[:, 0], network.outputs(x, 1, 0)[:, 0])
        else:
            drawn = network.outputs(x, 400, 9)
            spread = drawn.std(axis=1).mean() + 1e-6
            assert np.abs(found.mean(1) - drawn.mean(1)).max() < 6 * spread / np.sqrt(128) + 0.05 * spread
