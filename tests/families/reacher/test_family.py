import sys

import gymnasium
import numpy as np
import pytest

from pipeline.errors import ConfigurationError, HyperparameterError
from pipeline.families.catalog import make_family
from pipeline.families.policies.policy_family import score_seed
from pipeline.families.policies.settings import PolicySettings
from pipeline.families.protocol import Data, IngestSection
from pipeline.families.reacher.family import LINKS, Reacher
from pipeline.stages.params import load_config
from tests.paths import CHECKOUT

SMALL = PolicySettings(
    hidden=(8,), steps=256, environments=4, rollout=256, batch_size=64, epochs=1, normalise=True, episodes=2,
    reference_episodes=3,
)  # fmt: skip
FAMILY = Reacher(SMALL)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Data:
    source = tmp_path_factory.mktemp("source") / "code.py"
    source.touch()
    return FAMILY.ingest(source, IngestSection(source="code.py"))


@pytest.fixture(scope="module")
def network(data):
    return FAMILY.train(data, 3.0, 0)[0]


def test_schema_has_the_sizes_and_the_box_of_the_environment():
    schema, env = FAMILY.schema(Data()), FAMILY.environment(1.0, 1, 0)
    assert (len(schema.conditions),) == env.observation_space.shape
    np.testing.assert_array_equal([c.lower for c in schema.outputs], env.action_space.low)  # type: ignore[attr-defined]
    np.testing.assert_array_equal([c.upper for c in schema.outputs], env.action_space.high)  # type: ignore[attr-defined]
    env.close()


def test_observations_are_what_their_columns_say():
    env = FAMILY.environment(1.0, 3, 0)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(20):
        observation = env.step(rng.uniform(-1, 1, (3, 2)).astype(np.float32))[0]
    columns = dict(zip([c.name for c in FAMILY.observed], observation.T, strict=True))
    angle = np.arctan2(columns["sin_0"], columns["cos_0"])
    both = angle + np.arctan2(columns["sin_1"], columns["cos_1"])
    tip_x = LINKS[0] * np.cos(angle) + LINKS[1] * np.cos(both)
    np.testing.assert_allclose(tip_x - columns["target_x"], columns["offset_x"], atol=1e-5)
    tip_y = LINKS[0] * np.sin(angle) + LINKS[1] * np.sin(both)
    np.testing.assert_allclose(tip_y - columns["target_y"], columns["offset_y"], atol=1e-5)
    env.close()


def test_states_are_those_of_whole_episodes_that_no_two_splits_share(data):
    fit, score = (FAMILY.conditions(data, split, 1000, 0) for split in ("fit", "score"))
    assert fit.shape == score.shape == (3 * 50, 10)
    assert not {row.tobytes() for row in fit} & {row.tobytes() for row in score}


def test_the_reference_reaches():
    env, generator = FAMILY.environment(1.0, 20, 0), np.random.default_rng(0)
    first = observation = env.reset()
    for _ in range(49):  # the fiftieth step would begin another episode
        observation, *_ = env.step(FAMILY.reference(observation, generator))
    start, end = (np.linalg.norm(o[:, 8:], axis=1).mean() for o in (first, observation))
    assert end < 0.4 * start
    env.close()


def test_score_is_the_mean_reward_of_episodes_under_this_control_cost(data):
    torques = np.array([0.1, -0.05], np.float32)

    def policy(conditions, draws, seed):
        return np.tile(torques, (len(conditions), draws, 1))

    by_hand = []
    for arm in range(2):
        env = gymnasium.make("Reacher-v5")
        observation, _ = env.reset(seed=score_seed(6) + arm)
        total = 0.0
        for _ in range(50):
            observation, *_ = env.step(torques)
            total += -np.linalg.norm(observation[8:]) - 2.5 * float(torques @ torques)
        by_hand.append(total)
        env.close()
    assert FAMILY.score(policy, data, 2.5, 6) == {"mean episode reward": pytest.approx(np.mean(by_hand), rel=1e-5)}


def test_weight_that_is_none_is_refused(data):
    with pytest.raises(HyperparameterError, match=r"control_cost -1.0: a weight is at least 0"):
        FAMILY.train(data, -1.0, 0)


@pytest.mark.parametrize("name", ["reacher", "reacher_small"])
def test_presets_are_sweeps_of_this_family(name):
    config = load_config(CHECKOUT / "sweeps" / f"{name}.yaml")
    assert isinstance(make_family(config.network, config.train.family_settings), Reacher)
    assert (config.name, config.register_.model) == (name, name)
    assert config.sweep.anchors == (1.0, 5.0)
    assert config.sweep.held_out == ((3.0,) if name.endswith("small") else (2.0, 3.0, 4.0))


def test_missing_simulators_name_their_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    (tmp_path / "code.py").touch()
    with pytest.raises(ConfigurationError, match=r"pip install 'sweep-to-surrogate\[policies\]'"):
        FAMILY.ingest(tmp_path / "code.py", IngestSection(source="code.py"))
