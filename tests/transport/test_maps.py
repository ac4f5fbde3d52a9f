import pytest
import torch

from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.interval_map import IntervalMap, Kernel
from pipeline.transport.maps import TransportMaps


def batch(rows=50, dimension=2) -> tuple[torch.Tensor, Condition]:
    generator = torch.Generator().manual_seed(1)
    y, x = torch.randn(rows, dimension, generator=generator), torch.randn(rows, 1, generator=generator)
    return y, Condition(x, torch.arange(rows).remainder(3)[:, None])


def curved(dimension: int, inputs: int) -> IntervalMap:
    """A location and scale that depend on the condition, and a mild bend."""
    generator = torch.Generator().manual_seed(2)
    made = IntervalMap(dimension, inputs).double()
    made.set_matrix((2 * torch.eye(dimension) + 0.2).numpy())
    made.log_scale.set(torch.zeros(dimension).numpy(), 0.1 * torch.ones(inputs, dimension).numpy())
    made.shift.set(torch.ones(dimension).numpy(), torch.ones(inputs, dimension).numpy())
    centres = torch.randn(9, dimension + inputs, generator=generator).numpy()
    ones, none = torch.ones(dimension).numpy(), torch.zeros(dimension).numpy()
    weights = 0.2 * torch.randn(9, dimension, generator=generator).numpy()
    lengths = torch.ones(dimension + inputs).numpy()
    made.set_kernel(Kernel(lengths, centres, weights, none, ones, 1.1 * torch.eye(dimension).numpy(), ones))
    return made


def test_unfitted_maps_are_the_identity():
    y, x = batch()
    maps = TransportMaps(2, 2, ConditionShape(1, (3,)))
    for k in (0, 1):
        assert torch.equal(maps(y, x, k), y)
        assert torch.equal(maps.inverse(y, x, k), y)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_round_trip(dimension):
    y, x = batch(200, dimension)
    maps = TransportMaps(2, dimension, ConditionShape(1, (3,)))
    maps.set(1, 0, curved(dimension, 4))
    image = maps(y, x, 1)
    assert (image - y).abs().mean() > 0.5
    torch.testing.assert_close(maps.inverse(image, x, 1), y, rtol=0, atol=1e-3)
    assert torch.equal(maps(y, x, 0), y)  # the other interval is left alone


def test_jacobian_is_the_derivative():
    y, x = batch(20)
    made, columns = curved(2, 4).double(), torch.cat([x.values, torch.eye(3)[x.codes[:, 0]]], 1).double()
    expected = torch.func.vmap(torch.func.jacrev(lambda a, c: made(a[None], c[None])[0]))(y.double(), columns)
    torch.testing.assert_close(made.jacobian(y.double(), columns), expected.mT)


def test_categories_have_maps_of_their_own():
    y, _ = batch(6)
    condition = Condition(torch.zeros(6, 0), torch.tensor([0, 1, 2, 0, 1, 2])[:, None])
    maps = TransportMaps(1, 2, ConditionShape(0, (3,)))
    for category in range(3):
        one = IntervalMap(2, 0).double()
        one.shift.set(torch.full((2,), float(category)).numpy(), torch.zeros(0, 2).numpy())
        maps.set(0, category, one)
    torch.testing.assert_close(maps(y, condition, 0), y + condition.codes)
    torch.testing.assert_close(maps.inverse(maps(y, condition, 0), condition, 0), y)


def test_a_state_brings_its_shapes():
    y, x = batch()
    maps, empty = (TransportMaps(1, 2, ConditionShape(1, (3,))) for _ in range(2))
    maps.set(0, 0, curved(2, 4))
    empty.load_state_dict(maps.state_dict())
    assert torch.equal(empty(y, x, 0), maps(y, x, 0))
