import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.errors import BundleError
from pipeline.families.checkpoints.states import read_state

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


class Whole(nn.Linear):
    """A module that somebody saved as a whole."""


def assert_same(state):
    assert set(state) == set(STATE)
    for name, tensor in STATE.items():
        assert torch.equal(state[name], tensor)


def test_safetensors_and_torch_files_hold_the_same(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    torch.save(STATE, tmp_path / "a.pt")
    torch.save({"epoch": 3, "model": STATE}, tmp_path / "b.ckpt")
    assert_same(read_state(tmp_path / "a.safetensors"))
    assert_same(read_state(tmp_path / "a.pt"))
    assert_same(read_state(tmp_path / "b.ckpt", "model"))


def test_pickled_module_is_refused_and_its_code_does_not_run(tmp_path):
    torch.save(Whole(3, 2), tmp_path / "whole.pt")
    message = r"whole.pt is pickled: it holds \[.*Whole.*unpickling runs code; save the weights by safetensors"
    with pytest.raises(BundleError, match=message):
        read_state(tmp_path / "whole.pt")


@pytest.mark.parametrize(
    ("name", "content", "key", "message"),
    [
        (
            "b.pt",
            {"epoch": 3, "model": STATE},
            "",
            r"b.pt holds no state_dict, but \['epoch', 'model'\]; set train.key",
        ),
        ("b.pt", {"epoch": 3, "model": STATE}, "net", r"no entry 'net'; set train.key to one of \['epoch', 'model'\]"),
        ("b.pt", torch.zeros(3), "", "holds no state_dict, but Tensor"),
        ("b.pt", {}, "", "holds no state_dict"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path, name, content, key, message):
    torch.save(content, tmp_path / name)
    with pytest.raises(BundleError, match=message):
        read_state(tmp_path / name, key)


def test_former_and_broken_files_are_refused(tmp_path):
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(BundleError, match=r"old.pt is not in the current format of torch.save"):
        read_state(tmp_path / "old.pt")
    torch.save(STATE, tmp_path / "cut.pt")
    content = (tmp_path / "cut.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"cut.pt is"):
        read_state(tmp_path / "cut.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08")
    with pytest.raises(BundleError, match=r"cut.safetensors is corrupted \(not a safetensors file\)"):
        read_state(tmp_path / "cut.safetensors")


def test_archive_of_something_else_is_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("data", "x")
    with pytest.raises(BundleError, match=r"a.pt is corrupted, or not a file of torch.save"):
        read_state(tmp_path / "a.pt")
