import pytest
import yaml

from pipeline.errors import ConfigurationError
from pipeline.families.catalog import make_family
from pipeline.stages.check import check
from pipeline.stages.params import parse_config
from pipeline.stages.warm_starts import anchor_of, check_family, plan, with_warm_starts
from tests.sweeps import SWEEPS, sweep_text, write_source

WARM = {
    "name": "robust",
    "network": "robust_classifier",
    "sweep": {"values": [0, 0.25, 0.5, 1.0], "anchors": [0.0, 0.5, 1]},
    "ingest": {"source": "truth.py"},
    "train": {"seed": 0, "start": "neighbour", "hidden": [4], "iterations": 2},
    "dataset": {"source": "data/robust/harvest"},
}


def text(**sections: object) -> str:
    return sweep_text(**(WARM | sections))


def test_chains_go_both_ways():
    found = plan(["-1.0", "0.0", "5"])
    assert found.chains == {
        "own": ("-1.0", "0.0", "5"),
        "up": ("-1.0", "up_0.0", "up_5"),
        "down": ("down_-1.0", "down_0.0", "5"),
    }
    assert found.links == {"up_0.0": "-1.0", "up_5": "up_0.0", "down_0.0": "5", "down_-1.0": "down_0.0"}


@pytest.mark.parametrize("name", ["-0.5", "up_-0.5", "down_-0.5"])
def test_a_name_says_its_anchor(name):
    assert anchor_of(name) == "-0.5"


def test_networks_are_named_as_the_values_of_the_sweep_are():
    # DVC names folders by sweep.values, where 0 stands for the anchor 0.0.
    config = parse_config(with_warm_starts(text()), "params.yaml")
    assert config.warm == plan(["0", "0.5", "1.0"])
    assert config.train.family_settings == {"hidden": [4], "iterations": 2}


def test_the_rest_of_the_text_stays_and_writing_again_changes_nothing():
    given = "# A comment.\n" + text()
    written = with_warm_starts(given)
    assert written.startswith(given)
    assert with_warm_starts(written) == written


def test_other_anchors_get_another_plan_and_own_starts_none():
    written = with_warm_starts(text())
    changed = written.replace("- 0.5\n  - 1\n", "- 1\n")
    assert changed != written
    assert yaml.safe_load(with_warm_starts(changed))["warm"]["links"] == {"up_1.0": "0", "down_0": "1.0"}
    own = yaml.safe_dump(yaml.safe_load(text()), sort_keys=False).replace("neighbour", "own")
    assert with_warm_starts(written.replace("neighbour", "own")) == own
    assert with_warm_starts(written.replace("neighbour", "own").rstrip("\n")) == own


@pytest.mark.parametrize("broken", ["a: [", "- 1", "train: {start: neighbour}", "sweep: 3\ntrain: {start: neighbour}"])
def test_what_is_no_sweep_is_left_to_its_reader(broken):
    assert with_warm_starts(broken) == broken


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({}, r"warm: is not the plan of sweep.anchors = \[0.0, 0.5, 1.0\] .*; write it by `make sweep`"),
        ({"warm": plan(["0", "1.0"]).model_dump(mode="json")}, r"warm: is not the plan of sweep.anchors"),
        ({"warm": {"chains": {"own": ["a", "b"]}}}, r"warm: is not the plan of sweep.anchors"),
        ({"warm": plan(["0", "1"]).model_dump(mode="json"), "train": {"seed": 0}}, r"warm: belongs to train.start"),
        ({"train": {"start": "neighbor"}}, r"train.start: Input should be 'own' or 'neighbour'"),
        ({"train": {"start": "neighbour", "warm_share": 0}}, r"train.warm_share: Input should be greater than 0"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(sections, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_config(text(**sections), "params.yaml")


def test_several_hyperparameters_form_no_chain():
    sweep = {"grid": {"quantile": [0.1, 0.9], "noise": [0, 1]}}
    given = text(sweep=sweep)
    assert with_warm_starts(given) == given
    with pytest.raises(ConfigurationError, match=r"takes one hyperparameter: .*; set train.start: own"):
        parse_config(given, "params.yaml")


def test_a_harvest_from_disk_has_no_neighbours():
    with pytest.raises(ConfigurationError, match=r"train.start = 'neighbour' with network = null: nothing is trained"):
        parse_config(sweep_text("harvest", train={"start": "neighbour"}), "params.yaml")


def test_names_that_the_plan_lacks_are_refused():
    warm = plan(["0", "1"])
    with pytest.raises(ConfigurationError, match=r"'side' is not one of warm.chains = \['own', 'up', 'down'\]"):
        warm.networks_of("side")
    with pytest.raises(ConfigurationError, match=r"'0' is not one of warm.links = \['up_1', 'down_0'\]"):
        warm.start_of("0")


def test_a_family_that_cannot_is_refused_before_anything_is_trained(tmp_path):
    write_source(tmp_path)
    sections = SWEEPS["quantile_forecaster"]["train"] | {"start": "neighbour"}
    config = parse_config(with_warm_starts(sweep_text(train=sections)), "params.yaml")
    with pytest.raises(
        ConfigurationError, match=r"QuantileForecaster lacks train_from\(\) and episode_scores\(\).*train.start: own"
    ):
        check(config, tmp_path)


@pytest.mark.parametrize("network", ["robust_classifier", "cancer_therapy", "reacher"])
def test_families_that_can(network):
    check_family(make_family(network, {}), network)
