import numpy as np
import pytest
import torch

from pipeline.transport.root import invert


def turn(angle: float) -> torch.Tensor:
    c, s = np.cos(angle), np.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float32)


@pytest.mark.parametrize("angle", [0.0, 1.0, np.pi / 2, 3.0, np.pi])
def test_a_rotation_is_inverted_by_its_transpose(angle):
    target = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    matrix = turn(angle)
    root = invert(lambda y: y @ matrix.T, target, target)
    torch.testing.assert_close(root.points, target @ matrix, rtol=0, atol=1e-4)
    assert float(root.residual.max()) < 1e-5


@pytest.mark.parametrize("dimension", [1, 5, 30])
def test_an_affine_map_is_inverted_by_solving(dimension):
    generator = torch.Generator().manual_seed(dimension)
    matrix = torch.eye(dimension) + 0.5 * torch.randn(dimension, dimension, generator=generator) / dimension**0.5
    target = torch.randn(20, dimension, generator=generator)
    root = invert(lambda y: y @ matrix.T + 3.0, target, target)
    expected = torch.linalg.solve(matrix, (target - 3.0).T).T
    torch.testing.assert_close(root.points, expected, rtol=0, atol=1e-3)


def test_a_monotone_map_is_inverted():
    target = torch.linspace(-5, 5, 41)[:, None]
    root = invert(lambda y: y + 0.9 * torch.sin(y), target, target)
    torch.testing.assert_close(root.points + 0.9 * torch.sin(root.points), target, rtol=0, atol=1e-4)


def test_rows_are_solved_each_for_itself():
    target = torch.randn(30, 3, generator=torch.Generator().manual_seed(1))

    def function(y):
        return y + 0.3 * torch.tanh(2 * y.flip(-1))

    together = invert(function, target, target).points
    alone = torch.cat([invert(function, row[None], row[None]).points for row in target])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_what_is_never_reached_says_by_how_much():
    root = invert(lambda y: torch.tanh(y), torch.full((4, 1), 3.0), torch.zeros(4, 1))
    assert (root.residual > 1.9).all()
    assert torch.isfinite(root.points).all()
