import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.errors import BundleError
from pipeline.storage.files import read_arrays, read_json


def test_json_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"µ": [1, 2]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json", "thing") == {"µ": [1, 2]}


def test_arrays_and_metadata_are_read(tmp_path):
    save_file({"a": np.arange(3)}, tmp_path / "a.safetensors", metadata={"units": "°F"})
    arrays, metadata = read_arrays(tmp_path / "a.safetensors", "thing")
    np.testing.assert_array_equal(arrays["a"], np.arange(3))
    assert metadata == {"units": "°F"}


@pytest.mark.parametrize("read", [read_json, read_arrays])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'{"a": 1'])
def test_corrupted_file_is_refused(tmp_path, read, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BundleError, match="file is corrupted"):
        read(tmp_path / "file", "thing")


@pytest.mark.parametrize("read", [read_json, read_arrays])
def test_missing_file_is_refused(tmp_path, read):
    with pytest.raises(BundleError, match=r"file is missing: .* does not contain a complete thing"):
        read(tmp_path / "file", "thing")


def test_arrays_that_are_not_finite_are_refused(tmp_path):
    save_file({"fine": np.arange(3), "broken": np.array([1.0, np.nan])}, tmp_path / "a.safetensors")
    with pytest.raises(BundleError, match="'broken' contains NaN or Inf"):
        read_arrays(tmp_path / "a.safetensors", "thing")
