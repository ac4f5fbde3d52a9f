import numpy as np
import pytest
from scipy import integrate, stats

from benchmarks.newsvendor import demand_at
from benchmarks.recommend import ALLOWED, OVER, UNDER, cases, measure_one, newsvendor_truth, thermostat_truth

ROWS = np.arange(3)


def test_the_newsvendors_truth_is_its_expected_cost():
    x = np.array([[-0.5], [0.0], [0.8]])
    mean, spread = demand_at(x[:, 0])
    order = mean + spread * stats.norm.ppf(0.3)

    def cost(z, i):
        short = mean[i] + spread[i] * z - order[i]
        return stats.norm.pdf(z) * max(UNDER * short, -OVER * short)

    expected = np.mean([integrate.quad(cost, -9, 9, args=(i,), points=[stats.norm.ppf(0.3)])[0] for i in ROWS])
    truth = newsvendor_truth(x)
    assert truth(np.array([[0.3]]), ROWS)[0] == pytest.approx(expected, rel=1e-6)
    grid = np.linspace(0.05, 0.95, 901)[:, None]
    assert grid[truth(grid, ROWS).argmin(), 0] == pytest.approx(UNDER / (UNDER + OVER), abs=1e-3)


def test_the_thermostats_truth_is_least_at_the_price_that_the_objective_pays():
    grid = np.linspace(0, 3, 3001)[:, None]
    costs = thermostat_truth(np.array([[12.0], [25.0], [18.0]]))(grid, ROWS)
    assert grid[costs.argmin(), 0] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name in cases() for seed in (0, 1)])
def test_regret_is_at_most_five_percent_of_the_range(name, seed):
    for per, figures in measure_one(name, seed).items():
        assert figures["regret"] <= ALLOWED, per
