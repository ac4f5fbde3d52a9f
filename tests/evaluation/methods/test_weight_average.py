import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.errors import HyperparameterError
from pipeline.evaluation.methods.weight_average import METHOD, mean_weights
from pipeline.families.torch_family import DeterministicFamily, NoSettings
from tests.evaluation.methods.situations import fitting
from tests.evaluation.oracles import Shifting

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


class Linear(DeterministicFamily):
    """y = A x + b."""

    width = 3

    def schema(self, data):
        return Schema(hyperparameter=Column(name="a"), outputs=(Column(name="y"),), conditions=(), deterministic=True)

    def build(self, hyperparameter):
        return nn.Linear(3, 2)

    def train(self, data, hyperparameter, seed):
        raise NotImplementedError

    def conditions(self, data, split, count, seed):
        return X


class Other(Linear):
    """Another family of the same shapes."""


def network(seed, family=Linear, layer=(3, 2)):
    module, generator = nn.Linear(*layer), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(generator=generator)
    return family(NoSettings()).network(module, 0.0)


def harvest(networks, values=(0.0, 0.5, 1.0)):
    return Harvest.from_arrays(values, [X[:, :2]] * len(networks), [X] * len(networks), networks=networks)


def test_the_soup_of_linear_networks_is_the_linear_network_with_mean_weights():
    networks = [network(s) for s in range(3)]
    fitted = METHOD.fit(fitting(harvest(networks), deterministic=True))
    outputs = [n.outputs(X, 1, 0) for n in networks]  # linear in the weights
    np.testing.assert_allclose(fitted.sample(X, 0.4, 1, 0), 0.2 * outputs[0] + 0.8 * outputs[1], atol=1e-5)
    np.testing.assert_allclose(fitted.sample(X, 0.75, 1, 0), 0.5 * outputs[1] + 0.5 * outputs[2], atol=1e-5)


def test_at_its_anchors_the_soup_is_their_network():
    networks = [network(s) for s in range(3)]
    fitted = METHOD.fit(fitting(harvest(networks), deterministic=True))
    for value, own in zip((0.0, 0.5, 1.0), networks, strict=True):
        np.testing.assert_array_equal(fitted.sample(X, value, 2, 0), own.outputs(X, 2, 0))


def test_anchors_keep_their_weights():
    networks = [network(s) for s in range(3)]
    before = [n.module.weight.clone() for n in networks]
    METHOD.fit(fitting(harvest(networks), deterministic=True)).sample(X, 0.3, 1, 0)
    assert all(torch.equal(w, n.module.weight) for w, n in zip(before, networks, strict=True))


def test_corners_of_a_cell_are_averaged_multilinearly():
    networks = [network(s) for s in range(4)]
    values = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    fitted = METHOD.fit(fitting(harvest(networks, values), deterministic=True))
    shares, outputs = (0.3, 0.45, 0.1, 0.15), [n.outputs(X, 1, 0) for n in networks]
    expected = sum(w * y for w, y in zip(shares, outputs, strict=True))
    np.testing.assert_allclose(fitted.sample(X, (0.25, 0.6), 1, 0), expected, atol=1e-5)


def test_counters_are_the_nearest_networks():
    states = [{"mean": torch.tensor([v]), "count": torch.tensor(n)} for v, n in ((1.0, 10), (3.0, 20))]
    mixed = mean_weights(states, (0.4, 0.6))
    torch.testing.assert_close(mixed["mean"], torch.tensor([2.2]))
    assert mixed["count"] == 20


def test_it_applies_to_modules_of_one_family_and_one_shape_alone():
    def fitted(networks):
        return METHOD.fit(fitting(harvest(networks), deterministic=True))

    assert METHOD.fit(fitting(harvest([network(0)] * 3).select([0.0, 1.0]), deterministic=True)) is not None
    assert fitted([network(0), network(1, Other), network(2)]) is None
    assert fitted([network(0), network(1, layer=(3, 4)), network(2)]) is None
    assert fitted([network(0), Shifting(np.zeros(2)), network(2)]) is None
    without = Harvest.from_arrays((0.0, 1.0), [X[:, :2]] * 2, [X] * 2)
    assert METHOD.fit(fitting(without, deterministic=True)) is None


def test_nothing_is_extrapolated():
    fitted = METHOD.fit(fitting(harvest([network(s) for s in range(3)]), deterministic=True))
    with pytest.raises(HyperparameterError, match="outside the anchors' range"):
        fitted.sample(X, 1.2, 1, 0)
