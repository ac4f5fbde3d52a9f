from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import parse_yaml

from pipeline.errors import ConfigurationError
from pipeline.stages.params import Config, load_config, parse_config
from tests.paths import CHECKOUT
from tests.sweeps import SWEEPS, sweep_config, sweep_text


def refused(message: str, kind: str = "quantile_forecaster", **sections):
    with pytest.raises(ConfigurationError, match=message):
        sweep_config(kind, **sections)


@pytest.mark.parametrize("kind", SWEEPS)
def test_small_sweeps_are_valid(kind):
    assert isinstance(sweep_config(kind), Config)


@pytest.mark.parametrize("path", sorted((CHECKOUT / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_presets_are_valid_and_carry_their_own_name(path):
    config = load_config(path)
    assert config.name == path.stem
    assert config.register_.model == path.stem


def test_default_sweep_is_the_one_that_was_asked_for():
    config = load_config(CHECKOUT / "sweeps" / "quantiles.yaml")
    assert config.sweep.anchors == (0.01, 0.5, 0.99)
    assert config.sweep.held_out == (0.1, 0.25, 0.75, 0.9)
    assert config.folder == Path("data/quantiles")


@pytest.mark.parametrize(
    ("section", "key"),
    [("sweep", "valuse"), ("raw", "file"), ("ingest", "colunm"), ("harvest", "draw"), ("dataset", "fraction"),
     ("fit", "varaint"), ("validate", "redraw"), ("register", "name")],
)  # fmt: skip
def test_unknown_key_of_a_section_is_refused(section, key):
    content = SWEEPS["quantile_forecaster"][section] | {key: 7}
    refused(rf"{section}\.{key}: unknown key \(value 7\); remove it or check its spelling", **{section: content})


def test_unknown_section_is_refused():
    refused(r"trian: unknown key", trian={"seed": 1})


def test_every_fault_is_listed_at_once():
    with pytest.raises(ConfigurationError) as caught:
        sweep_config(fit={"variant": "K", "seed": -1}, typo=1)
    for part in ("3 validation errors", "fit.variant", "received 'K'", "fit.seed", "received -1", "typo: unknown key"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([0.1], r"sweep.anchors = \[0.1\]: at least two anchors"),
        ([], r"sweep.anchors = \[\]: at least two anchors"),
        ([0.9, 0.1], r"sweep.anchors = .*: 0.9 comes before 0.1; sort them ascending"),
        ([0.1, 0.1, 0.9], r"sweep.anchors = .*: 0.1 is repeated"),
        ([0.1, 0.95], r"sweep.anchors: \[0.95\] are not among sweep.values"),
        ([0.1, float("nan")], r"sweep.anchors.1: .*finite number \(received nan\)"),
        ([0.1, float("inf")], r"sweep.anchors.1: .*finite number \(received inf\)"),
        ([0.1, 0.5, "high"], r"sweep.anchors.2: .* \(received 'high'\)"),
    ],
)
def test_anchors_that_do_not_fit_are_refused(anchors, message):
    refused(message, sweep={"values": [0.1, 0.5, 0.7, 0.9], "anchors": anchors})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.05, 0.1, 0.5, 0.9], r"the held-out \[0.05\] lie outside the anchors' range \[0.1, 0.9\]"),
        ([0.1, 0.5, 0.9, 0.95], r"the held-out \[0.95\] lie outside"),
        ([0.1, 0.9, 0.5], r"sweep.values = .*: 0.9 comes before 0.5"),
        ([0.1, 0.5, 0.5, 0.9], r"sweep.values = .*: 0.5 is repeated"),
        ([], r"sweep.values is empty: network = 'quantile_forecaster' needs the values"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, message):
    refused(message, sweep={"values": values, "anchors": [0.1, 0.5, 0.9]})


def test_sweep_without_network_has_no_values():
    refused(r"sweep.values = \[0.0, 1.0\] with network = null", "harvest", sweep={"values": [0, 1], "anchors": [0, 1]})


def test_network_needs_its_harvest_section():
    refused("harvest: missing; network = 'quantile_forecaster'", harvest=None)


@pytest.mark.parametrize("kind", ["quantile_forecaster", "harvest"])
def test_dataset_source_belongs_to_the_name(kind):
    right = SWEEPS[kind]["dataset"]["source"]
    refused(rf"dataset.source = 'data/other' does not belong .*; set '{right}'", kind, dataset={"source": "data/other"})


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../up", "é"])
def test_name_is_fit_for_a_folder(name):
    refused(r"name: .*match pattern", name=name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has NoneType at its top level"),
        ("- a\n- b\n", "has list at its top level"),
        ("a: [", "is not YAML"),
        ("{}", r"name: missing; set it"),
        ("name: a\nfit: {seed: 1, seed: 2}\n", r"params.yaml, line 2: 'seed' is repeated in its section; keep"),
        ("name: a\nname: b\n", r"params.yaml, line 2: 'name' is repeated"),
    ],
)
def test_text_that_is_no_configuration_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_config(text, "params.yaml")


@pytest.mark.parametrize("section", ["raw", "train", "fit", "validate"])
def test_section_that_dvc_reads_may_not_be_left_out(section):
    content = {name: value for name, value in SWEEPS["quantile_forecaster"].items() if name != section}
    with pytest.raises(ConfigurationError, match=rf"{section}: missing; set it"):
        parse_config(yaml.safe_dump(content), "params.yaml")


def test_bundled_files_may_not_be_left_out():
    refused(r"raw\.bundled: missing; set it", raw={})


@pytest.mark.parametrize("section", ["train", "harvest", "dataset", "fit", "validate"])
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seed_that_does_not_fit_a_generator_is_refused(section, seed):
    refused(rf"{section}\.seed: .*\(received {seed}\)", **{section: SWEEPS["semicircles"][section] | {"seed": seed}})


@pytest.mark.parametrize("model", ["", ".", "..", " ", ". .", "a/b", "x" * 201])
def test_registered_models_name_is_one(model):
    refused(r"register\.model: ", register={"model": model})


def test_whole_number_with_a_leading_zero_is_what_dvc_reads():
    text = sweep_text().replace("history: 4", "history: 012")
    assert "012" in text
    read = parse_config(text, "params.yaml").train.family_settings["history"]
    assert read == parse_yaml(text, "params.yaml")["train"]["history"] == 12


def test_long_name_is_refused():
    refused(r"name: .*at most 100", name="x" * 101)


def test_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "params.yaml").write_bytes("name: grün".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"params\.yaml is not UTF-8 .*; save it in that encoding"):
        load_config(tmp_path / "params.yaml")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_config(tmp_path / "params.yaml")


def test_configuration_comes_back_from_what_it_dumps():
    config = sweep_config()
    dumped = yaml.safe_dump(config.model_dump(mode="json", by_alias=True))
    assert parse_config(dumped, "dump") == config


@pytest.mark.parametrize(("text", "value"), [("0.1", 0.1), ("0.10", 0.1), ("5e-1", 0.5)])
def test_value_is_found_by_how_it_is_written(text, value):
    assert sweep_config().sweep.value_of(text) == value


@pytest.mark.parametrize("text", ["0.2", "high", ""])
def test_value_outside_the_sweep_is_refused(text):
    with pytest.raises(ConfigurationError, match=rf"'{text}' is not one of sweep.values"):
        sweep_config().sweep.value_of(text)


@pytest.mark.parametrize("clock", ["auto", "learnt", "linear", "log", "mirror_log", "logit", "probit", "hold"])
def test_every_clock_may_be_named_but_a_prior_is_a_base(clock):
    assert sweep_config(fit={"clock": clock}).fit.clock == clock
    if clock in ("learnt", "hold"):
        refused(rf"fit\.clock_prior: .*\(received '{clock}'\)", fit={"clock_prior": clock})
    else:
        assert sweep_config(fit={"clock_prior": clock}).fit.clock_prior == clock


@pytest.mark.parametrize(
    ("key", "value"), [("clock", "sundial"), ("clock_prior", "sundial"), ("speed", "fast"), ("variant", "K_J")]
)
def test_setting_without_a_meaning_is_refused(key, value):
    refused(rf"fit\.{key}: .*\(received '{value}'\)", fit={key: value})


def test_surrogate_settings_leave_seed_and_device_out():
    config = parse_config(sweep_text(fit={"variant": "K_I", "seed": 4, "device": "cpu"}), "params.yaml")
    assert config.fit.surrogate().variant == "K_I"
    assert not {"seed", "device"} & set(config.fit.surrogate().model_dump())


def test_code_that_does_not_belong_to_the_network_is_refused_with_what_does():
    old = {key: value for key, value in yaml.safe_load(sweep_text()).items() if key != "code"}
    remedy = r"write code: \{family: pipeline/families/quantile_forecaster, shared: pipeline/families/forecasters\}"
    with pytest.raises(ConfigurationError, match=r"code is missing beside network = 'quantile_forecaster'.*" + remedy):
        parse_config(yaml.safe_dump(old), "params.yaml")
    for code in (
        {"family": "pipeline/families", "shared": "x"},
        {"family": "pipeline/families/reacher", "shared": "x"},
    ):
        with pytest.raises(ConfigurationError, match=r"does not belong to network = 'quantile_forecaster'.*" + remedy):
            parse_config(yaml.safe_dump(old | {"code": code}), "params.yaml")


def test_the_limit_of_an_answer_is_a_number_of_rows():
    assert sweep_config("semicircles", register={"model": "m", "answer_rows": 5}).register_.answer_rows == 5
    refused(r"register\.answer_rows: ", register={"model": "m", "answer_rows": 0})
    assert sweep_config("semicircles", register={"model": "m", "flavour": "onnx"}).register_.flavour == "onnx"
    refused(r"register\.flavour: .*'torch' or 'onnx'", register={"model": "m", "flavour": "pickle"})
