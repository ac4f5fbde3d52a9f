import numpy as np
import pytest

from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.families.cancer_therapy.cancer_env import CancerEnv
from pipeline.families.cancer_therapy.family import CancerSettings, CancerTherapy
from pipeline.families.cancer_therapy.observed import OBSERVED
from pipeline.families.catalog import make_family
from pipeline.families.policies.policy_family import score_seed
from pipeline.families.protocol import Data, EpisodicFamily, IngestSection
from pipeline.stages.params import load_config
from tests.paths import CHECKOUT

SOURCE = IngestSection(source="code.py")
SMALL = CancerSettings(
    hidden=(8,), steps=256, environments=4, rollout=256, batch_size=64, epochs=1, episodes=3, reference_episodes=3
)
FAMILY = CancerTherapy(SMALL)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Data:
    source = tmp_path_factory.mktemp("source") / "code.py"
    source.touch()
    return FAMILY.ingest(source, SOURCE)


@pytest.fixture(scope="module")
def network(data):
    return FAMILY.train(data, 5.0, 0)[0]


def test_schema_has_the_boxes_of_the_environment():
    schema, env = FAMILY.schema(Data()), CancerEnv()
    for columns, box in ((schema.outputs, env.action_space), (schema.conditions, env.observation_space)):
        np.testing.assert_array_equal([c.lower for c in columns], box.low)  # type: ignore[attr-defined]
        np.testing.assert_array_equal([c.upper for c in columns], box.high)  # type: ignore[attr-defined]
    assert [c.name for c in schema.outputs] == ["radiation", "drug"]
    assert schema.deterministic is False


def test_conditions_are_states_of_episodes_that_no_two_splits_share(data):
    fit, score = (FAMILY.conditions(data, split, 10_000, 0) for split in ("fit", "score"))
    for states in (fit, score):
        assert states.dtype == np.float32
        assert (states >= 0).all()
        assert (states <= CancerEnv().observation_space.high).all()  # type: ignore[attr-defined]
    assert not {row.tobytes() for row in fit} & {row.tobytes() for row in score}
    few, same, other = (FAMILY.conditions(data, "fit", 7, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(few, same)
    assert few.shape == (7, 7)
    assert not np.array_equal(few, other)


def test_early_steps_are_asked_about_more_often():
    step = np.repeat(np.arange(4), 50_000)
    data = Data({"fit": step[:, None].astype(np.float32), "fit_step": step})
    drawn = np.bincount(FAMILY.conditions(data, "fit", 5000, 0)[:, 0].astype(int))
    np.testing.assert_allclose(drawn / 5000, np.array([12, 6, 4, 3]) / 25, atol=0.02)


def test_steps_count_from_the_first_state_of_an_episode(data):
    states, step = data.arrays["fit"], data.arrays["fit_step"]
    assert len(states) == len(step)
    counts = np.bincount(step)
    assert counts[0] == SMALL.reference_episodes
    assert (np.diff(counts) <= 0).all()
    primary = states[step == 0][:, OBSERVED.index("T_p")]
    np.testing.assert_allclose(primary, np.log(1e7), atol=0.4)  # a start of 1e7 cells, within 25 %, seen within 10 %


def test_reference_doses_lie_in_their_box_and_have_a_fifth_of_it_as_their_mean():
    doses = FAMILY.reference(np.zeros((20_000, 7)), np.random.default_rng(0))
    assert (doses.min(axis=0) >= 0).all()
    np.testing.assert_array_equal(doses.max(axis=0), [10, 8])
    # min(E, 1) of an exponential E with mean m has the mean m (1 − exp(−1 / m)).
    np.testing.assert_allclose(doses.mean(axis=0) / [10, 8], 0.2 * (1 - np.exp(-5)), rtol=0.02)


def test_states_do_not_depend_on_the_penalty(data, tmp_path):
    (tmp_path / "code.py").touch()
    hinge = CancerTherapy(SMALL.model_copy(update={"penalty": "hinge"}))
    for split, states in hinge.ingest(tmp_path / "code.py", SOURCE).arrays.items():
        np.testing.assert_array_equal(states, data.arrays[split])


def test_score_weighs_the_penalty_by_its_own_hyperparameter(data):
    def policy(conditions, draws, seed):
        return np.tile([3.0, 1.0], (len(conditions), draws, 1))

    plain, one, two = (FAMILY.score(policy, data, value, 4)["mean episode reward"] for value in (0.0, 1.0, 2.0))
    assert one < plain
    assert two - one == pytest.approx(one - plain, rel=1e-4)
    hinge = CancerTherapy(SMALL.model_copy(update={"penalty": "hinge"}))
    assert one < hinge.score(policy, data, 1.0, 4)["mean episode reward"] <= plain
    assert plain != FAMILY.score(policy, data, 0.0, 5)["mean episode reward"]


def test_score_is_the_mean_reward_of_episodes_one_after_the_other(data):
    def policy(conditions, draws, seed):
        return np.tile([3.0, 1.0], (len(conditions), draws, 1))

    by_hand = []
    for patient in range(3):
        env, total, over = CancerEnv(2.0), 0.0, False
        env.reset(seed=score_seed(4) + patient)
        while not over:
            _, reward, terminated, truncated, _ = env.step(np.array([3.0, 1.0]))
            total, over = total + reward, terminated or truncated
        by_hand.append(total)
    found = FAMILY.score(policy, data, 2.0, 4)
    assert found == {"mean episode reward": pytest.approx(np.mean(by_hand), rel=1e-4)}


def test_episodes_keep_their_patients_whatever_their_range_and_lambda(data):
    def policy(conditions, draws, seed):
        return np.tile([3.0, 1.0], (len(conditions), draws, 1))

    def rewards(value, episodes):
        return FAMILY.episode_scores(policy, data, value, 4, episodes)["mean episode reward"]

    np.testing.assert_allclose(rewards(2.0, range(1, 3)), rewards(2.0, range(4))[1:3], rtol=1e-5)
    # λ weighs a penalty: the reward of every single episode is linear in it.
    none, one, two = (rewards(value, range(3)) for value in (0.0, 1.0, 2.0))
    np.testing.assert_allclose(two - one, one - none, rtol=1e-3)
    assert isinstance(FAMILY, EpisodicFamily)


def test_states_of_another_width_are_refused(network):
    with pytest.raises(DataError, match=r"conditions have shape \(2, 6\); \(N, 7\) is needed"):
        network.outputs(np.zeros((2, 6)), 1, 0)


@pytest.mark.parametrize("weight", [-0.1, float("inf"), float("nan")])
def test_weight_that_is_none_is_refused(data, weight):
    with pytest.raises(HyperparameterError, match=rf"nk_weight {weight}: a weight is at least 0, and finite"):
        FAMILY.train(data, weight, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalty": "square"}, r"train.penalty: .*'linear' or 'hinge'"),
        ({"rollout": 100}, r"train.rollout = 100 is not a multiple of both environments = 32 and batch_size = 64"),
        ({"stepz": 1}, r"train.stepz: unknown key"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        make_family("cancer_therapy", settings)


@pytest.mark.parametrize(
    "name", ["cancer", "cancer_hinge", "cancer_warm", "cancer_small", "cancer_hinge_small", "cancer_warm_small"]
)
def test_presets_are_sweeps_of_this_family(name):
    config = load_config(CHECKOUT / "sweeps" / f"{name}.yaml")
    family = make_family(config.network, config.train.family_settings)
    assert isinstance(family, CancerTherapy)
    assert (config.name, config.register_.model) == (name, name)
    assert family.settings.penalty == ("hinge" if "hinge" in name else "linear")
    assert config.sweep.anchors == (0.0, 5.0, 10.0)
    assert config.harvest.draws > 1
    if not name.endswith("small"):
        assert config.sweep.held_out == (1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0)
        assert family.settings == CancerSettings(penalty=family.settings.penalty)


@pytest.mark.slow
def test_training_teaches_to_cure(data):
    # Who is not treated is not cured: the tumour alone costs about half a point a day.
    family = CancerTherapy(CancerSettings(steps=24_000, rollout=1024, learning_rate=1e-3, episodes=20))
    network, _ = family.train(data, 0.0, 0)

    def untreated(conditions, draws, seed):
        return np.zeros((len(conditions), draws, 2))

    assert family.score(untreated, data, 0.0, 0)["mean episode reward"] < 0
    assert family.score(network.outputs, data, 0.0, 0)["mean episode reward"] > 80
