import numpy as np
import pytest
import torch

from pipeline.errors import DataError
from pipeline.surrogate.arrays import as_given, check_finite, to_tensor

VALUES = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.int64, np.uint16, np.uint32, bool, ">f8"]
)
def test_every_real_dtype_is_taken(dtype):
    given = (VALUES % 2).astype(dtype)
    np.testing.assert_array_equal(to_tensor(given, "outputs"), VALUES % 2)


def test_views_and_arrays_that_cannot_be_written_to_are_taken(recwarn):
    locked = VALUES.copy()
    locked.flags.writeable = False
    for given in (VALUES[::-1], VALUES[:, ::-1], VALUES.T, locked, np.broadcast_to(VALUES[0], (3, 2)), VALUES.tolist()):
        np.testing.assert_array_equal(to_tensor(given, "outputs"), given)
    assert not recwarn.list


def test_tensors_are_taken_as_they_are():
    given = torch.ones(2, 1, dtype=torch.float16)
    assert to_tensor(given, "outputs") is given


@pytest.mark.parametrize("given", [np.array([["a"]]), np.array([[1j]]), np.array([[None]])])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(DataError, match=r"outputs have dtype .*; real numbers are needed"):
        to_tensor(given, "outputs")


@pytest.mark.parametrize("given", [np.zeros(3), np.float64(1), torch.zeros(2, 2, 2)])
def test_what_is_no_table_is_refused(given):
    with pytest.raises(DataError, match=r"conditions have shape \(.*\); \(rows, columns\) is needed"):
        to_tensor(given, "conditions")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_shown(bad):
    with pytest.raises(DataError, match=r"outputs\[1, 0\] = .*; NaN and Inf cannot be used"):
        check_finite(torch.tensor([[0.0], [bad]]), "outputs")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_result_comes_in_the_given_float_dtype(dtype):
    assert as_given(torch.ones(2, 2), VALUES.astype(dtype)).dtype == dtype
    given = torch.tensor(VALUES.astype(dtype))
    assert as_given(torch.ones(2, 2), given).dtype == given.dtype


@pytest.mark.parametrize("given", [VALUES.astype(int), VALUES > 1])
def test_result_for_integers_is_float32(given):
    assert as_given(torch.ones(2, 2), given).dtype == np.float32
    assert as_given(torch.ones(2, 2), torch.tensor(given)).dtype == torch.float32


def test_masked_and_complex_values_are_refused():
    with pytest.raises(DataError, match="masked values"):
        to_tensor(np.ma.masked_equal(VALUES, 3.0), "outputs")
    with pytest.raises(DataError, match="complex"):
        to_tensor(torch.zeros(2, 2, dtype=torch.complex64), "outputs")
