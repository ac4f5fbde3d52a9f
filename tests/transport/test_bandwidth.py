import math

import pytest
import torch

from pipeline.transport.bandwidth import GRID, choose_bandwidths
from pipeline.transport.condition import Condition
from tests.problems import no_condition


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def continuous(values: torch.Tensor) -> Condition:
    return Condition(values, torch.zeros(len(values), 0, dtype=torch.long))


def test_choice_is_the_grid_point_of_the_highest_leave_one_out_likelihood():
    outputs = torch.randn(40, 2, generator=generator())
    x = torch.randn(40, 1, generator=generator())

    def likelihood(h_y: float, h_x: float) -> float:
        total = 0.0
        for i in range(40):
            above = below = 0.0
            for j in range(40):
                if i == j:
                    continue
                k_x = math.exp(-0.5 * ((x[i] - x[j]) ** 2).sum().item() / h_x**2)
                above += k_x * math.exp(-0.5 * ((outputs[i] - outputs[j]) ** 2).sum().item() / h_y**2) / h_y**2
                below += k_x
            total += max(math.log(above / below) if above > 0 and below > 0 else -50, -50)
        return total

    chosen = choose_bandwidths(outputs, continuous(x), None, None, generator())
    few = [(y, z) for y in GRID[3:] for z in GRID[3:]]
    assert likelihood(*chosen) >= max(likelihood(*pair) for pair in few) - 1e-3


def test_gaussian_bandwidth_is_near_the_known_optimum():
    # Silverman's bandwidth for a standard normal in one dimension: 1.06 n^{-1/5} = 0.27.
    h_y, _ = choose_bandwidths(torch.randn(1000, 1, generator=generator()), no_condition(1000), None, None, generator())
    assert 0.15 < h_y < 0.45


def test_given_bandwidths_stay():
    outputs = torch.randn(20, 2, generator=generator())
    x = continuous(torch.randn(20, 2, generator=generator()))
    assert choose_bandwidths(outputs, x, 0.7, 0.9, generator()) == (0.7, 0.9)
    assert choose_bandwidths(outputs, x, 0.7, None, generator())[0] == 0.7


def test_conditions_that_say_nothing_get_a_wide_bandwidth_and_those_that_say_all_a_narrow_one():
    x = torch.randn(200, 1, generator=generator())
    noise = torch.randn(200, 1, generator=torch.Generator().manual_seed(1))
    _, irrelevant = choose_bandwidths(noise, continuous(x), None, None, generator())
    _, decisive = choose_bandwidths(x + 0.05 * noise, continuous(x), None, None, generator())
    assert irrelevant > 4 * decisive


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_samples_give_some_bandwidth(rows):
    chosen = choose_bandwidths(torch.randn(rows, 2, generator=generator()), no_condition(rows), None, None, generator())
    assert all(h > 0 for h in chosen)


def test_lonely_categories_and_duplicates_give_some_bandwidth():
    codes = torch.arange(5)[:, None]
    lonely = choose_bandwidths(torch.randn(5, 2), Condition(torch.zeros(5, 0), codes), None, None, generator())
    duplicates = choose_bandwidths(torch.zeros(30, 2), no_condition(30), None, None, generator())
    assert all(h > 0 for h in (*lonely, *duplicates))
