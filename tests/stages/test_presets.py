import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError, ConfigurationError, DataError
from pipeline.evaluation.gates.config import with_gates
from pipeline.stages.check import check
from pipeline.stages.params import load_config
from pipeline.stages.presets import listed_values, preset_names, resolve_params, select_harvest, select_preset
from pipeline.stages.sweep import resolved
from tests.paths import CHECKOUT
from tests.sweeps import line_harvest, sweep_text


@pytest.fixture
def root(tmp_path) -> Path:
    shutil.copytree(CHECKOUT / "sweeps", tmp_path / "sweeps")
    return tmp_path


def test_every_shipped_preset_can_be_selected(root):
    assert {"quantiles", "semicircles"} <= set(preset_names(root))
    for name in preset_names(root):
        assert select_preset(name, root)
        preset = (root / "sweeps" / f"{name}.yaml").read_text(encoding="utf-8")
        assert (root / "params.yaml").read_text(encoding="utf-8") == with_gates(resolved(preset))
        assert load_config(root / "params.yaml").name == name


def test_selecting_again_leaves_the_file_untouched(root):
    select_preset("quantiles", root)
    before = (root / "params.yaml").stat()
    assert not select_preset("quantiles", root)
    after = (root / "params.yaml").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_unknown_preset_is_refused_and_params_stay(root):
    (root / "params.yaml").write_text("mine")
    with pytest.raises(
        ConfigurationError, match=r"sweep 'quantile' is not under sweeps/; available: \[.*'quantiles', .*'semicircles'"
    ):
        select_preset("quantile", root)
    assert (root / "params.yaml").read_text() == "mine"


def test_faulty_preset_is_refused_and_params_stay(root):
    (root / "params.yaml").write_text("mine")
    (root / "sweeps" / "faulty.yaml").write_text(sweep_text(typo=1))
    with pytest.raises(ConfigurationError, match=r"faulty.yaml: 1 validation error:\n  typo: unknown key"):
        select_preset("faulty", root)
    assert (root / "params.yaml").read_text() == "mine"


def test_harvest_on_disk_becomes_a_sweep(root):
    line_harvest((0.0, 0.25, 0.5, 1.0)).save(root / "my run (2)")
    assert select_harvest(root / "my run (2)", [0.25], root)
    config = load_config(root / "params.yaml")
    assert config.name == config.register_.model == "my-run-2"
    assert config.network is None
    assert config.sweep.anchors == (0.0, 0.5, 1.0)
    assert config.ingest.source == "my run (2)"
    check(config, root)
    assert not select_harvest(root / "my run (2)", [0.25], root)


def test_all_values_are_anchors_unless_held_out(root):
    line_harvest((0.01, 0.5, 0.99)).save(root / "h")
    select_harvest(root / "h", root=root)
    assert load_config(root / "params.yaml").sweep.anchors == (0.01, 0.5, 0.99)


def test_harvest_elsewhere_is_named_by_its_whole_path(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "h"
    line_harvest().save(elsewhere)
    select_harvest(elsewhere, root=root)
    assert load_config(root / "params.yaml").ingest.source == elsewhere.resolve().as_posix()


def test_harvest_called_like_a_preset_gets_a_name_of_its_own(root):
    line_harvest().save(root / "quantiles")
    select_harvest(root / "quantiles", root=root)
    assert load_config(root / "params.yaml").name == "quantiles-harvest"


def test_anchors_survive_the_file_exactly(root):
    values = (0.1, 1 / 3, 0.5 + 1e-15, 1e5, 1e17, 3e300)
    y = [np.zeros((4, 1))] * len(values)
    Harvest.from_arrays(values, y, y).save(root / "h")
    select_harvest(root / "h", root=root)
    assert load_config(root / "params.yaml").sweep.anchors == values


@pytest.mark.parametrize(
    ("held_out", "error", "message"),
    [
        ([0.3], ConfigurationError, r"held-out \[0.3\]: not in the harvest, which holds \[0.0, 0.5, 1.0\]"),
        ([0.0], DataError, r"the held-out \[0.0\] lie outside the anchors' range"),
        ([1.0], DataError, r"the held-out \[1.0\] lie outside the anchors' range"),
        ([0.0, 0.5], ConfigurationError, r"leaves the anchors \[1.0\]"),
    ],
)
def test_held_out_that_does_not_fit_is_refused_and_params_stay(root, held_out, error, message):
    (root / "params.yaml").write_text("mine")
    line_harvest((0.0, 0.5, 1.0)).save(root / "h")
    with pytest.raises(error, match=message):
        select_harvest(root / "h", held_out, root)
    assert (root / "params.yaml").read_text() == "mine"


def test_folder_that_is_no_harvest_is_refused(root):
    with pytest.raises(BundleError, match="does not contain a complete harvest"):
        select_harvest(root / "sweeps", root=root)
    assert not (root / "params.yaml").exists()


CORNERS = ["a=0,b=0", "a=0,b=2", "a=1,b=0", "a=1,b=2"]


def plane_harvest() -> Harvest:
    """One draw at each of six conditions, at the corners of a rectangle and at its middle."""
    x = np.linspace(0.0, 1.0, 6)[:, None]
    values = [(0.0, 0.0), (0.0, 2.0), (1.0, 0.0), (1.0, 2.0), (0.5, 1.0)]
    return Harvest.from_arrays(
        values, [x + a + b for a, b in values], [x] * 5, names={"hyperparameter": ["a", "b"]}, deterministic=True
    )


def test_preset_with_a_grid_is_written_expanded(root):
    (root / "sweeps" / "plane.yaml").write_text(
        sweep_text(sweep={"anchors": {"a": [0, 1], "b": [0, 2]}, "held_out": [{"a": 0.5, "b": 1}]})
    )
    assert select_preset("plane", root)
    assert yaml.safe_load((root / "params.yaml").read_text())["sweep"] == {
        "values": [*CORNERS, "a=0.5,b=1"],
        "anchors": CORNERS,
    }
    assert load_config(root / "params.yaml").sweep.held_out == ((0.5, 1.0),)
    assert not select_preset("plane", root)


def test_grid_that_somebody_wrote_into_params_is_expanded(root):
    (root / "params.yaml").write_text(sweep_text(sweep={"grid": {"a": [0, 1], "b": [0, 2]}}))
    assert resolve_params(root)
    assert yaml.safe_load((root / "params.yaml").read_text())["sweep"] == {"values": CORNERS, "anchors": CORNERS}
    assert not resolve_params(root)


def test_harvest_of_two_hyperparameters_becomes_a_sweep(root):
    plane_harvest().save(root / "plane")
    assert select_harvest(root / "plane", listed_values("b=1, a=0.5".replace(" ", "")), root)
    assert yaml.safe_load((root / "params.yaml").read_text())["sweep"] == {"values": [], "anchors": CORNERS}
    check(load_config(root / "params.yaml"), root)


@pytest.mark.parametrize(
    ("held_out", "error", "message"),
    [
        ("a=0.5", ConfigurationError, "the harvest's hyperparameters are a, b"),
        ("a=0.5,b=0.5", ConfigurationError, r"held-out \['a=0.5,b=0.5'\]: not in the harvest"),
        ("0.5", ConfigurationError, r"held-out \[0.5\]: not in the harvest"),
        ("a=0,b=0; a=1,b=0; a=1,b=2", ConfigurationError, "at least 3 anchors of 2 hyperparameters are required"),
        ("a=1,b=2", DataError, r"held-out \['a=1,b=2'\] lie outside the anchors' hull"),
    ],
)
def test_held_out_of_two_hyperparameters_that_does_not_fit_is_refused(root, held_out, error, message):
    plane_harvest().save(root / "plane")
    with pytest.raises(error, match=message):
        select_harvest(root / "plane", listed_values(held_out), root)
    assert not (root / "params.yaml").exists()
