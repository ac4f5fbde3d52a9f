"""Adding anchors to params.yaml: what is written, what stays, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.errors import ConfigurationError
from pipeline.evaluation.record_rows import NextRecord
from pipeline.stages.added import add_anchors, wanted_values
from pipeline.stages.params import load_config
from pipeline.stages.presets import select_harvest, select_preset
from pipeline.storage.yaml_text import read_yaml
from tests.paths import CHECKOUT
from tests.sweeps import line_harvest, sweep_text


@pytest.fixture
def root(tmp_path) -> Path:
    shutil.copytree(CHECKOUT / "sweeps", tmp_path / "sweeps")
    return tmp_path


def sweep_of(root: Path) -> dict[str, list[float | str]]:
    return dict(yaml.safe_load((root / "params.yaml").read_text())["sweep"])


def validated(root: Path, **following: object) -> None:
    """metrics.json of a validation that names a λ, or none."""
    folder = root / load_config(root / "params.yaml").folder / "validation"
    folder.mkdir(parents=True)
    record = {
        "decision": {"promote": True, "reason": ["so"]},
        **dict.fromkeys(("measure", "clock", "comparison", "variant", "solver", "served"), "x"),
        **{"redraws": 1, "mean": {}, "surrogate": {}, "scores": [], "digests": [], "methods": []},
    }
    if following:
        record["next"] = NextRecord.model_validate({"why": "uncertainty", "sentence": "so", **following}).model_dump()
    (folder / "metrics.json").write_text(json.dumps(record))


def test_a_new_value_is_sorted_in_and_comments_stay(root):
    select_preset("quantiles", root)
    before = (root / "params.yaml").read_text()
    assert add_anchors([0.3, 0.6], root) == [0.3, 0.6]
    after = (root / "params.yaml").read_text()
    assert "values: [0.01, 0.1, 0.25, 0.3, 0.5, 0.6, 0.75, 0.9, 0.99]   # one network and one harvest each" in after
    assert "anchors: [0.01, 0.3, 0.5, 0.6, 0.99]                        # what the surrogate sees" in after
    plan = "# Written by `make sweep`"  # an anchor that is trained again may be another one now
    lines = before.split(plan)[0].splitlines(), after.split(plan)[0].splitlines()
    assert sum(a != b for a, b in zip(*lines, strict=True)) == 2
    load_config(root / "params.yaml")


def test_a_held_out_value_becomes_an_anchor_and_an_anchor_stays_one(root):
    select_preset("quantiles", root)
    add_anchors([0.25], root)
    assert sweep_of(root)["values"] == [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
    assert sweep_of(root)["anchors"] == [0.01, 0.25, 0.5, 0.99]
    once = (root / "params.yaml").read_text()
    add_anchors([0.25], root)
    assert (root / "params.yaml").read_text() == once


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5, [0.0, 1.0, 1.5]), (0.5, [0.0, 0.5, 1.0]), (-1.0, [-1.0, 0.0, 1.0])]
)
@pytest.mark.parametrize("flow", [True, False])
def test_lists_of_either_style_get_longer_at_any_place(root, flow, value, expected):
    text = sweep_text("semicircles", sweep={"values": [0.0, 1.0], "anchors": [0.0, 1.0]})
    listed = "[0.0, 1.0]" if flow else "\n  - 0.0  # first\n  - 1.0  # last"
    lines = yaml.safe_load(text)
    sections = {**lines, "network": "quantile_forecaster"}
    del sections["sweep"]
    from pipeline.stages.added import _inserted

    written = f"sweep:\n  values: {listed}\n  anchors: {listed}\n" + yaml.safe_dump(sections)
    for key in ("values", "anchors"):
        written = _inserted(written, key, value, ())
    assert yaml.safe_load(written)["sweep"] == {"values": expected, "anchors": expected}
    assert flow or written.count("# last") == written.count("# first") == 2


def test_whole_numbers_stay_whole_and_small_ones_numbers():
    from pipeline.stages.added import _inserted

    whole = _inserted("sweep: {values: [0, 5, 10]}", "values", 7.0, ())
    assert whole == "sweep: {values: [0, 5, 7, 10]}"
    assert _inserted("sweep: {values: [0.0, 5.0]}", "values", 3.0, ()) == "sweep: {values: [0.0, 3.0, 5.0]}"
    small = read_yaml(_inserted("sweep: {values: [0.0, 1.0]}", "values", 1e-5, ()), "params.yaml")
    assert small["sweep"]["values"] == [0.0, 1e-5, 1.0]


def test_of_several_hyperparameters_it_is_named(root):
    select_preset("robust_quantiles_small", root)
    add_anchors(wanted_values("noise=0.5,quantile=0.25"), root)  # held out before
    assert sweep_of(root)["anchors"][-1] == "quantile=0.25,noise=0.5"
    assert len(sweep_of(root)["values"]) == 8
    with pytest.raises(
        ConfigurationError, match=r"add = 0.3: the sweep has the hyperparameters quantile, noise; write"
    ):
        add_anchors([0.3], root)
    with pytest.raises(ConfigurationError, match=r"add = a=1: the sweep has the hyperparameters quantile, noise"):
        add_anchors(["a=1"], root)


def test_auto_is_what_the_validation_names(root):
    select_preset("quantiles", root)
    validated(root, value=0.3, anchors=(0.01, 0.5))
    assert add_anchors(["auto"], root) == [0.3]
    assert sweep_of(root)["anchors"] == [0.01, 0.3, 0.5, 0.99]
    stale = (
        r"names 0.3, between the anchors \[0.01, 0.5\], which are not those of sweep.anchors = .* run `make run` first"
    )
    with pytest.raises(ConfigurationError, match=stale):
        add_anchors(["auto"], root)


def test_auto_without_a_validation_or_a_name_says_what_to_do(root):
    select_preset("quantiles", root)
    before = (root / "params.yaml").read_text()
    with pytest.raises(
        ConfigurationError, match=r"add = auto: .*metrics.json.*run `make run` first, or name a λ: ADD=0.3"
    ):
        add_anchors(["auto"], root)
    validated(root)
    with pytest.raises(ConfigurationError, match=r"names no λ to train next, since .*; name one: ADD=0.3"):
        add_anchors(["auto"], root)
    assert (root / "params.yaml").read_text() == before


def test_what_the_family_does_not_take_is_refused_and_params_stay(root):
    select_preset("quantiles", root)
    before = (root / "params.yaml").read_text()
    with pytest.raises(ConfigurationError, match=r"add: quantile 1.5: a quantile lies between 0 and 1"):
        add_anchors([0.3, 1.5], root)
    assert (root / "params.yaml").read_text() == before


def test_a_harvest_from_disk_trains_nothing(root):
    line_harvest().save(root / "mine")
    select_harvest(root / "mine", [0.5], root)
    remedy = r"add = \[0.3\] with network = null: nothing is trained here; .* add its samples to the harvest mine"
    with pytest.raises(ConfigurationError, match=remedy):
        add_anchors([0.3], root)


@pytest.mark.parametrize(
    ("text", "values"),
    [("auto", ["auto"]), ("0.3, 0.6", [0.3, 0.6]), ("", []), ("a=1,b=2; a=0,b=1", ["a=1,b=2", "a=0,b=1"])],
)
def test_the_option_is_read(text, values):
    assert wanted_values(text) == values


def test_an_option_that_is_no_number_is_refused():
    with pytest.raises(ConfigurationError, match=r"--add often: expected comma-separated numbers"):
        wanted_values("often")
