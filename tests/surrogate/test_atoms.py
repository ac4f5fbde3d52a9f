"""Outputs that many rows share exactly, at an end of their range: rows are spread over what the clipping hides."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import norm

from pipeline.data.harvest import Harvest
from pipeline.evaluation.distances import wasserstein2_squared
from pipeline.surrogate import Surrogate, model
from pipeline.surrogate.trajectory import ROUND_TRIP
from pipeline.transport.fit_atoms import find_ends
from tests.clouds import ANCHORS, moment

LAWS = ["clipped", "inflated"]
X = np.linspace(-1, 1, 10)[:, None]


def clipped(x, value, count, rng):
    """Two Gaussian outputs, of which the first leaves a bound and the second is at both; a third is never clipped."""
    z = rng.normal(size=(count, 3)) * [0.5, 1.2, 0.3] + [1.6 * value - 1 + 0.6 * x[0], 0.4 - value, x[0] + value]
    return np.clip(z, [-1, -1, -np.inf], [1, 1, np.inf])


def inflated(x, value, count, rng):
    """Zeros, ever fewer of them with λ, and exponential values above."""
    wet = rng.random((count, 1)) < 0.25 + 0.5 * value
    return wet * rng.exponential(2 + x[0], (count, 1))


def harvest_of(law, draws=40, **kwargs) -> Harvest:
    rng = np.random.default_rng(0)
    ys = [np.concatenate([law(x, a, draws, rng) for x in X]) for a in ANCHORS]
    return Harvest.from_arrays(ANCHORS, ys, [np.repeat(X, draws, 0)] * len(ANCHORS), deterministic=False, **kwargs)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Surrogate]:
    laws = {"clipped": clipped, "inflated": inflated}
    return {n: Surrogate.fit(harvest_of(law), moment(variant="K_I", clock="linear")) for n, law in laws.items()}


def asked(law, value, count=300, seed=1):
    """Fresh rows (n, D) and their conditions (n, 1) of every other condition."""
    rng = np.random.default_rng(seed)
    return np.concatenate([law(x, value, count, rng) for x in X[::3]]), np.repeat(X[::3], count, 0)


@pytest.mark.parametrize("target", [0.25, 0.5, 0.75])
def test_shares_at_the_bounds_are_those_of_the_truth(fitted, target):
    source = 0.5 if target > 0.5 else 0.0
    y, x = asked(clipped, source)
    moved = fitted["clipped"].transport(y, x, source, target)
    assert np.abs(moved[:, :2]).max() == 1
    mean = np.column_stack([1.6 * target - 1 + 0.6 * X[::3, 0], np.full(len(X[::3]), 0.4 - target)])
    truth = np.stack([norm.cdf(-1, mean, [0.5, 1.2]), norm.sf(1, mean, [0.5, 1.2])])
    found = np.array([[(moved[x[:, 0] == v, :2] == bound).mean(0) for v in X[::3, 0]] for bound in (-1, 1)])
    assert np.abs(found - truth).mean() < 0.03
    assert np.abs(found - truth).max() < 0.12


@pytest.mark.parametrize("target", [0.25, 0.75])
def test_the_share_of_zeros_falls_as_in_the_truth(fitted, target):
    source = 0.0 if target < 0.5 else 0.5
    y, x = asked(inflated, source)
    moved = fitted["inflated"].transport(y, x, source, target)
    assert moved.min() == 0
    assert np.mean(moved == 0) == pytest.approx(0.75 - 0.5 * target, abs=0.06)


@pytest.mark.parametrize("law", [clipped, inflated])
def test_as_near_to_the_truth_as_the_line_between_true_ends(fitted, law):
    surrogate, rng = fitted[law.__name__], np.random.default_rng(4)
    errors, lines, floors = [], [], []
    for known in X[::3]:
        for source in (0.0, 0.5):
            start, end, truth, again = (law(known, source + s, 300, rng) for s in (0, 0.5, 0.25, 0.25))
            moved = surrogate.transport(start, np.repeat(known[None], len(start), 0), source, source + 0.25)
            errors.append(wasserstein2_squared(moved, truth))
            lines.append(wasserstein2_squared(halfway(start, end), truth))
            floors.append(wasserstein2_squared(again, truth))
    assert np.mean(errors) <= max(1.25 * np.mean(lines), 1.5 * np.mean(floors))


def halfway(start, end):
    """The middle of straight lines along exact transport."""
    rows, partners = linear_sum_assignment(cdist(start, end, "sqeuclidean"))
    return (start[rows] + end[partners]) / 2


@pytest.mark.parametrize("law", [clipped, inflated])
def test_a_row_has_one_answer_alone_and_in_any_order(fitted, law):
    y, x = asked(law, 0.0, count=60)
    _, first = np.unique(np.hstack([y, x]), axis=0, return_index=True)
    y, x = y[first], x[first]
    surrogate = fitted[law.__name__]
    whole = surrogate.path(y, x, 0.0, [0.3, 1.0])
    order = np.random.default_rng(0).permutation(len(y))
    np.testing.assert_allclose(surrogate.path(y[order], x[order], 0.0, [0.3, 1.0]), whole[order], rtol=0, atol=1e-5)
    for row in order[:10]:
        alone = surrogate.path(y[row : row + 1], x[row : row + 1], 0.0, [0.3, 1.0])
        np.testing.assert_allclose(alone[0], whole[row], rtol=0, atol=1e-5)
        single = surrogate.path(y[row : row + 1].astype(np.float32), x[row : row + 1], 0.0, [0.3, 1.0])
        np.testing.assert_allclose(single[0], whole[row], rtol=0, atol=1e-4)


def test_equal_rows_are_spread_evenly_the_first_as_alone(fitted):
    surrogate = fitted["inflated"]
    zeros, x = np.zeros((40, 1)), np.zeros((40, 1))
    moved = surrogate.transport(zeros, x, 0.0, 1.0)[:, 0]
    assert moved[0] == pytest.approx(surrogate.transport(zeros[:1], x[:1], 0.0, 1.0)[0, 0], abs=1e-5)
    np.testing.assert_array_equal(surrogate.transport(zeros[:15], x[:15], 0.0, 1.0)[:, 0], moved[:15])
    # 75 % zeros become 25 %: a third of these rows stay.
    assert np.mean(moved == 0) == pytest.approx(1 / 3, abs=0.12)
    assert len(np.unique(moved[moved > 0])) == (moved > 0).sum()


def test_a_row_at_the_same_atom_at_both_ends_stays_there(fitted):
    zeros, x = np.zeros((200, 1)), np.zeros((200, 1))
    path = fitted["inflated"].path(zeros, x, 0.0, [0.1, 0.2, 0.3, 0.4, 0.5])[..., 0]
    assert (path[path[:, -1] == 0] == 0).all()
    assert (np.diff(path, axis=1) >= 0).all()


@pytest.mark.filterwarnings("ignore:.*cannot be moved back")
@pytest.mark.parametrize("law", [clipped, inflated])
@pytest.mark.parametrize(("source", "target"), [(0.0, 0.5), (0.2, 0.4), (1.0, 0.3), (0.7, 0.1)])
def test_a_round_trip_returns_where_no_atom_is_on_its_way(fitted, law, source, target):
    surrogate = fitted[law.__name__]
    y, x = asked(law, 0.0 if source < 0.5 else 1.0, count=40)
    if source not in ANCHORS:
        y = surrogate.transport(y, x, 0.0 if source < 0.5 else 1.0, source)
    there = surrogate.transport(y, x, source, target)
    atoms = surrogate._parts.atoms
    # The maps of `inflated` fold in its far tail, where a warning says so; elsewhere they return.
    free = ~(atoms.rows(torch.from_numpy(there)) | atoms.rows(torch.from_numpy(y))).numpy()
    back = surrogate.transport(there, x, target, source)
    assert free.sum() > 10
    scale = surrogate._parts.scaling.output_scale.numpy()
    errors = np.abs((back - y) / scale)[free].max(1)
    assert (errors.max() if law is clipped else np.quantile(errors, 0.95)) < ROUND_TRIP


@pytest.mark.parametrize("law", [clipped, inflated])
def test_few_rows_are_answered_as_many_are(fitted, law, monkeypatch):
    surrogate = fitted[law.__name__]
    y, x = asked(law, 0.5, count=8)
    scale = surrogate._parts.scaling.output_scale.numpy()
    few = surrogate.path(y, x, 0.5, [0.6, 0.8, 1.0])
    monkeypatch.setattr(model, "FEW", 0)
    many = surrogate.path(y, x, 0.5, [0.6, 0.8, 1.0])
    assert np.abs((many[:, None] - few[:, None]) / scale).max() < 1e-5
    tensors = surrogate.path(torch.from_numpy(y), torch.from_numpy(x), 0.5, [0.6, 0.8, 1.0])
    np.testing.assert_array_equal(tensors.numpy(), many)


@pytest.mark.parametrize("law", LAWS)
def test_a_bundle_keeps_the_atoms(fitted, law, tmp_path):
    surrogate = fitted[law]
    surrogate.save(tmp_path / law)
    again = Surrogate.load(tmp_path / law)
    y, x = asked({"clipped": clipped, "inflated": inflated}[law], 0.0, count=40)
    np.testing.assert_array_equal(again.path(y, x, 0.0, [0.3, 0.8]), surrogate.path(y, x, 0.0, [0.3, 0.8]))
    assert again.digest == surrogate.digest


class Clipped:
    """A network of clipped draws."""

    family = "tests.surrogate.test_atoms:Clipped"

    def __init__(self, value: float) -> None:
        self.value = value

    def outputs(self, conditions, draws, seed):
        rng = np.random.default_rng([seed, int(100 * self.value)])
        return np.stack([clipped(x, self.value, draws, rng) for x in conditions]).astype(np.float32)

    def save(self, folder): ...


def test_draws_between_networks_keep_the_atoms_at_both_ends():
    networks = [Clipped(a) for a in ANCHORS]
    surrogate = Surrogate.fit(harvest_of(clipped, networks=networks), moment(variant="K_I", clock="linear"))
    at, between = (surrogate.sample(X[:2], value, draws=200, seed=3) for value in (0.5, 0.25))
    for row in range(2):
        mean = 0.4 - 0.5
        assert np.mean(at[row, :, 1] == 1) == pytest.approx(norm.sf(1, mean, 1.2), abs=0.08)
    assert np.abs(between[..., :2]).max() == 1


@pytest.mark.parametrize("variant", ["K_I-U", "K_theta"])
def test_curved_paths_end_within_the_atoms(variant):
    surrogate = Surrogate.fit(harvest_of(clipped, draws=16), moment(variant=variant, clock="linear"))
    y, x = asked(clipped, 0.0, count=30)
    moved = surrogate.path(y, x, 0.0, [0.2, 0.5, 0.9])
    assert np.abs(moved[..., :2]).max() == 1
    assert np.isfinite(moved).all()


def ends_of(*columns):
    """Lower and upper atom of one output from its anchors' values."""
    lower, upper = find_ends([np.asarray(c, float)[:, None] for c in columns])
    return lower[0], upper[0]


def test_what_is_an_atom():
    rng = np.random.default_rng(0)
    z = rng.normal(size=400)
    none = (-np.inf, np.inf)
    assert ends_of(z, z + 1) == none
    assert ends_of(z.clip(-1, 1), z.clip(0) + 1) == (-1, np.inf)  # the other anchor has values above 1
    assert ends_of(z.clip(-1, 1), (z + 1).clip(-1, 1)) == (-1, 1)
    assert ends_of(z.clip(-3, None), z) == none  # a share too small
    assert ends_of(z[:20].clip(-1.2, None), z[:20].clip(-1.2, None)) == none  # too few rows
    assert ends_of(rng.poisson(2, 400), rng.poisson(3, 400)) == none  # all values repeat
    assert ends_of(z.round(1), z.round(1) + 1) == none
    assert ends_of(rng.choice(z, 400), rng.choice(z, 400)) == none  # resampled rows
    assert ends_of(np.zeros(400), np.ones(400)) == none  # no anchor varies
    assert ends_of(np.zeros(400), np.abs(z)) == none  # a single point spreads, without an atom in what it becomes
    assert ends_of(np.zeros(400), z.clip(0)) == (0, np.inf)  # at first always 0


def test_outputs_that_are_all_at_an_atom_at_one_anchor():
    rng = np.random.default_rng(0)
    x = np.repeat(X, 40, 0)
    ys = [np.maximum(rng.normal(size=(len(x), 1)) + shift, 0) for shift in (-9, 0, 1)]
    surrogate = Surrogate.fit(Harvest.from_arrays(ANCHORS, ys, [x] * 3, deterministic=False), moment(variant="K_I"))
    moved = surrogate.transport(ys[0], x, 0.0, 0.5)
    assert np.mean(moved == 0) == pytest.approx(0.5, abs=0.06)
    assert moved.std() == pytest.approx(ys[1].std(), rel=0.15)


def test_without_atoms_nothing_is_latent(cloud, cloud_surrogate):
    curves, harvest = cloud_surrogate._trajectories, cloud
    y, x = (torch.from_numpy(t[0]).double() for t in (harvest.outputs, harvest.conditions))
    assert not curves.parts.atoms.columns
    for source in (0.0, 0.3):
        latent = curves.latent(y, x, curves.parts.scaling.condition(x), source)
        assert torch.equal(latent, curves.parts.scaling.standardise(y))
