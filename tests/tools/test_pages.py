"""Pages that are written from the source say what the source says."""

import pytest

import pipeline
from pipeline.surrogate import choice, cross_validation, model
from pipeline.transport import components
from tools import architecture, import_graph, reference

REMEDY = "out of date: make docs"


def test_architecture_has_the_rooms_as_they_are():
    text = architecture.PAGE.read_text(encoding="utf-8")
    assert text == architecture.page(text), REMEDY


def test_reference_has_the_signatures_as_they_are():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.reference(), REMEDY


def test_reference_has_every_public_name():
    assert set(reference.ORDER) == set(pipeline.__all__)


def test_the_picture_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(architecture, "PICTURE", tmp_path / "picture.png")
    architecture.draw()
    assert (tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.parametrize("room", import_graph.LAYERS)
def test_levels_put_what_is_imported_higher(room):
    arrows = architecture.direct()
    depth = architecture.levels(arrows)
    assert all(depth[other] < depth[room] for other in arrows[room] if room not in architecture.BASE)


def test_how_to_choose_states_the_constants_in_force():
    text = " ".join((import_graph.ROOT / "docs" / "choosing.md").read_text(encoding="utf-8").split())
    assert f"saves more than {choice.GAIN:.0%} of its error".replace("%", " %") in text
    assert f"at most {choice.ENOUGH} times what fresh draws" in text
    assert f"fewer than {2 * cross_validation.FEWEST_ROWS} conditions" in text
    assert f"fewer than {cross_validation.FEWEST_DRAWS} draws of any condition" in text
    assert f"more than {components.MOST_CURVED} outputs" in text
    assert f"{components.MOST} at most" in text
    assert f"{components.SHARE:.0%} of the variance".replace("%", " %") in text
    assert f"{choice.WEIGHT_BY_ROOT_DIMENSION} √D" in text


def test_concepts_state_the_constants_in_force():
    text = " ".join((import_graph.ROOT / "docs" / "concepts.md").read_text(encoding="utf-8").split())
    assert f"more than one standard error and {choice.GAIN:.0%}".replace("%", " %") in text
    assert f"up to {model.FEW:,} points" in text


def test_how_to_choose_has_every_sweep():
    text = (import_graph.ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
    assert {f"| `{path.stem}` |" in text for path in (import_graph.ROOT / "sweeps").glob("*.yaml")} == {True}
