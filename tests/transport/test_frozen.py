"""Frozen parts on NumPy arrays are the modules themselves: the same answers to rounding, for few rows as for many."""

import numpy as np
import pytest
import torch

from pipeline.surrogate import Surrogate, model
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.frozen import frozen
from pipeline.transport.networks import ConditionalMLP
from tests.clouds import circles_harvest, cloud_harvest, moment

TARGETS = [0.0, 0.2, 0.5, 0.7, 1.0]


@pytest.fixture(params=["cloud", "circles", "skewed"])
def pair(request):
    return request.getfixturevalue(f"{request.param}_surrogate"), request.getfixturevalue(request.param)


@pytest.mark.parametrize("rows", [1, 7, 12])
def test_few_rows_are_answered_as_many_are(pair, rows, monkeypatch):
    surrogate, harvest = pair
    y, x = harvest.outputs[0][:rows], harvest.conditions[0][:rows]
    scale = surrogate._parts.scaling.output_scale.numpy()
    few = surrogate.path(y, x, 0.0, TARGETS)
    monkeypatch.setattr(model, "FEW", 0)
    assert np.abs((surrogate.path(y, x, 0.0, TARGETS) - few) / scale).max() < 1e-5


@pytest.mark.parametrize(
    "settings", [{"variant": "K_I"}, {"speed": "action"}, {"clock": "hold"}, {"solver": "semidual"}]
)
def test_every_kind_of_surrogate(settings, monkeypatch):
    for harvest in (cloud_harvest(), circles_harvest()):
        surrogate = Surrogate.fit(harvest, moment(**settings))
        y, x = harvest.outputs[0][:9], harvest.conditions[0][:9]
        few, drawn = surrogate.path(y, x, 0.0, TARGETS), surrogate.sample(x[:3], 0.3, draws=2)
        monkeypatch.setattr(model, "FEW", 0)
        np.testing.assert_allclose(surrogate.path(y, x, 0.0, TARGETS), few, rtol=0, atol=1e-5)
        np.testing.assert_allclose(surrogate.sample(x[:3], 0.3, draws=2), drawn, rtol=0, atol=1e-5)
        monkeypatch.undo()


def test_a_twin_shares_the_weights_and_knows_no_training():
    network = ConditionalMLP(2, 3, (8, 8), ConditionShape(1, (4,)), torch.Generator().manual_seed(0), copies=2)
    torch.nn.init.normal_(network.last.weight, generator=torch.Generator().manual_seed(1))
    twin = frozen(network)
    inputs, values = torch.randn(2, 5, 2), torch.randn(2, 5, 1)
    codes = torch.arange(10).reshape(2, 5, 1) % 4
    with torch.no_grad():
        expected = network(inputs, Condition(values, codes)).numpy()
    found = twin(inputs.numpy(), Condition(values.numpy(), codes.numpy()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert np.shares_memory(twin.last.weight, network.last.weight.detach().numpy())
    assert not hasattr(twin, "parameters")
    with pytest.raises(TypeError, match="no forward pass"):
        frozen(torch.nn.ModuleDict())()
