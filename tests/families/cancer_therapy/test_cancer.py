import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.families.cancer_therapy.cancer import ROWS, START, Patients
from pipeline.families.cancer_therapy.observed import HIGHEST_ACTION, HIGHEST_OBSERVATION, OBSERVED
from pipeline.families.cancer_therapy.tumours import NOMINAL, VARIABLES

T_P, T_S, N_P = (VARIABLES.index(name) for name in ("T_p", "T_s", "N_p"))
NOTHING = np.zeros((1, 2))


def patients(count: int = 1, weight: float = 0.0, penalty: str = "linear", seed: int = 0) -> Patients:
    return Patients(weight, penalty, [np.random.default_rng([seed, i]) for i in range(count)])


def test_patients_differ_within_their_noise():
    many = patients(300)
    many.admit(range(300))
    ratio = many.tumours.table / NOMINAL[:, None]
    assert 0.95 <= ratio.min() < 0.951
    assert 1.049 < ratio.max() <= 1.05
    start = many.state[START > 0] / START[START > 0, None]
    assert 0.75 <= start.min() < 0.76
    assert 1.24 < start.max() <= 1.25
    assert not many.state[START == 0].any()
    assert set(many.tumours.delay) == set(range(10))


def test_observations_are_noisy_logarithms_of_at_least_one_cell():
    many = patients(500)
    seen = many.admit(range(500))
    assert (seen.dtype, seen.shape) == (np.float32, (500, 7))
    ratio = np.exp(seen) / np.maximum(many.state[ROWS].T, 1)
    tumour = OBSERVED.index("T_s")
    assert not seen[:, tumour].any()
    ratio = np.delete(ratio, tumour, axis=1)
    assert (ratio.min(), ratio.max()) == pytest.approx((0.9, 1.1), abs=1e-3)


def test_observations_stay_below_their_bound():
    one = patients()
    one.admit([0])
    one.state[N_P] = 1e12
    np.testing.assert_array_equal(one._observe([0])[0, 1], HIGHEST_OBSERVATION[1])


def test_reward_is_that_of_the_state_before_the_step():
    one = patients()
    one.admit([0])
    first = np.log(one.state[T_P, 0])
    assert one.treat(NOTHING).reward == pytest.approx(0)  # nothing has changed on the first day
    second = np.log(one.state[[T_P, T_S], 0].sum())
    assert one.treat(NOTHING).reward == pytest.approx(1 - second / first)


@pytest.mark.parametrize(("penalty", "margin"), [("linear", 0.0), ("hinge", 0.1)])
def test_penalty_weighs_the_observed_deviation_of_nk_cells(penalty, margin):
    plain, weighted = patients(), patients(weight=3.0, penalty=penalty)
    first = np.exp(weighted.admit([0])[0, [1, 5]].astype(float)).sum()
    plain.admit([0])
    for dose in ([3.0, 1.0], [0.5, 0.0], [9.0, 0.0]):
        without, day = plain.treat(np.array([dose])), weighted.treat(np.array([dose]))
        np.testing.assert_array_equal(day.observation, without.observation)
        cells = np.exp(day.observation[0, [1, 5]].astype(float)).sum()
        deviation = abs(np.log(cells) / np.log(first) - 1)
        assert day.reward - without.reward == pytest.approx(-3 * max(0, deviation - margin))


def test_metastasis_begins_on_the_day_after_the_delay():
    one = patients()
    one.admit([0])
    one.tumours.delay[:] = 3
    seen = []
    for _ in range(5):
        one.treat(NOTHING)
        seen.append(one.state[T_S, 0])
    # Days end at t = 1, 2, …; the equations of the secondary site hold for t > τ alone.
    assert seen[:3] == [0, 0, 0]
    assert seen[3] > 0


def test_a_patient_without_tumours_is_cured():
    one = patients()
    one.admit([0])
    first = np.log(one.state[T_P, 0])
    one.state[[T_P, T_S]] = 0.5
    day = one.treat(np.array([[10.0, 8.0]]))
    assert (day.terminated, day.truncated) == (True, False)
    assert day.reward == pytest.approx(100 + 1 - 1 / first)


def test_one_tumour_left_is_no_cure():
    one = patients()
    one.admit([0])
    one.state[T_P], one.state[T_S] = 0.5, 1e6
    one.tumours.delay[:] = 9
    assert not one.treat(NOTHING).terminated


def test_cells_out_of_bounds_end_the_episode():
    one = patients()
    one.admit([0])
    one.state[VARIABLES.index("C")] = 1e12
    day = one.treat(NOTHING)
    assert (day.terminated, day.truncated) == (True, False)
    assert day.reward == pytest.approx(-100)


def test_episodes_have_200_days():
    one = patients()
    one.admit([0])
    one.day[:] = 198
    assert not one.treat(NOTHING).truncated
    day = one.treat(NOTHING)
    assert (day.terminated, day.truncated) == (False, True)


def test_doses_outside_their_box_are_clipped():
    days = []
    for dose in ([20.0, -3.0], [10.0, 0.0]):
        one = patients()
        one.admit([0])
        days.append(one.treat(np.array([dose])))
    np.testing.assert_array_equal(days[0].observation, days[1].observation)


@pytest.mark.parametrize(
    ("actions", "message"),
    [(np.zeros((2, 2)), r"actions have shape \(2, 2\); \(1, 2\)"), ([[np.nan, 0.0]], "finite doses")],
)
def test_actions_that_are_none_are_refused(actions, message):
    one = patients()
    one.admit([0])
    with pytest.raises(DataError, match=message):
        one.treat(actions)


def test_a_patient_of_a_batch_is_the_same_as_alone():
    doses = np.random.default_rng(1).exponential(0.2, (8, 5, 2)).clip(max=1) * HIGHEST_ACTION
    batch = patients(5, weight=2.0)
    seen = [batch.admit(range(5))]
    rewards = []
    for dose in doses:
        day = batch.treat(dose)
        seen.append(day.observation)
        rewards.append(day.reward)
    for i in range(5):
        one = Patients(2.0, "linear", [np.random.default_rng([0, i])])
        np.testing.assert_array_equal(one.admit([0])[0], seen[0][i])
        for t, dose in enumerate(doses):
            day = one.treat(dose[[i]])
            np.testing.assert_allclose(day.observation[0], seen[t + 1][i], rtol=1e-6)
            assert day.reward == pytest.approx(rewards[t][i])


def test_a_new_patient_leaves_the_others_alone():
    two, same = patients(2), patients(2)
    for batch in (two, same):
        batch.admit([0, 1])
        batch.treat(np.ones((2, 2)))
    two.admit([1])
    assert two.day.tolist() == [1, 0]
    np.testing.assert_array_equal(two.treat(np.ones((2, 2))).observation[0], same.treat(np.ones((2, 2))).observation[0])
