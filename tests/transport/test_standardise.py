import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.errors import DataError
from pipeline.transport.standardise import Standardiser


def harvest(columns, **kwargs) -> Harvest:
    """One row a value: the columns (D, n) of the outputs at two anchors."""
    y = np.asarray(columns, float).T
    return Harvest.from_arrays([0.0, 1.0], [y, y], [np.zeros((len(y), 0))] * 2, **kwargs)


NORMAL = np.random.default_rng(0).normal(size=400)


def test_outputs_of_one_unit_share_one_scale():
    scaling = Standardiser.of(harvest([NORMAL, 3 * NORMAL]))
    expected = np.sqrt((NORMAL.std() ** 2 + (3 * NORMAL).std() ** 2) / 2)
    np.testing.assert_allclose(scaling.output_scale, expected, rtol=1e-6)


@pytest.mark.parametrize("kwargs", [{"units": {"y0": "m"}}, {}])
def test_columns_of_other_units_or_spreads_have_their_own(kwargs):
    factor = 3 if kwargs else 30
    scaling = Standardiser.of(harvest([NORMAL, factor * NORMAL], **kwargs))
    np.testing.assert_allclose(scaling.output_scale, [NORMAL.std(), factor * NORMAL.std()], rtol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_constant_columns_do_not_enter_the_common_scale(level):
    scaling = Standardiser.of(harvest([NORMAL, np.full(400, level)]))
    np.testing.assert_allclose(scaling.output_scale, NORMAL.std(), rtol=1e-6)


def test_constant_outputs_keep_their_unit():
    scaling = Standardiser.of(harvest([np.full(5, 7.0)]))
    np.testing.assert_array_equal(scaling.output_scale, 1)
    sevens = torch.full((3, 1), 7.0, dtype=torch.float64)
    torch.testing.assert_close(scaling.restore(scaling.standardise(sevens)), sevens)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_restore_undoes_standardise(scale):
    y = scale * np.stack([NORMAL, NORMAL[::-1] + 2])
    scaling = Standardiser.of(harvest(y))
    tensor = torch.tensor(y.T, dtype=torch.float32)
    standardised = scaling.standardise(tensor)
    torch.testing.assert_close(scaling.restore(standardised).float(), tensor, rtol=1e-5, atol=1e-6 * scale)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    assert standardised.square().mean().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("bounds", [(0.1, 0.3), (0.7, 0.9), (None, 1 / 3), (-0.1, None)])
def test_bounds_hold_in_float64_too(bounds):
    scaling = Standardiser.of(
        harvest([np.linspace(0.2, 0.25, 9)] if bounds[1] != 0.9 else [[0.8, 0.85]], bounds={"y0": bounds})
    )
    found = scaling.restore(torch.tensor([[-1e9], [1e9]])).double()
    low, high = (v if v is not None else w for v, w in zip(bounds, (-np.inf, np.inf), strict=True))
    assert found.min() >= low
    assert found.max() <= high
    if None not in bounds:
        np.testing.assert_allclose(found[:, 0], bounds, rtol=1e-6)


def conditions(x, kind) -> Standardiser:
    x = np.asarray(x)
    return Standardiser.of(Harvest.from_arrays([0, 1], [np.zeros((len(x), 1))] * 2, [x] * 2, kind))


def test_continuous_conditions_have_a_scale_each_and_constant_ones_keep_theirs():
    x = np.stack([NORMAL, 1e5 * NORMAL + 3e6, np.full(400, 4.0)], 1)
    encoded = conditions(x, "continuous").condition(torch.tensor(x))
    torch.testing.assert_close(encoded.values.std(0), torch.tensor([1.0, 1.0, 0.0]), rtol=0, atol=2e-3)
    assert encoded.codes.shape == (400, 0)


def test_large_offsets_keep_their_digits():
    x = 1.7e9 + 3600 * np.arange(5.0)[:, None]  # seconds since 1970, an hour apart
    values = conditions(x, "continuous").condition(torch.tensor(x)).values
    np.testing.assert_allclose(np.diff(values[:, 0]), 1 / np.arange(5).std(), rtol=1e-4)


@pytest.mark.parametrize("codes", [[0, 1, 2], [7, -3, 100], [20240101, 20240102, 20240103]])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float64])
def test_codes_become_indices_whatever_they_are(codes, dtype):
    x = np.array(codes, dtype)[:, None]
    encoded = conditions(x, "categorical").condition(torch.tensor(x.astype(np.float64)))
    np.testing.assert_array_equal(encoded.codes[:, 0], np.argsort(np.argsort(codes)))


@pytest.mark.parametrize("code", [3, -1, 0.5, 1e9])
def test_code_that_no_sample_has_is_named(code):
    scaling = conditions([[0], [1], [2]], "categorical")
    with pytest.raises(
        DataError, match=r"column 'x0' holds the code .*, which no anchor's sample has; known codes are"
    ):
        scaling.condition(torch.tensor([[1.0], [code]], dtype=torch.float64))


def test_mixed_columns_go_their_own_ways():
    x = np.array([[5, 0.5, 1], [9, 1.5, 0], [5, 2.5, 1]])
    scaling = conditions(x, ["categorical", "continuous", "categorical"])
    encoded = scaling.condition(torch.tensor(x))
    assert (scaling.shape.continuous, scaling.shape.codes) == (1, (2, 2))
    np.testing.assert_array_equal(encoded.codes, [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_allclose(encoded.values[:, 0], [-1.224745, 0, 1.224745], rtol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e8, -1e8])
def test_offsets_are_taken_off_before_rounding(offset):
    scaling, plain = Standardiser.of(harvest([NORMAL + offset])), Standardiser.of(harvest([NORMAL]))
    tensor = torch.tensor(NORMAL[:, None])
    torch.testing.assert_close(scaling.standardise(tensor + offset), plain.standardise(tensor), rtol=0, atol=1e-6)
    restored = scaling.restore(scaling.standardise(tensor + offset)) - offset
    torch.testing.assert_close(restored, tensor, rtol=0, atol=1e-6)


def test_a_few_wild_values_do_not_set_the_scale():
    scaling = Standardiser.of(harvest([np.concatenate([NORMAL, [1e6]])]))
    assert scaling.output_scale[0] < 3 * NORMAL.std()
