import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from pipeline.errors import BundleError
from pipeline.surrogate import Surrogate
from pipeline.surrogate.fitted import Candidate
from pipeline.surrogate.store import _digest
from tests.clouds import circles_harvest, moment

TARGETS = [0.0, 0.3, 0.5, 0.8, 1.0]


@pytest.fixture(scope="module", params=["circles", "cloud", "skewed"])
def saved(request, tmp_path_factory) -> tuple[Surrogate, Path, tuple[np.ndarray, np.ndarray]]:
    surrogate = request.getfixturevalue(f"{request.param}_surrogate")
    harvest = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("bundle") / "surrogate"
    surrogate.save(folder)
    return surrogate, folder, (harvest.outputs[0], harvest.conditions[0])


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    """A bundle that may be broken."""
    return Path(shutil.copytree(saved[1], tmp_path / "copy"))


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
def test_loaded_surrogate_answers_bit_for_bit_the_same(saved):
    surrogate, folder, (y, x) = saved
    again = Surrogate.load(folder)
    np.testing.assert_array_equal(again.path(y, x, 0.0, TARGETS), surrogate.path(y, x, 0.0, TARGETS))
    np.testing.assert_array_equal(again.log_density(y, x), surrogate.log_density(y, x))
    for value in (0.3, 0.5):
        np.testing.assert_array_equal(again.sample(x, value, 3, 1), surrogate.sample(x, value, 3, 1))
    for name in (
        "digest",
        "anchors",
        "clock",
        "clock_base",
        "clock_errors",
        "candidates",
        "own_share",
        "schema",
        "config",
        "deterministic",
        "history",
    ):
        assert getattr(again, name) == getattr(surrogate, name), name


@pytest.mark.parametrize("variant", ["K_I", "NLOT-U", "K_theta"])
@pytest.mark.parametrize("solver", ["paired", "semidual"])
def test_every_kind_comes_back(of_variant, cloud, tmp_path, variant, solver):
    surrogate = of_variant(variant, solver)
    surrogate.save(tmp_path / "s")
    found, expected = (
        s.path(cloud.outputs[0], cloud.conditions[0], 0.0, TARGETS) for s in (Surrogate.load(tmp_path / "s"), surrogate)
    )
    np.testing.assert_array_equal(found, expected)


def test_saving_again_gives_the_same_files(saved, tmp_path):
    _, folder, _ = saved
    Surrogate.load(folder).save(tmp_path / "again")
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    for file in files:
        assert (folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_save_replaces_what_was_there(saved, tmp_path):
    surrogate, _, _ = saved
    surrogate.save(tmp_path / "s")
    (tmp_path / "s" / "old").touch()
    surrogate.save(tmp_path / "s")
    assert not (tmp_path / "s" / "old").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_bundle_is_json_and_safetensors(saved):
    _, folder, _ = saved
    suffixes = {p.suffix for p in folder.rglob("*") if p.is_file()}
    assert suffixes <= {".json", ".safetensors"}
    for file in folder.rglob("*"):
        if file.is_file():
            start = file.read_bytes()[:9]
            # Safetensors begin with their header's length, whose first byte may be any; no pickle, no zip.
            assert start.startswith((b"{", b"[")) if file.suffix == ".json" else start[8:] == b"{"


def files_of(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_any_missing_file_is_named(saved, tmp_path):
    for i, file in enumerate(files_of(saved[1])):
        broken = tmp_path / str(i)
        shutil.copytree(saved[1], broken)
        name = file.relative_to(saved[1])
        (broken / name).unlink()
        with pytest.raises(BundleError, match=f"{name} is missing"):
            Surrogate.load(broken)


def test_any_changed_byte_of_weights_or_networks_is_found(saved, tmp_path):
    for i, file in enumerate(f for f in files_of(saved[1]) if f.name != "surrogate.json"):
        broken = tmp_path / str(i)
        shutil.copytree(saved[1], broken)
        target = broken / file.relative_to(saved[1])
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
        with pytest.raises(BundleError, match=f"{target.name} is corrupted"):
            Surrogate.load(broken)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clock", "probit"),
        ("anchors", [0.0, 0.6, 1.0]),
        ("deterministic", True),
        ("bandwidths", [1.0, 1.0]),
        ("digest", "0" * 64),
        ("codes", []),
        ("schema", None),
        ("sha256", {}),
    ],
)
def test_changed_settings_are_found(copy, field, value):
    document = json.loads((copy / "surrogate.json").read_text())
    if document[field] == value:
        pytest.skip("there are no categories")
    document[field] = value
    (copy / "surrogate.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match=r"corrupted|changed|missing"):
        Surrogate.load(copy)


@pytest.mark.parametrize("field", ["speed", "networks"])
def test_changed_configuration_is_found(copy, field):
    document = json.loads((copy / "surrogate.json").read_text())
    if field == "speed":
        document["config"]["speed"] = "action" if document["config"]["speed"] == "uniform" else "uniform"
    else:
        document["networks"] = not document["networks"]
    (copy / "surrogate.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match=r"changed|missing|corrupted"):
        Surrogate.load(copy)


@pytest.mark.parametrize("field", ["schema", "config", "anchors", "sha256", "digest", "bandwidths", "history"])
def test_missing_field_is_found(copy, field):
    document = json.loads((copy / "surrogate.json").read_text())
    del document[field]
    (copy / "surrogate.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match="corrupted"):
        Surrogate.load(copy)


@pytest.mark.parametrize("value", [0, 1, 2, 5, None, "4"])  # 1: clocks without a skew; 2: maps as networks
def test_other_format_is_refused(copy, value):
    document = json.loads((copy / "surrogate.json").read_text())
    document["format"] = value
    (copy / "surrogate.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match=r"surrogate\.json is not a surrogate of format 4; save it again"):
        Surrogate.load(copy)


def test_a_bundle_of_format_3_moves_all_rows_by_the_maps(skewed_surrogate, skewed, tmp_path):
    matched = Surrogate(dataclasses.replace(skewed_surrogate._fit, own_share=1.0))
    matched.save(tmp_path / "s")
    assert Surrogate.load(tmp_path / "s").own_share == 1
    document = json.loads((tmp_path / "s" / "surrogate.json").read_text())
    document["format"] = 3
    del document["own_share"]
    content = {key: value for key, value in document.items() if key not in ("history", "digest", "sha256")}
    document["digest"] = _digest(content, document["sha256"])
    (tmp_path / "s" / "surrogate.json").write_text(json.dumps(document))
    older = Surrogate.load(tmp_path / "s")
    assert older.own_share == 0
    maps = Surrogate(dataclasses.replace(skewed_surrogate._fit, own_share=0.0))
    y, x = skewed.outputs[0], skewed.conditions[0]
    np.testing.assert_array_equal(older.transport(y, x, 0.0, 0.7), maps.transport(y, x, 0.0, 0.7))


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
def test_a_bundle_from_before_circular_outputs_is_read(copy, saved):
    """Written by an earlier version, format 3 or 4: its weights have no key of `transport.angles`."""
    weights = safetensors.torch.load_file(copy / "weights.safetensors")
    del weights["angles.centre"]
    safetensors.torch.save_file(weights, copy / "weights.safetensors")
    document = json.loads((copy / "surrogate.json").read_text())
    del document["components"]
    document["sha256"]["weights.safetensors"] = hashlib.sha256((copy / "weights.safetensors").read_bytes()).hexdigest()
    content = {key: value for key, value in document.items() if key not in ("history", "digest", "sha256")}
    document["digest"] = _digest(content, document["sha256"])
    (copy / "surrogate.json").write_text(json.dumps(document))
    x = np.zeros((3, len(saved[0].schema.conditions)))
    np.testing.assert_array_equal(Surrogate.load(copy).sample(x, 0.3), saved[0].sample(x, 0.3))


def test_skew_by_condition_comes_back(skewed_surrogate, skewed, tmp_path):
    assert skewed_surrogate.clock == "skewed linear by condition"
    skewed_surrogate.save(tmp_path / "s")
    again = Surrogate.load(tmp_path / "s")
    for name, tensor in skewed_surrogate._parts.clock.skew.state_dict().items():
        assert torch.equal(again._parts.clock.skew.state_dict()[name], tensor)
    y, x = skewed.outputs[0], skewed.conditions[0]
    for target in (0.1, 0.49, 0.9):
        expected = skewed_surrogate.transport(y, x, 0.0, target)
        np.testing.assert_array_equal(again.transport(y, x, 0.0, target), expected)


def test_held_clock_comes_back(cloud, tmp_path):
    surrogate = Surrogate.fit(cloud, moment(clock="hold", variant="K_I"))
    surrogate.save(tmp_path / "s")
    assert Surrogate.load(tmp_path / "s").clock == "hold"


def test_digest_tells_skews_apart(skewed_surrogate, tmp_path):
    skewed_surrogate.save(tmp_path / "s")
    other = Surrogate.load(tmp_path / "s")
    other._parts.clock.skew.mean += 0.5
    assert other.digest != skewed_surrogate.digest


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_document_that_is_none_is_refused(copy, content):
    (copy / "surrogate.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"surrogate\.json is"):
        Surrogate.load(copy)


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BundleError, match=r"nowhere.* does not contain a complete surrogate"):
        Surrogate.load(tmp_path / "nowhere")


def test_digest_tells_surrogates_apart():
    harvest = circles_harvest(draws=3)
    first, other = (Surrogate.fit(harvest, moment(alpha=a)) for a in (0.05, 0.06))
    assert first.digest != other.digest
    assert len(first.digest) == 64


def test_other_folders_and_files_are_not_replaced(saved, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match=r"contains other files but no surrogate\.json"):
        saved[0].save(tmp_path / "docs")
    with pytest.raises(BundleError, match="is a file"):
        saved[0].save(tmp_path / "docs" / "thesis.txt")
    assert (tmp_path / "docs" / "thesis.txt").read_text() == "years of work"
    for _ in range(2):  # new, then its own
        saved[0].save(tmp_path / "surrogate")
    assert Surrogate.load(tmp_path / "surrogate").digest == saved[0].digest


def test_the_density_is_written_once(circles_surrogate, tmp_path):
    circles_surrogate.save(tmp_path / "bundle")
    names = set(safetensors.torch.load_file(tmp_path / "bundle" / "weights.safetensors"))
    assert "density.support" in names
    assert not {name for name in names if name.startswith("lagrangian.potential.density.")}
    again = Surrogate.load(tmp_path / "bundle")
    points, x = torch.zeros(3, 4, 2), again._parts.scaling.condition(torch.zeros(3, 1))
    for surrogate in (circles_surrogate, again):
        potential = surrogate._parts.lagrangian.potential
        torch.testing.assert_close(potential.density.support, surrogate._parts.density.support, rtol=0, atol=0)
    torch.testing.assert_close(
        again._parts.lagrangian.potential(points, x), circles_surrogate._parts.lagrangian.potential(points, x)
    )


def test_the_digest_is_computed_once(circles_surrogate, monkeypatch):
    first = circles_surrogate.digest
    monkeypatch.setattr("pipeline.surrogate.model.bundle_digest", lambda fit: pytest.fail("computed again"))
    assert circles_surrogate.digest == first


@pytest.mark.parametrize("error", [None, 0.25])
def test_what_was_compared_comes_back(circles_surrogate, tmp_path, error):
    compared = (
        Candidate("K_I", error, 0.01, chosen=True, remark="so"),
        Candidate("K_theta", error, chosen=False),
        Candidate("clock linear", error),
    )
    surrogate = Surrogate(dataclasses.replace(circles_surrogate._fit, candidates=compared))
    surrogate.save(tmp_path / "s")
    assert Surrogate.load(tmp_path / "s").candidates == surrogate.candidates == compared
