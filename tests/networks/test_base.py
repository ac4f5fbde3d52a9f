import numpy as np
import pytest

from pipeline.errors import BundleError
from pipeline.networks.base import Data


@pytest.mark.parametrize(
    ("arrays", "attributes"),
    [
        ({}, {}),
        ({}, {"units": "°F"}),
        ({"values": np.arange(5, dtype=np.float32)}, {}),
        ({"a": np.arange(6).reshape(2, 3).T, "b": np.zeros((0, 2))}, {"column": "temp", "units": ""}),
    ],
)
def test_data_comes_back_as_it_was(tmp_path, arrays, attributes):
    Data(arrays, attributes).save(tmp_path)
    again = Data.load(tmp_path)
    assert again.attributes == attributes
    assert set(again.arrays) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert again.arrays[name].dtype == array.dtype


def test_cut_file_is_refused(tmp_path):
    Data({"values": np.arange(5.0)}).save(tmp_path)
    path = tmp_path / "arrays.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"arrays\.safetensors is corrupted"):
        Data.load(tmp_path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is missing"):
        Data.load(tmp_path)
