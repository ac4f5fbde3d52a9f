import pytest
import torch

from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.networks import ConditionalMLP, StackedLinear


def mlp(copies=1, widths=(8, 12)) -> ConditionalMLP:
    generator = torch.Generator().manual_seed(0)
    made = ConditionalMLP(2, 3, widths, ConditionShape(2, (3, 4)), generator, copies)
    made.last.weight.data.normal_(0, 1, generator=generator)
    return made


def conditions(rows=6) -> Condition:
    generator = torch.Generator().manual_seed(1)
    codes = torch.stack([torch.arange(rows).remainder(3), torch.arange(rows).remainder(4)], 1)
    return Condition(torch.randn(rows, 2, generator=generator), codes)


def test_last_layer_starts_at_zero():
    made = ConditionalMLP(2, 3, (8,), ConditionShape(0, ()), torch.Generator().manual_seed(0))
    out = made(torch.randn(1, 5, 2), Condition(torch.zeros(1, 5, 0), torch.zeros(1, 5, 0, dtype=torch.long)))
    assert torch.equal(out, torch.zeros(1, 5, 3))


def test_along_is_forward_at_every_point():
    made, x = mlp(), conditions()
    points = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(2))
    along = made.along(points, x)
    for t in range(4):
        torch.testing.assert_close(along[:, t], made(points[None, :, t], x.unsqueeze(0))[0])


def test_copies_are_independent_and_chosen_by_slice():
    made = mlp(copies=3)
    x = conditions()
    x3 = Condition(x.values.expand(3, -1, -1), x.codes.expand(3, -1, -1))
    inputs = torch.randn(6, 2, generator=torch.Generator().manual_seed(2))
    together = made(inputs.expand(3, -1, -1), x3)
    for k in range(3):
        alone = made(inputs.unsqueeze(0), x.unsqueeze(0), slice(k, k + 1))[0]
        torch.testing.assert_close(together[k], alone)


@pytest.mark.parametrize("widths", [(8, 12), (2,), (1, 1)])
def test_every_condition_matters_even_in_narrow_networks(widths):
    made, x = mlp(widths=widths), conditions()
    inputs = torch.ones(1, 6, 2)
    base = made(inputs, x.unsqueeze(0))
    value = made(inputs, Condition(x.values + 1, x.codes).unsqueeze(0))
    other = made(inputs, Condition(x.values, (x.codes + 1).remainder(torch.tensor([3, 4]))).unsqueeze(0))
    assert (value - base).abs().max() > 1e-5
    assert (other - base).abs().max() > 1e-5


def test_stacked_linear_is_k_linear_layers():
    layer = StackedLinear(2, 3, 4, torch.Generator().manual_seed(0))
    inputs = torch.randn(2, 5, 3)
    for k in (0, 1):
        torch.testing.assert_close(layer(inputs)[k], inputs[k] @ layer.weight[k] + layer.bias[k, 0])


def test_distances_of_equal_conditions_are_exactly_zero():
    x = Condition(torch.randn(300, 12) * 30, torch.arange(300).remainder(3)[:, None])
    found = x.distances(x)
    assert torch.equal(found.diagonal(), torch.zeros(300))
    assert found[0, 1] > 1e5  # another category
