import math

import numpy as np
import pytest
import torch

from pipeline.transport import potential
from pipeline.transport.condition import Condition
from pipeline.transport.potential import Density, KernelPotential
from tests.problems import no_condition

H_Y, H_X = 0.3, 0.5


def samples(rows=30, dimension=2, continuous=0, categorical=0, seed=0) -> tuple[torch.Tensor, Condition]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, dimension, generator=generator, dtype=torch.float64)
    values = torch.randn(rows, continuous, generator=generator, dtype=torch.float64)
    return outputs, Condition(values, torch.randint(0, 3, (rows, categorical), generator=generator))


def by_hand(q: np.ndarray, value: np.ndarray, code: np.ndarray, outputs: torch.Tensor, condition: Condition) -> float:
    """Nadaraya–Watson by a plain double loop."""
    above = below = 0.0
    for y, x, c in zip(outputs.numpy(), condition.values.numpy(), condition.codes.numpy(), strict=True):
        if not np.array_equal(c, code):
            continue
        k_x = math.exp(-0.5 * np.sum((value - x) ** 2) / H_X**2)
        k_y = math.exp(-0.5 * np.sum((q - y) ** 2) / H_Y**2) / (2 * math.pi * H_Y**2) ** (len(q) / 2)
        above += k_x * k_y
        below += k_x
    return math.log(above / below)


@pytest.mark.parametrize(("continuous", "categorical"), [(0, 0), (2, 0), (0, 1), (0, 2), (1, 1)])
@pytest.mark.parametrize("dimension", [1, 3])
def test_density_is_the_double_loop(dimension, continuous, categorical):
    outputs, condition = samples(40, dimension, continuous, categorical)
    density = Density.of(outputs, condition, H_Y, H_X).double()
    points = torch.randn(7, 5, dimension, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    asked = condition[torch.tensor([3, 0, 11, 7, 7, 20, 30])]  # in no order, one of them twice
    found = density.log_density(points, asked).numpy()
    expected = [
        [by_hand(q, asked.values[i].numpy(), asked.codes[i].numpy(), outputs, condition) for q in points[i].numpy()]
        for i in range(7)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_density_in_the_line_and_in_the_plane_integrates_to_one():
    for dimension in (1, 2):
        outputs, condition = samples(25, dimension, 1, 1)
        density = Density.of(outputs, condition, H_Y, H_X).double()
        axis = torch.linspace(-6, 6, 241, dtype=torch.float64)
        grid = torch.stack(torch.meshgrid(*[axis] * dimension, indexing="ij"), -1).reshape(1, -1, dimension)
        mass = density.log_density(grid, condition[4:5]).exp().sum() * (axis[1] - axis[0]) ** dimension
        assert mass.item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("width", [0.05, 2.0])
def test_density_of_many_conditions_integrates_to_one(width):
    outputs, condition = samples(1500, 1, 2)
    density = Density.of(outputs, condition, H_Y, width).double()
    grid = torch.linspace(-7, 7, 400, dtype=torch.float64)[None, :, None].expand(5, -1, -1)
    mass = density.log_density(grid, condition[:5]).exp().sum(1) * 14 / 399
    torch.testing.assert_close(mass, torch.ones(5, dtype=torch.float64), rtol=0, atol=1e-5)


def test_other_categories_do_not_count():
    outputs, condition = samples(30, 2, 0, 1)
    density = Density.of(outputs, condition, H_Y, H_X).double()
    own = condition.codes[:, 0] == 1
    alone = Density.of(outputs[own], no_condition(int(own.sum())), H_Y, H_X).double()
    points = outputs[:8].reshape(2, 4, 2)
    code = torch.ones(2, 1, dtype=torch.long)
    found = density.log_density(points, Condition(torch.zeros(2, 0), code))
    torch.testing.assert_close(found, alone.log_density(points, no_condition(2)))


def test_far_away_the_logarithm_stays_exact():
    outputs = torch.zeros(1, 2)
    density = Density.of(outputs, no_condition(1), 0.05, 1.0)
    far = torch.tensor([[[30.0, 40.0]]])
    expected = -0.5 * 50**2 / 0.05**2 - math.log(2 * math.pi * 0.05**2)  # exp of it is 0 in any float
    assert density.log_density(far, no_condition(1)).item() == pytest.approx(expected, rel=1e-5)


def test_condition_far_from_all_samples_takes_the_nearest():
    outputs = torch.tensor([[0.0], [5.0]])
    condition = Condition(torch.tensor([[0.0], [1.0]]), torch.zeros(2, 0, dtype=torch.long))
    density = Density.of(outputs, condition, 1.0, 0.02)
    asked = Condition(torch.tensor([[100.0]]), torch.zeros(1, 0, dtype=torch.long))
    found = density.log_density(torch.tensor([[[5.0]]]), asked)
    assert found.item() == pytest.approx(-0.5 * math.log(2 * math.pi), abs=1e-5)


def test_gradient_is_that_of_the_formula():
    outputs, condition = samples(30, 2, 1, 1)
    density = Density.of(outputs, condition, H_Y, H_X).double()
    points = torch.randn(4, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda q: density.log_density(q, condition[:4]), points)


def test_potential_is_alpha_times_the_log_of_density_and_epsilon():
    outputs, condition = samples(30, 2)
    density = Density.of(outputs, condition, H_Y, H_X).double()
    potential = KernelPotential(density, 0.05)
    points = torch.tensor([[[0.0, 0.0], [4.0, 4.0], [100.0, 0.0]]], dtype=torch.float64)
    p = density.log_density(points, no_condition(1)).exp()
    torch.testing.assert_close(potential(points, no_condition(1)), 0.05 * torch.log(p + 1e-8))
    # ε keeps U bounded below, and with it the action.
    assert potential(points, no_condition(1))[0, -1].item() == pytest.approx(0.05 * math.log(1e-8))


def test_dense_regions_have_the_higher_potential():
    outputs = torch.zeros(50, 2)
    potential = KernelPotential(Density.of(outputs, no_condition(50), 0.2, 1.0), 0.1)
    at = potential(torch.tensor([[[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]]), no_condition(1))[0]
    assert at[0] > at[1] > at[2]


def test_outliers_leave_float32_close_to_float64():
    outputs, condition = samples(60, 3)
    outputs[0] = 40.0  # what is left of a heavy outlier after standardisation
    fine = Density.of(outputs, condition, 0.05, 1.0).double()
    coarse = Density.of(outputs.float(), no_condition(60), 0.05, 1.0)
    points = outputs[:, None] + 0.01
    expected = fine.log_density(points, no_condition(60))
    found = coarse.log_density(points.float(), no_condition(60)).double()
    assert (found - expected).abs()[1:].max() < 5e-3
    assert (found - expected).abs().max() < 0.5


def test_combination_of_codes_that_never_occurred_takes_the_nearest():
    outputs = torch.tensor([[0.0], [3.0]])
    codes = torch.tensor([[0, 0], [1, 1]])
    density = Density.of(outputs, Condition(torch.zeros(2, 0), codes), 1.0, 1.0)
    found = density.log_density(torch.tensor([[[3.0]]]), Condition(torch.zeros(1, 0), torch.tensor([[1, 0]])))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(("continuous", "categorical"), [(0, 1), (2, 0)])
def test_blocks_change_neither_density_nor_gradient(monkeypatch, continuous, categorical):
    outputs, condition = samples(50, 2, continuous, categorical)
    density = Density.of(outputs, condition, H_Y, H_X).double()
    points = torch.randn(9, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    found = []
    for block, rows in ((2**18, 1024), (70, 2)):  # of 9 · 4 · 50 pairs, and of 9 rows
        monkeypatch.setattr(potential, "BLOCK", block)
        monkeypatch.setattr(potential, "ROWS", rows)
        value = density.log_density(points, condition[:9])
        found.append((value, *torch.autograd.grad(value.sum(), points)))
    torch.testing.assert_close(found[1], found[0])


def test_density_without_the_far_conditions_is_within_what_they_weigh():
    outputs, condition = samples(2000, 2, 2)
    density = Density.of(outputs, condition, H_Y, H_X).double()
    points = outputs[:64].unsqueeze(1)
    found = density.log_density(points, condition[:64]).exp()
    squares = torch.cdist(condition.values[:64], condition.values).square()
    weights = torch.softmax(-0.5 * squares / H_X**2, dim=1)
    left_out = 1 - weights.topk(Density.neighbours, dim=1).values.sum(1, keepdim=True)
    assert 1e-4 < left_out.max() < 0.5
    full = torch.exp(
        torch.logsumexp(weights.log() - 0.5 * torch.cdist(outputs[:64], outputs).square() / H_Y**2, 1, keepdim=True)
    ) / (2 * math.pi * H_Y**2)
    # p̂ = (1 − m) p̂_near + m p̂_far, and no density is above the kernel's height.
    assert ((1 - left_out) * found <= full * (1 + 1e-9)).all()
    assert (full - (1 - left_out) * found <= left_out / (2 * math.pi * H_Y**2) + 1e-12).all()
