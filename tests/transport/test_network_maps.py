import torch

from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.network_maps import NetworkMaps


def maps(intervals=2, dimension=2) -> NetworkMaps:
    return NetworkMaps(intervals, dimension, ConditionShape(1, (3,)), (8, 8), torch.Generator().manual_seed(0))


def batch(rows=50, dimension=2) -> tuple[torch.Tensor, Condition]:
    generator = torch.Generator().manual_seed(1)
    y, x = torch.randn(rows, dimension, generator=generator), torch.randn(rows, 1, generator=generator)
    return y, Condition(x, torch.arange(rows).remainder(3)[:, None])


def test_untrained_maps_are_the_identity():
    y, x = batch()
    for k in (0, 1):
        assert torch.equal(maps()(y, x, k), y)


def test_all_intervals_at_once_are_each_alone():
    y, x = batch()
    made = maps(3)
    made.network.last.weight.data.normal_(0, 1, generator=torch.Generator().manual_seed(3))
    together = made(y.expand(3, -1, -1), Condition(x.values.expand(3, -1, -1), x.codes.expand(3, -1, -1)))
    for k in range(3):
        torch.testing.assert_close(together[k], made(y, x, k))
    assert (together[0] - together[1]).abs().max() > 0.1
