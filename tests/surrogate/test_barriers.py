"""Barriers: found where mixtures score below both ends, and there the answer is an anchor's own."""

import json
import warnings

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError
from pipeline.families.protocol import Data
from pipeline.surrogate import Surrogate
from pipeline.surrogate.barrier_check import find_barriers
from pipeline.surrogate.barriers import Barrier, Mixture
from tests.clouds import moment

ANCHORS = (0.0, 1.0, 2.0)
ACTIONS = {0.0: -1.0, 1.0: 1.0, 2.0: 1.5}
SWITCH = 0.3
X = np.linspace(-1, 1, 6)[:, None]


class Fixed:
    """One action for each λ, whatever the condition; its draws have a deviation of 0.01."""

    family = "tests.surrogate.test_barriers:Fixed"
    noise_dimension = 1
    coupled_by_noise = True

    def __init__(self, value: float) -> None:
        self.value = value

    def outputs(self, conditions, draws, seed):
        return self.from_noise(conditions, np.random.default_rng(seed).standard_normal((len(conditions), draws, 1)))

    def from_noise(self, conditions, noise):
        return (ACTIONS[self.value] + 0.01 * noise).astype(np.float32)

    def save(self, folder):
        (folder / "value.json").write_text(json.dumps(self.value))


class Exact(Fixed):
    """The same without noise."""

    family = "tests.surrogate.test_barriers:Exact"
    noise_dimension = None
    coupled_by_noise = False

    def outputs(self, conditions, draws, seed):
        return np.full((len(conditions), draws, 1), ACTIONS[self.value], np.float32)


class Loose(Fixed):
    """Draws that do not belong together."""

    coupled_by_noise = False


class Wells:
    """An episode's score is −|a² − 1| + (λ − SWITCH) a: both wells are good, and between them there is a ridge.

    luck: the deviation of what an episode adds for all policies alike.
    """

    def __init__(self, luck: float = 0.0) -> None:
        self.luck = luck
        self.asked: list[tuple[float, range]] = []

    def episode_scores(self, policy, data, hyperparameter, seed, episodes=None):
        self.asked.append((hyperparameter, episodes))
        luck = [self.luck * np.random.default_rng([seed, i]).standard_normal() for i in episodes]
        a = policy(np.zeros((len(episodes), 1), np.float32), 1, seed)[:, 0, 0]
        return {"reward": -np.abs(a**2 - 1) + (hyperparameter - SWITCH) * a + luck}


def policies_harvest(kind=Fixed, anchors=ANCHORS, *, networks=True) -> Harvest:
    made = [kind(a) for a in anchors]
    x = np.repeat(X, 1 if kind is Exact else 5, axis=0).astype(np.float32)
    return Harvest.from_arrays(
        anchors,
        [n.outputs(x, 1, k)[:, 0] for k, n in enumerate(made)],
        [x] * len(made),
        networks=made if networks else None,
        deterministic=kind is Exact,
    )


@pytest.fixture(scope="module", params=[Fixed, Exact], ids=["policy", "deterministic"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def plain(kind) -> Surrogate:
    return Surrogate.fit(policies_harvest(kind), moment(variant="K_I", clock="linear"))


@pytest.fixture(scope="module")
def barriers(kind) -> tuple[Barrier, ...]:
    found = find_barriers(policies_harvest(kind), Wells(), Data(), episodes=20)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def surrogate(plain, barriers) -> Surrogate:
    return plain.with_barriers(barriers)


def test_the_ridge_is_found_and_mixtures_within_a_well_are_not(barriers):
    assert [barrier.broken for barrier in barriers] == [True, False]
    assert [barrier.anchors for barrier in barriers] == [(0.0, 1.0), (1.0, 2.0)]
    for m in barriers[0].mixtures:
        a = 2 * m.share - 1
        assert m.hyperparameter == m.share
        assert m.mixture == pytest.approx(a**2 - 1 + (m.share - SWITCH) * a, abs=0.03)
        assert (m.left, m.right) == pytest.approx((SWITCH - m.share, m.share - SWITCH), abs=0.03)


def test_the_better_end_changes_where_both_score_alike(barriers):
    assert barriers[0].switch == pytest.approx(SWITCH, abs=0.01)
    assert barriers[0].train_at == 0.5
    assert (barriers[1].switch, barriers[1].train_at) == (None, None)
    assert "at 0.5 a mixture" in barriers[0].verdict
    assert "served is the network of 0 below 0.3" in barriers[0].verdict
    assert barriers[0].verdict.endswith("train 0.5 to mend it")
    assert barriers[1].verdict == "between 1 and 2 mixtures of both networks do no harm"


@pytest.mark.filterwarnings("ignore:hyperparameter. broken")
def test_in_a_broken_interval_the_answer_is_an_anchors_own(surrogate):
    own = {anchor: surrogate.sample(X, anchor, draws=3, seed=2) for anchor in ANCHORS}
    for value, anchor in ((1e-3, 0.0), (0.28, 0.0), (0.32, 1.0), (0.75, 1.0), (0.999, 1.0)):
        np.testing.assert_array_equal(surrogate.sample(X, value, draws=3, seed=2), own[anchor])
    rows = surrogate.sample(X, np.array([0.0, 0.2, 0.5, 1.0, 2.0, 0.9]), draws=3, seed=2)
    np.testing.assert_array_equal(rows, [own[a][i] for i, a in enumerate((0.0, 0.0, 1.0, 1.0, 2.0, 1.0))])


def test_elsewhere_nothing_changes(surrogate, plain):
    for value in (*ANCHORS, 1 + 1e-6, 1.5, 1.9):
        np.testing.assert_array_equal(surrogate.sample(X, value, 3, 1), plain.sample(X, value, 3, 1))
    np.testing.assert_allclose(plain.sample(X, 0.5, 400).mean(), 0, atol=0.01)
    assert plain.barriers is None
    assert plain.digest != surrogate.digest


def test_an_answer_in_a_broken_interval_warns_and_names_what_to_train(surrogate):
    with pytest.warns(UserWarning, match=r"hyperparameter: broken between 0 and 1: .* train 0.5 to mend it"):
        surrogate.sample(X, 0.4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (0.0, 1.0, 1.5):
            surrogate.sample(X, value)


@pytest.mark.filterwarnings("ignore:hyperparameter. broken")
def test_a_curve_through_all_anchors_gives_way_too(kind):
    harvest = policies_harvest(kind)
    surrogate = Surrogate.fit(harvest, moment(variant="K_I", clock="linear", interpolation="pchip"))
    surrogate = surrogate.with_barriers(find_barriers(harvest, Wells(), Data()))
    np.testing.assert_array_equal(surrogate.sample(X, 0.6, seed=4), surrogate.sample(X, 1.0, seed=4))


@pytest.mark.filterwarnings("ignore:hyperparameter. broken")
def test_a_bundle_holds_barriers(circles_surrogate, tmp_path):
    ridge = Mixture(0.5, 0.25, 0.0, 9.0, 9.0, 0.1)
    broken, fine = Barrier((0.0, 0.5), "reward", 2, (ridge,), (1.0, -1.0)), Barrier((0.5, 1.0), "reward", 2, ())
    surrogate, codes = circles_surrogate.with_barriers([broken, fine]), np.arange(4.0)[:, None]
    surrogate.save(tmp_path / "broken")
    again = Surrogate.load(tmp_path / "broken")
    assert (again.barriers, again.digest) == ((broken, fine), surrogate.digest)
    for value, served in ((0.1, 0.5), (0.3, 0.0)):
        np.testing.assert_array_equal(again.sample(codes, value, 2), circles_surrogate.sample(codes, served, 2))
    circles_surrogate.save(tmp_path / "plain")
    assert "barriers" not in json.loads((tmp_path / "plain" / "surrogate.json").read_text())
    assert Surrogate.load(tmp_path / "plain").barriers is None


def test_luck_that_all_policies_share_hides_nothing():
    lucky = find_barriers(policies_harvest(), Wells(luck=100.0), Data(), episodes=20)
    assert [barrier.broken for barrier in lucky] == [True, False]
    assert lucky[0].switch == pytest.approx(SWITCH, abs=0.01)
    assert max(m.standard_error for m in lucky[0].mixtures) < 0.02


def test_the_end_is_chosen_in_other_episodes_and_the_cost_is_bounded():
    family = Wells()
    find_barriers(policies_harvest(), family, Data(), episodes=7)
    first, other = range(7), range(7, 14)
    assert [numbers for _, numbers in family.asked] == 9 * [first] + 6 * [other] + 9 * [first]
    assert {value for value, _ in family.asked} == {0.25, 0.5, 0.75, 1.25, 1.5, 1.75}


@pytest.mark.parametrize(("shortfall", "ruinous"), [(1.9, False), (2.1, True), (-3.0, False)])
def test_ruinous_is_two_standard_errors_below_the_worse_end(shortfall, ruinous):
    assert Mixture(0.5, 1.0, 10 - shortfall, 50.0, 10.0, standard_error=1.0).ruinous is ruinous


def test_rounding_is_no_barrier():
    assert not Mixture(0.5, 1.0, 100 - 1e-6, 100.0, 100.0, standard_error=0.0).ruinous


@pytest.mark.parametrize(
    ("advantage", "served", "at_one"),
    [
        ((1.0, 3.0), "the network of 4", True),
        ((-1.0, -3.0), "the network of 0", False),
        ((0.0, 3.0), "the network of 4", True),
        ((-1.0, 3.0), "the network of 0 below 1 and the network of 4 above", False),
        ((3.0, -1.0), "the network of 4 below 3 and the network of 0 above", True),
    ],
)
def test_the_end_that_is_served_is_the_better_one(advantage, served, at_one):
    barrier = Barrier((0.0, 4.0), "reward", 2, (Mixture(0.25, 1.0, 0.0, 9.0, 9.0, 0.1),), advantage)
    assert barrier.served == served
    assert barrier.serves_right(np.array([1.0])).tolist() == [at_one]
    assert barrier.train_at == 1.0
    assert Barrier.of(json.loads(json.dumps(vars(barrier) | {"mixtures": [vars(barrier.mixtures[0])]}))) == barrier


def test_networks_that_cannot_be_mixed_are_not_checked():
    assert find_barriers(policies_harvest(Loose), Wells(), Data()) is None
    assert find_barriers(policies_harvest(networks=False), Wells(), Data()) is None


@pytest.mark.parametrize("answer", [{"reward": [1.0]}, {"reward": [1.0, np.nan]}, {}, [1.0, 2.0], {"reward": 1.0}])
def test_scores_that_are_no_episodes_are_refused(answer):
    class Odd:
        def episode_scores(self, *_args):
            return answer

    with pytest.raises(ConfigurationError, match=r"episode_scores\(\) of Odd returned .* of 2 episodes at least"):
        find_barriers(policies_harvest(), Odd(), Data())


def test_barriers_of_other_anchors_are_refused(plain, barriers):
    with pytest.raises(ConfigurationError, match="check its own harvest"):
        plain.with_barriers(barriers[:1])
