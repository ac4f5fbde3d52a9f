import pytest
import torch

from pipeline.transport.maps import TransportMaps
from pipeline.transport.networks import Condition, ConditionShape


def maps(intervals=2, dimension=2) -> TransportMaps:
    return TransportMaps(intervals, dimension, ConditionShape(1, (3,)), (8, 8), torch.Generator().manual_seed(0))


def batch(rows=50, dimension=2) -> tuple[torch.Tensor, Condition]:
    generator = torch.Generator().manual_seed(1)
    y, x = torch.randn(rows, dimension, generator=generator), torch.randn(rows, 1, generator=generator)
    return y, Condition(x, torch.arange(rows).remainder(3)[:, None])


def test_untrained_maps_are_the_identity():
    y, x = batch()
    for k in (0, 1):
        assert torch.equal(maps()(y, x, k), y)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_affine_moves_are_recovered_in_closed_form(dimension):
    y, x = batch(200, dimension)
    matrix = torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(2))
    end = y @ matrix + 3 * x.values + 1
    made = maps(dimension=dimension)
    made.solve_affine(1, y, x, end, torch.ones(200), 200)
    torch.testing.assert_close(made(y, x, 1), end, rtol=1e-3, atol=5e-3)  # a ridge of 1e-4
    assert made.residual_scale[1] < 5e-3
    assert torch.equal(made(y, x, 0), y)  # the other interval is left alone


def test_affine_part_follows_the_weights():
    y, x = batch(60)
    end = torch.where(torch.arange(60)[:, None] < 30, y + 1, y - 1)
    weight = torch.where(torch.arange(60) < 30, 1.0, 1e-9)
    made = maps()
    made.solve_affine(0, y, x, end, weight, 60)
    torch.testing.assert_close(made(y[:30], x[:30], 0), end[:30], rtol=0, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 2])
def test_one_and_two_pairs_are_enough(rows):
    y, x = batch(rows)
    made = maps()
    made.solve_affine(0, y, x, y + 2, torch.ones(rows), rows)
    torch.testing.assert_close(made(y, x, 0), y + 2, rtol=0, atol=1e-3)


def test_all_intervals_at_once_are_each_alone():
    y, x = batch()
    made = maps(3)
    made.network.last.weight.data.normal_(0, 1, generator=torch.Generator().manual_seed(3))
    made.affine.normal_(generator=torch.Generator().manual_seed(4))
    together = made(y.expand(3, -1, -1), Condition(x.values.expand(3, -1, -1), x.codes.expand(3, -1, -1)))
    for k in range(3):
        torch.testing.assert_close(together[k], made(y, x, k))
    assert (together[0] - together[1]).abs().max() > 0.1
