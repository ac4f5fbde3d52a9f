"""Every shipped family's training, killed and resumed: the same weights and metrics, bit by bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.conditioned import Box
from pipeline.families.catalog import BUILT_IN, make_family
from pipeline.families.protocol import Data, IngestSection
from pipeline.families.torch_family import Family
from pipeline.storage.checkpoint import kept_work, resumable
from tests.families.test_contract import CASES
from tests.mortal import EAGER, Killed, killed_at

TRAINED = sorted(set(BUILT_IN) - {"checkpoints", "semicircles", "turning_cloud"})
"""Families that train; the others read or know their networks."""
LONGER = {
    **{name: {"steps": 192, "normalise": True} for name in ("cancer_therapy", "reacher")},
    **{name: {"max_epochs": 9, "patience": 4} for name in ("quantile_forecaster", "robust_quantile_forecaster")},
}
BOXES = {
    "quantile_forecaster": Box((0.1,), (0.9,)),
    "robust_quantile_forecaster": Box((0.1, 0.0), (0.9, 1.0), ("quantile", "noise")),
    "robust_classifier": Box((0.0,), (0.3,)),
    "cancer_therapy": Box((0.0,), (10.0,)),
    "reacher": Box((1.0,), (5.0,)),
}
KILLS = [[1], [2], [3, 2], [2, 1, 2, 2]]


def made(name: str, folder: Path):
    """A family with its data, and a λ."""
    case = CASES[name]
    family = make_family(name, case.settings | LONGER.get(name, {}))
    section = IngestSection(source=case.source(folder), column="value")
    return family, family.ingest(folder / section.source, section), case.values


def assert_equal(one, other):
    (network, metrics), (again, others) = one, other
    assert metrics == others
    states = network.module.state_dict(), again.module.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


@pytest.mark.parametrize("name", TRAINED)
def test_training_that_was_killed_gives_the_same_network(name, tmp_path):
    family, data, (_, value) = made(name, tmp_path)
    expected = family.train(data, value, 0)
    for moments in KILLS:
        assert_equal(expected, killed_at(moments, tmp_path / "work", lambda: family.train(data, value, 0)))


@pytest.mark.parametrize("name", TRAINED)
def test_training_that_had_ended_when_it_was_killed_takes_no_step(name, tmp_path):
    family, data, (_, value) = made(name, tmp_path)
    trained = []

    def killed_at_the_end():
        with kept_work(tmp_path / "work", lambda: "key", EAGER):
            trained.append(family.train(data, value, 0))
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            killed_at_the_end()
    assert_equal(*trained)


@pytest.mark.parametrize("name", ["robust_classifier", "cancer_therapy", "reacher"])
def test_warm_starts_that_were_killed_give_the_same_network(name, tmp_path):
    family, data, (low, high) = made(name, tmp_path)
    start = family.train(data, low, 0)[0]

    def warm():
        return family.train_from(start, data, high, 0, 1.0)

    expected = warm()
    for moments in KILLS:
        assert_equal(expected, killed_at(moments, tmp_path / "work", warm))


@pytest.mark.parametrize("name", BOXES)
def test_networks_of_all_values_that_were_killed_are_the_same(name, tmp_path):
    family, data, _ = made(name, tmp_path)

    def conditioned():
        return family.train_conditioned(data, BOXES[name], 0)

    assert_equal(conditioned(), killed_at([2, 3], tmp_path / "work", conditioned))


class OwnFamily(Family):
    """A user's family: it seeds torch's global generator, as many do, and says what its loop changes."""

    def schema(self, data):
        raise NotImplementedError

    def build(self, hyperparameter):
        return torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Dropout(), torch.nn.Linear(4, 1))

    def conditions(self, data, split, count, seed):
        return np.zeros((count, 1), np.float32)

    def train(self, data, hyperparameter, seed):
        torch.manual_seed(seed)
        module = self.build(hyperparameter)
        optimiser = torch.optim.Adam(module.parameters())
        for _ in resumable(12, module=module, optimiser=optimiser):
            x = torch.rand(8, 1)
            optimiser.zero_grad()
            torch.autograd.backward((module(x) - hyperparameter * x).square().mean())
            optimiser.step()
        return self.network(module, hyperparameter), {}


class PlainFamily(OwnFamily):
    """A family that knows nothing of checkpoints."""

    def train(self, data, hyperparameter, seed):
        torch.manual_seed(seed)
        return self.network(self.build(hyperparameter), hyperparameter), {}


@pytest.mark.parametrize("kind", [OwnFamily, PlainFamily])
def test_a_family_of_ones_own_resumes_by_the_same_loop_or_begins_again(kind, tmp_path):
    family = kind(None)

    def train():
        return family.train(Data(), 2.0, 1)

    expected = train()
    for moments in ([1], [5], [3, 3, 3]):
        assert_equal(expected, killed_at(moments, tmp_path / "work", train))
