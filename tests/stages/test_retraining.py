import pytest
import yaml

from pipeline.errors import ConfigurationError
from pipeline.stages.params import load_config, parse_config
from pipeline.stages.presets import resolve_params
from pipeline.stages.retraining import middle, with_retraining
from pipeline.stages.warm_starts import with_warm_starts
from tests.stages.test_warm_starts import WARM
from tests.sweeps import sweep_text

GRID = {"anchors": {"a": [0, 1, 10], "b": [0, 2]}, "held_out": [{"a": 0.5, "b": 1}]}


def validating(**settings: int) -> dict[str, int]:
    return {"redraws": 1, "seed": 0} | settings


def text(kind: str = "quantile_forecaster", *, sweep: dict[str, object] | None = None, **settings: int) -> str:
    swept = {} if sweep is None else {"sweep": sweep}
    return sweep_text(kind, **swept, validate=validating(**settings))


def planned(given: str) -> dict[str, tuple[str, int]]:
    """The networks of the section that is written, by their names."""
    networks = yaml.safe_load(with_retraining(given)).get("retrain", {"networks": {}})["networks"]
    return {name: (again["value"], again["seed"]) for name, again in networks.items()}


@pytest.mark.parametrize(
    ("settings", "networks"),
    [
        ({}, []),
        ({"noise": 1}, [("0.5", 1)]),
        ({"floor_seeds": 2}, [("0.7", 1), ("0.7", 2)]),
        ({"noise": 1, "floor_seeds": 1}, [("0.5", 1), ("0.7", 1)]),
    ],
)
def test_the_middle_anchor_and_every_held_out_value(settings, networks):
    # Anchors 0.1, 0.5 and 0.9; 0.7 is held out.
    assert planned(text(**settings)) == {f"{value}_seed{seed}": (value, seed) for value, seed in networks}
    config = parse_config(with_retraining(text(**settings)), "params.yaml")
    assert [(again.value, again.seed) for again in config.retrain.networks.values()] == networks


def test_several_hyperparameters_before_and_after_their_grid_is_expanded(tmp_path):
    (tmp_path / "params.yaml").write_text(text(sweep=GRID, noise=1, floor_seeds=1))
    assert resolve_params(tmp_path)
    config = load_config(tmp_path / "params.yaml")
    assert list(config.retrain.networks) == ["a=1,b=0_seed1", "a=0.5,b=1_seed1"]
    again = config.retrain.of("a=0.5,b=1_seed1")
    assert config.sweep.hyperparameter_of(again.value) == {"a": 0.5, "b": 1.0}
    assert not resolve_params(tmp_path)


@pytest.mark.parametrize(
    ("anchors", "expected"),
    [
        ((0.0, 1.0), 1.0),
        ((0.0, 0.9, 1.0), 0.9),
        (((0.0, 0.0), (0.0, 100.0), (1.0, 0.0), (0.6, 40.0)), (0.6, 40.0)),
        # 0.4 of the one range and 0.5 of the other lie nearer to the centre than 0.5 and 0.7.
        (((0.0, 0.0), (1.0, 100.0), (0.5, 70.0), (0.4, 50.0)), (0.4, 50.0)),
    ],
)
def test_the_middle_is_that_of_the_scaled_range(anchors, expected):
    assert middle(anchors) == expected


def test_the_rest_of_the_text_stays_writing_again_changes_nothing_and_off_removes():
    given = "# A comment.\n" + text(noise=1, floor_seeds=3)
    written = with_retraining(given)
    assert written.startswith(given)
    assert with_retraining(written) == written
    off = written.replace("noise: 1", "noise: 0").replace("floor_seeds: 3", "floor_seeds: 0")
    assert with_retraining(off) == "# A comment.\n" + text(noise=0, floor_seeds=0)


def test_both_written_sections_stand_beside_one_another():
    given = sweep_text(**WARM, validate=validating(noise=1))
    written = with_retraining(with_warm_starts(given))
    assert with_retraining(with_warm_starts(written)) == written
    config = parse_config(written, "params.yaml")
    assert list(config.retrain.networks) == ["0.5_seed1"]
    assert set(config.warm.chains) == {"own", "up", "down"}


@pytest.mark.parametrize(
    "broken",
    ["a: [", "- 1", "validate: {noise: 1}", "network: x\nvalidate: {noise: 1}\nsweep: 3", "validate: {noise: many}"],
)
def test_what_is_no_sweep_is_left_to_its_reader(broken):
    assert with_retraining(broken) == broken


def refused(message: str, given: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_config(given, "params.yaml")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": 2}, r"validate.noise: Input should be less than or equal to 1 \(received 2\)"),
        ({"noise": -1}, r"validate.noise: Input should be greater than or equal to 0"),
        ({"floor_seeds": 21}, r"validate.floor_seeds: Input should be less than or equal to 20 \(received 21\)"),
        ({"floor_seeds": -1}, r"validate.floor_seeds: Input should be greater than or equal to 0"),
        ({"noise": 1}, r"retrain: is not the plan of validate.noise = 1, .*; write it by `make sweep`"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    refused(message, with_retraining(text(**settings)) if settings != {"noise": 1} else text(**settings))


def test_a_plan_of_another_sweep_or_of_other_seeds_is_refused():
    written = with_retraining(text(floor_seeds=1))
    message = r"retrain: is not the plan of .*floor_seeds = {} and sweep.values = \[0.1, 0.{}, 0.9\].*or removes it"
    refused(message.format(1, "5, 0.6"), written.replace("- 0.7\n", "- 0.6\n"))
    refused(message.format(2, "5, 0.7"), written.replace("floor_seeds: 1", "floor_seeds: 2"))
    refused(message.format(0, "5, 0.7"), written.replace("floor_seeds: 1", "floor_seeds: 0"))
    refused(message.format(1, "5, 0.7"), written.replace("{value: '0.7'", "{value: '0.9'"))


@pytest.mark.parametrize("settings", [{"noise": 1}, {"floor_seeds": 1}])
def test_a_harvest_from_disk_is_not_trained_again(settings):
    ((field, count),) = settings.items()
    message = rf"validate.{field} = {count} with network = null: nothing is trained; set it to 0"
    refused(message, with_retraining(text("harvest", **settings)))


def test_names_that_the_plan_lacks_are_refused():
    config = parse_config(with_retraining(text(noise=1)), "params.yaml")
    with pytest.raises(ConfigurationError, match=r"'0.5' is not one of retrain.networks = \['0.5_seed1'\]"):
        config.retrain.of("0.5")
