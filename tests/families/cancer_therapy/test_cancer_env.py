import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check
from stable_baselines3.common.vec_env import DummyVecEnv

from pipeline.families.cancer_therapy.cancer_env import CancerEnv, CancerVecEnv
from pipeline.families.cancer_therapy.observed import PENALTY


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized", "ignore:.*alternative render modes")
@pytest.mark.parametrize("penalty", ["linear", "hinge"])
def test_passes_the_checkers_of_gymnasium_and_of_stable_baselines3(penalty):
    gymnasium_check(CancerEnv(5.0, penalty))
    sb3_check(CancerEnv(5.0, penalty))


def test_the_same_seed_gives_the_same_episode():
    episodes = []
    for _ in range(2):
        env = CancerEnv(5.0)
        seen = [env.reset(seed=3)[0]]
        seen += [env.step(np.array([2.0, 1.0], np.float32))[0] for _ in range(5)]
        episodes.append(np.stack(seen))
    np.testing.assert_array_equal(*episodes)
    assert not np.array_equal(env.reset()[0], episodes[0][0])  # without a seed, the next patient


def test_many_at_once_are_many_alone():
    count, rng = 4, np.random.default_rng(0)
    many = CancerVecEnv(count, 4.0, "hinge", seed=7)
    alone = DummyVecEnv([lambda: CancerEnv(4.0, "hinge")] * count)
    alone.seed(7)
    np.testing.assert_array_equal(many.reset(), alone.reset())
    ended = 0
    for _ in range(45):
        actions = rng.uniform(0, 1, (count, 2)).astype(np.float32) * [10, 8]
        (seen, reward, done, infos), (other, same, over, told) = many.step(actions), alone.step(actions)
        np.testing.assert_allclose(seen, other, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(reward, same, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(done, over)
        for row in np.flatnonzero(done):
            ended += 1
            np.testing.assert_allclose(infos[row]["terminal_observation"], told[row]["terminal_observation"], rtol=1e-5)
            assert infos[row]["TimeLimit.truncated"] == told[row]["TimeLimit.truncated"]
    assert ended > 0


def test_treatment_for_200_days_is_truncated_and_makes_room():
    many = CancerVecEnv(2, 0.0, "linear", seed=0)
    many.reset()
    many._patients.day[:] = [199, 3]
    _, _, done, infos = many.step(np.zeros((2, 2)))
    assert done.tolist() == [True, False]
    assert infos[0]["TimeLimit.truncated"]
    assert set(infos[1]) == {PENALTY}
    assert many._patients.day.tolist() == [0, 4]


def test_resetting_with_the_seed_starts_over_and_without_goes_on():
    many = CancerVecEnv(2, 0.0, "linear", seed=1)
    first = many.reset()
    assert not np.array_equal(many.reset(), first)
    many.seed(1)
    np.testing.assert_array_equal(many.reset(), first)


def test_what_a_batch_cannot_do_is_refused():
    many = CancerVecEnv(2, 0.0, "linear", seed=1)
    assert many.get_attr("render_mode") == [None, None]
    assert many.env_is_wrapped(DummyVecEnv) == [False, False]
    with pytest.raises(NotImplementedError, match="patients of one batch share their attributes"):
        many.set_attr("weight", 1.0)
    with pytest.raises(NotImplementedError, match="there is no environment for each patient"):
        many.env_method("step")
