"""The section `sweep` for several hyperparameters."""

import pytest
import yaml
from pydantic import ValidationError

from pipeline.errors import ConfigurationError
from pipeline.stages.sweep import SweepSection, expanded, resolved

CORNERS = ["quantile=0.1,noise=0", "quantile=0.1,noise=1", "quantile=0.9,noise=0", "quantile=0.9,noise=1"]
GRID = {"quantile": [0.1, 0.9], "noise": [0, 1]}


def test_every_combination_of_a_grid_is_a_value():
    assert expanded({"grid": GRID}) == {"values": CORNERS, "anchors": CORNERS}


def test_held_out_values_join_the_anchors():
    inner = {"quantile": 0.3, "noise": 0.25}
    found = expanded({"anchors": GRID, "held_out": [inner]})
    assert found == {"values": [*CORNERS, "quantile=0.3,noise=0.25"], "anchors": CORNERS}


def test_anchors_may_be_a_part_of_the_grid():
    grid = {"quantile": [0.1, 0.5, 0.9], "noise": [0, 1]}
    section = SweepSection.model_validate({"grid": grid, "anchors": GRID})
    assert section.names == ("quantile", "noise")
    assert section.anchors == ((0.1, 0.0), (0.1, 1.0), (0.9, 0.0), (0.9, 1.0))
    assert section.held_out == ((0.5, 0.0), (0.5, 1.0))


def test_mappings_texts_and_grids_mean_the_same():
    mappings = [{"quantile": q, "noise": s} for q in (0.1, 0.9) for s in (0, 1)]
    sections = [{"grid": GRID}, {"values": mappings, "anchors": mappings}, {"values": CORNERS, "anchors": GRID}]
    assert len({SweepSection.model_validate(s).model_dump_json() for s in sections}) == 1


def test_what_a_section_dumps_reads_back():
    section = SweepSection.model_validate({"grid": GRID})
    assert section.model_dump() == {"values": CORNERS, "anchors": CORNERS}
    assert SweepSection.model_validate(section.model_dump()) == section


def test_a_value_is_found_whatever_the_order_of_its_names():
    section = SweepSection.model_validate({"grid": GRID})
    assert section.value_of("noise=1.0,quantile=0.10") == (0.1, 1.0)
    assert section.hyperparameter_of(CORNERS[1]) == {"quantile": 0.1, "noise": 1.0}
    with pytest.raises(ConfigurationError, match=r"'0\.1' is not one of sweep.values"):
        section.value_of("0.1")


def test_scattered_anchors_bound_their_triangle():
    corners = ["a=0,b=0", "a=1,b=0", "a=0,b=1"]
    assert SweepSection.model_validate({"anchors": corners, "held_out": ["a=0.4,b=0.4"]}).held_out == ((0.4, 0.4),)
    with pytest.raises(ValidationError, match=r"held-out \['a=0.6,b=0.6'\] lie outside the anchors' hull"):
        SweepSection.model_validate({"anchors": corners, "held_out": ["a=0.6,b=0.6"]})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"grid": GRID, "held_out": [{"quantile": 0.95, "noise": 0}]}, "lie outside the anchors' hull"),
        ({"grid": GRID, "anchors": GRID, "held_out": [CORNERS[0]]}, "are anchors; a value is one or the other"),
        ({"grid": {"quantile": [0.1, 0.9]}}, "has one hyperparameter; list its values as plain numbers"),
        ({"grid": {"quantile": [], "noise": [0]}}, r"sweep.grid.quantile = \[\]: give a list of numbers"),
        ({"grid": {"quantile": [0.1, "x"], "noise": [0]}}, r"sweep.grid.quantile: 'x' is not a finite number"),
        ({"grid": {"a quantile": [0.1, 0.9], "noise": [0, 1]}}, "'a quantile' is part of stages' names"),
        ({"grid": GRID, "step": 1}, "sweep.step: unknown key"),
        ({"values": [*CORNERS, 0.5], "anchors": GRID}, "sweep.values: 0.5 names no hyperparameter"),
        ({"values": [*CORNERS, "noise=0.5,quantile=0.5"], "anchors": GRID}, "does not name quantile, noise, in this"),
        ({"values": CORNERS[:3], "anchors": CORNERS[:2]}, "at least 3 anchors are required for 2 hyperparameters"),
        ({"anchors": ["a=0,b=0", "a=1,b=1", "a=2,b=2"]}, "they span no volume"),
        ({"grid": GRID, "names": ["a", "b"]}, "sweep.names: unknown key"),
    ],
)
def test_sections_that_do_not_fit_are_refused(section, message):
    with pytest.raises(ValidationError, match=message):
        SweepSection.model_validate(section)


def test_resolved_text_keeps_what_stands_around_the_section():
    text = "# heading\nname: x\nsweep:\n  grid: {quantile: [0.1, 0.9], noise: [0, 1]}   # four\n\n# raw\nraw: {}\n"
    found = resolved(text)
    assert yaml.safe_load(found) == {"name": "x", "sweep": {"values": CORNERS, "anchors": CORNERS}, "raw": {}}
    assert found.startswith("# heading\nname: x\nsweep:")
    assert found.endswith("\n\n# raw\nraw: {}\n")
    assert resolved(found) == found


@pytest.mark.parametrize("text", ["name: x\n", "[1, 2]\n", "sweep: {values: [0.1, 0.9], anchors: [0.1, 0.9]}\n", ""])
def test_texts_without_names_stay(text):
    assert resolved(text) == text
