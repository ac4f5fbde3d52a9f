"""Exact ends: a surrogate is every anchor's own network at the anchor, and one draw followed along λ jumps nowhere."""

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate
from tests.clouds import cloud_harvest, moment

GAP = 1e-3
"""The largest jump at an anchor, as a share of how far outputs move over an interval."""


class Line:
    """y = x + λ, one output a condition."""

    family = "tests.surrogate.test_ends:Line"

    def __init__(self, value: float) -> None:
        self.value = value

    def outputs(self, conditions, draws, seed):
        y = np.concatenate([conditions + self.value, conditions**2 * self.value], axis=1)
        return np.repeat(y[:, None], draws, axis=1).astype(np.float32)

    def save(self, folder): ...


class Cloud(Line):
    """Normal draws that move and widen; each network seeds its own."""

    def outputs(self, conditions, draws, seed):
        noise = np.random.default_rng([seed, int(100 * self.value)]).normal(size=(len(conditions), draws, 2))
        return (conditions[:, None] + 3 * self.value + (0.2 + self.value) * noise).astype(np.float32)


class Policy(Cloud):
    """The same by noise that is handed in: equal noise is the coupling."""

    noise_dimension = 2
    coupled_by_noise = True

    def from_noise(self, conditions, noise):
        return (conditions[:, None] + 3 * self.value + (0.2 + self.value) * noise).astype(np.float32)


def fitted(kind: type[Line], anchors=(0.0, 0.4, 0.7, 1.0), **settings) -> Surrogate:
    networks = [kind(a) for a in anchors]
    x = np.repeat(np.linspace(-1, 1, 12)[:, None].astype(np.float32), 1 if kind is Line else 10, axis=0)
    ys = [n.outputs(x, 1, 7)[:, 0] for n in networks]
    harvest = Harvest.from_arrays(anchors, ys, [x] * len(anchors), networks=networks, deterministic=kind is Line)
    return Surrogate.fit(harvest, moment(**settings))


@pytest.fixture(scope="module", params=["auto", "pchip"])
def interpolation(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=[Line, Cloud, Policy], ids=["deterministic", "draws", "policy"])
def surrogate(request, interpolation) -> Surrogate:
    return fitted(request.param, interpolation=interpolation)


@pytest.mark.parametrize("draws", [1, 3, 300])
def test_draws_are_continuous_at_every_anchor(surrogate, draws):
    x = np.linspace(-1.1, 1.1, 5)[:, None]
    at = [surrogate.sample(x, a, draws=draws, seed=4) for a in surrogate.anchors]
    move = np.sqrt(np.mean((at[-1] - at[0]) ** 2))
    for k, anchor in enumerate(surrogate.anchors):
        for near in (anchor - 1e-6, anchor + 1e-6):
            if surrogate.anchors[0] <= near <= surrogate.anchors[-1]:
                gap = np.abs(surrogate.sample(x, near, draws=draws, seed=4) - at[k])
                assert gap.max() <= GAP * move


def test_the_deterministic_surrogate_is_the_network_at_every_anchor():
    surrogate = fitted(Line)
    x = np.linspace(-2, 2, 9)[:, None].astype(np.float32)
    for network, anchor in zip(surrogate.networks, surrogate.anchors, strict=True):
        np.testing.assert_array_equal(surrogate.sample(x, anchor, draws=2), network.outputs(x, 2, 0))


def test_equal_noise_moves_straight_under_the_euclidean_cost():
    surrogate = fitted(Policy, variant="K_I", clock="linear")
    x = np.linspace(-1, 1, 4)[:, None]
    ends = [surrogate.sample(x, a, draws=5, seed=1) for a in (0.4, 0.7)]
    np.testing.assert_allclose(surrogate.sample(x, 0.55, draws=5, seed=1), sum(ends) / 2, rtol=0, atol=1e-5)


def test_an_answer_depends_neither_on_the_batch_nor_on_the_order_of_its_rows(surrogate):
    x = np.linspace(-1, 1, 6)[:, None]
    together = surrogate.sample(x, 0.55, draws=4, seed=2)
    np.testing.assert_allclose(surrogate.sample(x[::-1], 0.55, draws=4, seed=2)[::-1], together, rtol=0, atol=1e-5)
    np.testing.assert_allclose(surrogate.sample(x[2:3], 0.55, draws=4, seed=2), together[2:3], rtol=0, atol=1e-5)
    fewer = surrogate.sample(x, 0.55, draws=2, seed=2)
    np.testing.assert_allclose(fewer, together[:, :2], rtol=0, atol=1e-5)


def test_repeated_conditions_are_further_draws(surrogate):
    x = np.array([[0.3]])
    many = surrogate.sample(x, 0.55, draws=6, seed=2)[0]
    rows = surrogate.sample(np.repeat(x, 3, axis=0), 0.55, draws=2, seed=2).reshape(6, 2)
    np.testing.assert_allclose(rows, many, rtol=0, atol=1e-5)


def test_draws_between_anchors_have_the_law_of_the_truth():
    surrogate = fitted(Cloud, variant="K_I", clock="linear", map_steps=300)
    x = np.array([[0.5]])
    found = surrogate.sample(x, 0.85, draws=4000, seed=0)[0]
    np.testing.assert_allclose(found.mean(0), 0.5 + 3 * 0.85, atol=0.08)
    np.testing.assert_allclose(found.std(0), 0.2 + 0.85, rtol=0.06)


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
@pytest.mark.parametrize("deterministic", [False, True])
def test_without_networks_the_harvests_own_samples_are_both_ends(deterministic):
    if deterministic:
        x = np.linspace(-1, 1, 15)[:, None]
        harvest = Harvest.from_arrays((0, 0.5, 1), [x, x + 1, x**2], [x] * 3, deterministic=True)
    else:
        harvest = cloud_harvest(rows=80)
        x = harvest.conditions[0][::4]
    surrogate = Surrogate.fit(harvest, moment())
    at = [surrogate.sample(x, a, draws=4, seed=3) for a in surrogate.anchors]
    for k, own in enumerate(at):
        known = {tuple(row) for row in np.asarray(harvest.outputs[k], np.float32).round(5)}
        assert {tuple(row) for row in own.reshape(-1, own.shape[-1]).astype(np.float32).round(5)} <= known
    for near in (0.5 - 1e-6, 0.5 + 1e-6):
        assert np.abs(surrogate.sample(x, near, draws=4, seed=3) - at[1]).max() < 1e-3


def test_positions_are_those_that_samples_stand_at():
    surrogate = fitted(Line, variant="K_I", clock="logit", anchors=(0.1, 0.5, 0.9))
    x = np.linspace(-1, 1, 5)[:, None]
    s = surrogate.positions(x, 0.3)
    left, right, found = (surrogate.sample(x, v)[:, 0] for v in (0.1, 0.5, 0.3))
    np.testing.assert_allclose(left + s[:, None] * (right - left), found, rtol=0, atol=1e-5)
    assert surrogate.positions(x, np.array([0.1, 0.5, 0.9, 0.5, 0.1])).tolist() == [0, 1, 1, 1, 0]
