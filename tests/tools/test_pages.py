"""Pages that are written from the source say what the source says."""

import pytest

import pipeline
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
