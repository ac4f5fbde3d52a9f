import numpy as np
import pytest
import torch

from pipeline.clocks.formulas import LARGEST
from pipeline.clocks.skew import Skew
from pipeline.transport.condition import Condition, ConditionShape

LINE = ConditionShape(1, ())
MIXED = ConditionShape(2, (3, 2))


def on_line(x: np.ndarray) -> Condition:
    values = torch.tensor(x, dtype=torch.float32)[:, None]
    return Condition(values, torch.zeros(len(x), 0, dtype=torch.long))


def regressed(function, bandwidth: float = 1.0) -> Skew:
    x = np.linspace(-2, 2, 300)
    return Skew.of(LINE, on_line(x).values, function(x), bandwidth)


def mixed_condition(rows: int = 4) -> Condition:
    generator = torch.Generator().manual_seed(0)
    codes = torch.stack([torch.arange(rows) % 3, torch.arange(rows) % 2], -1)
    return Condition(torch.randn(rows, 2, generator=generator), codes)


def test_one_skew_is_the_same_for_all_conditions():
    skew = Skew(MIXED, -2.5)
    assert skew.constant == -2.5
    np.testing.assert_array_equal(skew(mixed_condition()), np.full((4, 1), -2.5))
    assert Skew(MIXED).constant == 0.0


def test_skew_without_conditions_is_constant():
    skew = Skew(ConditionShape(0, ()), 1.5)
    condition = Condition(torch.zeros(3, 0), torch.zeros(3, 0, dtype=torch.long))
    np.testing.assert_array_equal(skew(condition), np.full((3, 1), 1.5))


def test_skew_has_no_parameters_but_buffers():
    skew = regressed(np.sin)
    assert not list(skew.parameters())
    assert set(skew.state_dict()) == {"mean", "weights", "frequencies", "phases"}


def test_conditions_are_encoded_as_values_and_one_hot_categories():
    condition = Condition(torch.tensor([[0.5, -1.0], [2.0, 3.0]]), torch.tensor([[2, 0], [0, 1]]))
    expected = [[0.5, -1.0, 0, 0, 1, 1, 0], [2.0, 3.0, 1, 0, 0, 0, 1]]
    np.testing.assert_array_equal(Skew(MIXED).encode(condition), expected)


@pytest.mark.parametrize("function", [lambda x: 2 * np.sin(x), lambda x: 3 * np.tanh(x) - 1, lambda x: x**2])
def test_smooth_skews_are_reproduced(function):
    skew = regressed(function)
    assert skew.constant is None
    x = np.linspace(-1.5, 1.5, 77)  # the ridge counts most at the ends
    np.testing.assert_allclose(skew(on_line(x))[:, 0], function(x), rtol=0, atol=0.15)


def test_equal_values_are_reproduced_everywhere():
    skew = regressed(lambda x: np.full_like(x, 1.75))
    np.testing.assert_allclose(skew(on_line(np.linspace(-50, 50, 11)))[:, 0], 1.75, rtol=0, atol=1e-6)


def test_categories_have_skews_of_their_own():
    shape = ConditionShape(0, (3,))
    codes = torch.arange(90)[:, None] % 3
    condition = Condition(torch.zeros(90, 0), codes)
    wanted = np.array([-3.0, 1.0, 4.0])
    skew = Skew.of(shape, Skew(shape).encode(condition), wanted[codes[:, 0].numpy()], 0.7)
    np.testing.assert_allclose(skew(condition[:3])[:, 0], wanted, rtol=0, atol=0.05)


def test_skews_are_clamped():
    x = np.linspace(-2, 2, 300)
    found = regressed(lambda x: 20 * x)(on_line(x))
    assert found.min() == -LARGEST
    assert found.max() == LARGEST


def test_regression_is_deterministic_and_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again = regressed(np.sin), regressed(np.sin)
    assert torch.equal(before, torch.get_rng_state())
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_state_comes_back():
    skew, other = regressed(np.sin), Skew(LINE)
    other.load_state_dict(skew.state_dict())
    condition = on_line(np.linspace(-2, 2, 9))
    assert torch.equal(skew(condition), other(condition))
