import numpy as np
import pytest
import torch

from pipeline.errors import FitError
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.condition import Condition
from pipeline.transport.coupling import conditional_coupling
from pipeline.transport.pairs import Interval, euclidean_cost


def anchor(groups, *, values=None, codes=None, seed=0, dimension=2) -> AnchorSamples:
    """Random outputs in the given groups of conditions."""
    groups = torch.as_tensor(groups)
    generator = torch.Generator().manual_seed(seed)
    x = groups[:, None].float() if values is None else values
    return AnchorSamples(
        torch.randn(len(groups), dimension, generator=generator),
        Condition(x, torch.zeros(len(groups), 0, dtype=torch.long) if codes is None else codes),
        groups,
    )


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_coupling_within_conditions_is_exact():
    left, right = anchor([0, 2, 0, 2, 1]), anchor([1, 0, 0, 2, 2, 2], seed=1)
    interval = Interval(left, right)
    assert interval.shared
    found = interval.couple(euclidean_cost, 1000, rng())
    expected = conditional_coupling(
        left.outputs.numpy(), left.group[:, None].numpy(), right.outputs.numpy(), right.group[:, None].numpy()
    )
    columns = [(c.left, c.right, c.weight) for c in (found, expected)]
    as_sets = [{(int(i), int(j)): w for i, j, w in zip(*c, strict=True)} for c in columns]
    assert as_sets[0] == pytest.approx(as_sets[1])


def test_random_pairs_stay_within_conditions_and_reach_all_of_them():
    left, right = anchor([0, 2, 0, 2, 1]), anchor([1, 0, 0, 2, 2, 2], seed=1)
    drawn = Interval(left, right).random_pairs(500, torch.Generator().manual_seed(0))
    seen = set()
    for start, end in zip(drawn.start, drawn.end, strict=True):
        i = int((left.outputs == start).all(1).nonzero())
        j = int((right.outputs == end).all(1).nonzero())
        assert left.group[i] == right.group[j]
        seen.add((i, j))
    assert len(seen) == 2 * 2 + 2 * 3 + 1


def test_conditions_that_are_not_shared_pair_the_nearest_conditions():
    values = torch.linspace(-2, 2, 9)[:, None]
    left = anchor(range(9), values=values)
    right = anchor(range(9, 18), values=values.flip(0) + 0.01, seed=1)
    interval = Interval(left, right)
    assert not interval.shared
    coupling = interval.couple(euclidean_cost, 1000, rng())
    gaps = left.condition.values[coupling.left] - right.condition.values[coupling.right]
    assert gaps.abs().mean() < 0.6  # of a mean of 1.5 by chance


def test_categories_are_never_left():
    codes = torch.arange(12).remainder(3)[:, None]
    left = anchor(range(12), values=torch.zeros(12, 0), codes=codes)
    right = anchor(range(12, 24), values=torch.zeros(12, 0), codes=codes.flip(0), seed=1)
    coupling = Interval(left, right).couple(euclidean_cost, 1000, rng())
    assert torch.equal(left.condition.codes[coupling.left], right.condition.codes[coupling.right])


@pytest.mark.parametrize(("n0", "n1"), [(60, 60), (60, 45), (20, 90)])
def test_blocks_that_are_too_large_are_split_and_every_row_is_still_moved(n0, n1):
    left, right = anchor([0] * n0), anchor([0] * n1, seed=1)
    coupling = Interval(left, right).couple(euclidean_cost, 10 * max(n0, n1), rng())
    np.testing.assert_allclose(np.bincount(coupling.left, coupling.weight, n0), 1 / n0)
    assert set(coupling.right) == set(range(n1))
    assert np.bincount(coupling.right, coupling.weight, n1).max() < 2 / n1


def test_pairs_are_drawn_by_weight():
    left, right = anchor([0]), anchor([0, 0, 0], seed=1)
    interval = Interval(left, right)
    drawn = interval.pairs(interval.couple(euclidean_cost, 100, rng())).draw(3000, torch.Generator().manual_seed(0))
    for end in right.outputs:
        assert (drawn.end == end).all(1).double().mean().item() == pytest.approx(1 / 3, abs=0.05)


def test_costs_that_are_not_finite_are_refused():
    interval = Interval(anchor([0, 0]), anchor([0, 0], seed=1))
    with pytest.raises(FitError, match="not finite; lower the learning rates"):
        interval.couple(lambda start, end, condition: start[:, 0] * torch.nan, 100, rng())
