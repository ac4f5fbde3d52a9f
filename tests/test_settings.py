"""Every setting has limits: the models are walked, so that a field without them is found on the day it is written."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from flows.parameters import SweepRun
from pipeline.errors import ConfigurationError
from pipeline.families.catalog import BUILT_IN, family_class, make_family
from pipeline.settings import MOST_SHOWN, Section
from pipeline.stages.params import Config, parse_config
from pipeline.surrogate.config import SurrogateConfig
from tests.sweeps import SWEEPS, sweep_config, sweep_text

MODELS: dict[str, type[BaseModel]] = {
    "params.yaml": Config,
    "surrogate": SurrogateConfig,
    "flow": SweepRun,
    **{name: family_class(name).Settings for name in BUILT_IN},
}


def walk(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of a JSON schema, with its path."""
    if isinstance(schema, dict):
        yield path, schema
        for key, inner in schema.items():
            yield from walk(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from walk(inner, f"{path}/{number}")


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_whole_number_has_an_upper_bound(model):
    numbers = [(path, node) for path, node in walk(model.model_json_schema(), "") if node.get("type") == "integer"]
    assert not [path for path, node in numbers if not {"maximum", "exclusiveMaximum", "const", "enum"} & set(node)]


def models_in(kind: Any, seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """A model, and all models that its fields are made of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        for field in kind.model_fields.values():
            models_in(field.annotation, seen)
    for inner in getattr(kind, "__args__", ()):
        models_in(inner, seen)
    return seen


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_number_is_finite(model):
    def has_floats(found: type[BaseModel]) -> bool:
        return any("float" in str(field.annotation) or "Value" in str(field.annotation)
                   for field in found.model_fields.values())  # fmt: skip

    free = [m for m in models_in(model, set()) if m.model_config.get("allow_inf_nan") is not False]
    assert not [m for m in free if has_floats(m)]


def test_a_new_field_without_bound_is_found():
    class Free(Section):
        size: int = 1

    with pytest.raises(AssertionError):
        test_every_whole_number_has_an_upper_bound(Free)


SIZES = [
    ("harvest", "fit_conditions"),
    ("harvest", "draws"),
    ("validate", "redraws"),
    ("fit", "path_steps"),
    ("fit", "batch_size"),
    ("fit", "density_samples"),
    ("fit", "components"),
]


@pytest.mark.parametrize("given", [10**59, 2**63, -1, float("inf"), "yes"])
@pytest.mark.parametrize(("section", "key"), SIZES)
def test_size_beyond_sense_is_refused(section, key, given):
    content = SWEEPS["quantile_forecaster"][section] | {key: given}
    with pytest.raises(ConfigurationError, match=rf"{section}\.{key}") as caught:
        sweep_config("quantile_forecaster", **{section: content})
    assert len(str(caught.value)) <= MOST_SHOWN + 100


@pytest.mark.parametrize("name", [name for name in BUILT_IN if family_class(name).Settings.model_fields])
def test_size_beyond_sense_is_refused_by_every_family(name):
    schema = family_class(name).Settings.model_json_schema()["properties"]
    for key in [key for key, node in schema.items() if node.get("type") == "integer"]:
        with pytest.raises(ConfigurationError, match=rf"train\.{key}: .*less than or equal to"):
            make_family(name, {key: 10**59})


@pytest.mark.parametrize("width", [0, 10**9, True])
def test_width_of_a_layer_has_limits(width):
    wrong = {"hidden": [width]} if width is not True else {"hidden": [8] * 65}
    with pytest.raises(ConfigurationError, match=r"train\.hidden"):
        make_family("quantile_forecaster", wrong)


@pytest.mark.parametrize("word", ["yes", "on", "'true'", "1"])
def test_switch_is_true_or_false_as_dvc_reads_it(word):
    text = sweep_text(validate={"redraws": 1, "conditioned": "WORD"}).replace("WORD", word)
    with pytest.raises(ConfigurationError, match=r"validate\.conditioned: .*valid boolean \(received ['1]"):
        parse_config(text, "params.yaml")


@pytest.mark.parametrize("value", ["0.5", True])
def test_value_is_a_number_and_no_text_of_one(value):
    with pytest.raises(ConfigurationError, match=r"sweep\.values\.1: .*a λ is a number, without quotes"):
        sweep_config(sweep={"values": [0.1, value, 0.9], "anchors": [0.1, 0.9]})


def test_sweep_of_too_many_values_is_refused():
    values = [n / 2000 for n in range(1, 1500)]
    with pytest.raises(ConfigurationError, match=r"sweep\.values: .*at most 1000 items"):
        sweep_config(sweep={"values": values, "anchors": [values[0], values[-1]]})


def test_grid_of_too_many_combinations_is_refused_before_it_is_written_out():
    grid = {name: list(range(1000)) for name in ("a", "b", "c", "d")}
    with pytest.raises(ConfigurationError, match=r"sweep\.grid has 1,000,000,000,000 combinations"):
        sweep_config(sweep={"grid": grid, "held_out": []})


def test_message_of_many_faults_is_short_and_counts_the_rest():
    with pytest.raises(ConfigurationError) as caught:
        sweep_config(**{f"typo{n}": "x" * 500 for n in range(500)})
    assert len(str(caught.value)) <= MOST_SHOWN + 100
    assert "500 validation errors" in str(caught.value)
    assert str(caught.value).endswith("more")
