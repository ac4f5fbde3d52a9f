from itertools import combinations

import pytest
import torch

from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.metric import EuclideanMetric, GivensMetric, _softmax, rotation_rounds

DIMENSIONS = [1, 2, 3, 5, 8, 32]
SHAPE = ConditionShape(1, (3,))


def metric(dimension: int, *, trained: bool = True, budget=(0.1, 1.0), learn: bool = True) -> GivensMetric:
    """A metric; trained: with weights far from their start."""
    generator = torch.Generator().manual_seed(dimension)
    made = GivensMetric(dimension, SHAPE, (16,), budget, generator, learn_eigenvalues=learn).double()
    if trained:
        for weight in (made.network.last.weight, made.network.last.bias):
            weight.data.normal_(0, 2, generator=generator)
    return made


def somewhere(dimension: int) -> tuple[torch.Tensor, torch.Tensor, Condition]:
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(6, 4, dimension, generator=generator, dtype=torch.float64)
    velocities = torch.randn(6, 4, dimension, generator=generator, dtype=torch.float64)
    values = torch.randn(6, 1, generator=generator, dtype=torch.float64)
    return points, velocities, Condition(values, torch.arange(6).remainder(3)[:, None])


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 7, 8, 32])
def test_every_plane_is_rotated_once_in_rounds_of_disjoint_planes(dimension):
    rounds = rotation_rounds(dimension)
    planes = [plane for left, right in rounds for plane in zip(left, right, strict=True)]
    assert sorted(planes) == list(combinations(range(dimension), 2))
    for left, right in rounds:
        assert len({*left, *right}) == 2 * len(left)


@pytest.mark.parametrize("dimension", DIMENSIONS[1:])
def test_tensor_is_symmetric_with_eigenvalues_within_the_budget(dimension):
    points, _, condition = somewhere(dimension)
    tensor = metric(dimension).tensor(points, condition)
    torch.testing.assert_close(tensor, tensor.transpose(-1, -2), rtol=0, atol=1e-12)
    eigenvalues = torch.linalg.eigvalsh(tensor)
    assert eigenvalues.min() >= 0.1 - 1e-9
    assert eigenvalues.max() <= 1.0 + 1e-9
    # D e_min + (e_max − e_min): the total that no training can change.
    total = torch.full(eigenvalues.shape[:-1], 0.1 * dimension + 0.9, dtype=torch.float64)
    torch.testing.assert_close(eigenvalues.sum(-1), total)
    assert eigenvalues.std(-1).max() > 1e-3  # the weights do say something


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("learn", [True, False])
def test_kinetic_is_half_the_quadratic_form_of_the_tensor(dimension, learn):
    points, velocities, condition = somewhere(dimension)
    made = metric(dimension, learn=learn)
    expected = 0.5 * torch.einsum("bti,btij,btj->bt", velocities, made.tensor(points, condition), velocities)
    torch.testing.assert_close(made.kinetic(points, velocities, condition), expected)


@pytest.mark.parametrize("dimension", DIMENSIONS[1:])
def test_rotation_is_the_product_of_all_givens_rotations(dimension):
    points, _, condition = somewhere(dimension)
    made = metric(dimension)
    cosines, sines, eigenvalues = made.spectrum(points, condition)
    product = torch.eye(dimension, dtype=torch.float64).expand(*points.shape, dimension).clone()
    planes = [plane for left, right in made.rounds for plane in zip(left, right, strict=True)]
    for k, (i, j) in enumerate(planes):
        givens = torch.eye(dimension, dtype=torch.float64).expand(*points.shape, dimension).clone()
        givens[..., i, i] = givens[..., j, j] = cosines[..., k]
        givens[..., i, j], givens[..., j, i] = -sines[..., k], sines[..., k]
        product = product @ givens
    expected = product @ torch.diag_embed(eigenvalues) @ product.transpose(-1, -2)
    torch.testing.assert_close(made.tensor(points, condition), expected)


@pytest.mark.parametrize("learn", [True, False])
def test_one_dimension_has_no_geometry(learn):
    points, velocities, condition = somewhere(1)
    made = metric(1, learn=learn)
    torch.testing.assert_close(made.tensor(points, condition), torch.ones(6, 4, 1, 1, dtype=torch.float64))
    torch.testing.assert_close(made.kinetic(points, velocities, condition), 0.5 * velocities[..., 0] ** 2)


def test_fixed_metric_has_one_dear_direction():
    points, _, condition = somewhere(5)
    eigenvalues = torch.linalg.eigvalsh(metric(5, learn=False).tensor(points, condition))
    expected = torch.tensor([0.1, 0.1, 0.1, 0.1, 1.0], dtype=torch.float64)
    torch.testing.assert_close(eigenvalues, expected.expand_as(eigenvalues))


@pytest.mark.parametrize("dimension", [2, 3, 8])
def test_untrained_metric_is_a_multiple_of_the_identity(dimension):
    points, _, condition = somewhere(dimension)
    level = 0.1 + 0.9 / dimension
    identity = level * torch.eye(dimension, dtype=torch.float64)
    tensor = metric(dimension, trained=False).tensor(points, condition)
    torch.testing.assert_close(tensor, identity.expand_as(tensor))


def test_metric_depends_on_place_value_and_category():
    points, _, condition = somewhere(2)
    made = metric(2)
    base = made.tensor(points, condition)
    others = [
        made.tensor(points + 1, condition),
        made.tensor(points, Condition(condition.values + 1, condition.codes)),
        made.tensor(points, Condition(condition.values, (condition.codes + 1) % 3)),
    ]
    for other in others:
        assert (other - base).abs().amax((1, 2, 3)).min() > 1e-3


def test_gradients_are_finite_where_angles_are_undefined():
    points, velocities, condition = somewhere(3)
    made = metric(3, trained=False)
    made.network.last.bias.data[..., : made.planes] = -1.0  # atan2(0, 0)
    made.kinetic(points, velocities, condition).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in made.parameters() if p.grad is not None)


def test_euclidean_metric_is_half_the_square():
    points, velocities, condition = somewhere(3)
    expected = 0.5 * velocities.square().sum(-1)
    torch.testing.assert_close(EuclideanMetric().kinetic(points, velocities, condition), expected)


@pytest.mark.parametrize("dimension", [2, 7, 8, 9, 40])
def test_softmax_of_a_short_axis_is_the_softmax(dimension):
    values = 10 * torch.randn(5, 3, dimension, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(_softmax(values), torch.softmax(values, dim=-1))
