import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.errors import BundleError
from pipeline.families.protocol import Data


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


def test_equal_data_are_equal_files(tmp_path):
    # Safetensors keeps metadata in a hash map, whose order changes from one file to the next.
    contents = set()
    for attempt in range(8):
        (tmp_path / str(attempt)).mkdir()
        Data({"a": np.zeros(2)}, dict.fromkeys("abcdefgh", "x")).save(tmp_path / str(attempt))
        contents.add((tmp_path / str(attempt) / "arrays.safetensors").read_bytes())
    assert len(contents) == 1


def test_file_of_a_former_version_is_refused(tmp_path):
    save_file({"a": np.zeros(2)}, tmp_path / "arrays.safetensors", metadata={"units": "°F"})
    with pytest.raises(BundleError, match=r"is corrupted, or of another version.* run stage ingest again"):
        Data.load(tmp_path)


def test_cut_file_is_refused(tmp_path):
    Data({"values": np.arange(5.0)}).save(tmp_path)
    path = tmp_path / "arrays.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"arrays\.safetensors is corrupted"):
        Data.load(tmp_path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is missing"):
        Data.load(tmp_path)
