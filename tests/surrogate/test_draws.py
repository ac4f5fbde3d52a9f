import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.surrogate.draws import Rows, condition_keys, draw_block, normal, numbered_keys, uniform

CONDITIONS = np.array([[0.0, 1.0], [2.0, 3.0], [0.0, 1.0], [0.0, 1.0], [2.0, 3.0]])


def test_rows_of_equal_conditions_are_numbered_in_their_order():
    rows = Rows.of(CONDITIONS)
    assert rows.occurrence.tolist() == [0, 0, 1, 2, 1]
    np.testing.assert_array_equal(CONDITIONS[rows.distinct][rows.number], CONDITIONS)
    chosen = rows.select(np.array([1, 3, 4]))
    assert chosen.occurrence.tolist() == [0, 2, 1]
    np.testing.assert_array_equal(CONDITIONS[[1, 3, 4]][chosen.distinct][chosen.number], CONDITIONS[[1, 3, 4]])


def test_without_columns_all_rows_have_one_condition():
    rows = Rows.of(np.zeros((4, 0)))
    assert rows.occurrence.tolist() == [0, 1, 2, 3]
    assert rows.number.tolist() == [0] * 4


def test_keys_depend_on_the_condition_and_the_seed_alone():
    keys = condition_keys(CONDITIONS, 3)
    assert keys[0] == keys[2] == keys[3] != keys[1]
    np.testing.assert_array_equal(condition_keys(CONDITIONS[::-1], 3), keys[::-1])
    assert condition_keys(CONDITIONS[:1], 4)[0] != keys[0]
    assert condition_keys(np.array([[-0.0]]), 0) == condition_keys(np.array([[0.0]]), 0)
    assert condition_keys(CONDITIONS[:1, ::-1], 3)[0] != keys[0]


@settings(max_examples=20)
@given(st.integers(0, 2**63 - 1))
def test_numbers_are_uniform_and_their_normal_scores_normal(seed):
    keys = condition_keys(np.arange(40.0)[:, None], seed)
    assert stats.kstest(uniform(keys, 100).reshape(-1), "uniform").pvalue > 1e-6
    assert stats.kstest(normal(keys, 100).reshape(-1), "norm").pvalue > 1e-6


def test_neighbouring_keys_and_counters_are_uncorrelated():
    noise = normal(numbered_keys(np.repeat(condition_keys(np.zeros((1, 1)), 0), 4000), np.arange(4000)), 3)
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.06
    assert abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 0.06


class Drawn:
    """A network whose draws its seed decides."""

    family = "tests"

    def outputs(self, conditions, draws, seed):
        noise = np.random.default_rng(seed).normal(size=(len(conditions), draws, 1))
        return (conditions[:, None] + noise).astype(np.float32)

    def save(self, folder): ...


class FromNoise(Drawn):
    noise_dimension = 1
    coupled_by_noise = False

    def from_noise(self, conditions, noise):
        return conditions[:, None] + noise


@pytest.mark.parametrize("network", [Drawn(), FromNoise()], ids=["seeded", "from noise"])
def test_a_block_of_draws_does_not_depend_on_the_batch(network):
    x = np.arange(6.0)[:, None].astype(np.float32)
    keys = condition_keys(x.astype(np.float64), 1)
    together = draw_block(network, x, keys, 50)
    assert together.shape == (6, 50, 1)
    np.testing.assert_array_equal(draw_block(network, x[3:4], keys[3:4], 50), together[3:4])
    noise = (together - x[:, None])[..., 0]
    assert np.abs(np.corrcoef(noise) - np.eye(6)).max() < 0.6
    assert stats.kstest(noise.reshape(-1), "norm").pvalue > 1e-6
