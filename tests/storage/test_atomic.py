import json

import pytest

from pipeline.storage.atomic import atomic_file, atomic_folder, write_json, write_text


def write_half(path):
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("no power")


def fill_half(path):
    with atomic_folder(path) as temporary:
        (temporary / "half").touch()
        raise RuntimeError("no power")


def test_file_appears_when_all_went_well(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_file(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
        assert temporary.name.endswith(".partial")
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_file_stays_as_it_was_when_writing_fails(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="power"):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "folder"
    for name in ("first", "second"):
        with atomic_folder(path) as temporary:
            (temporary / name).touch()
    assert [p.name for p in path.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [path]


def test_folder_stays_as_it_was_when_writing_fails(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(RuntimeError, match="power"):
        fill_half(path)
    assert [p.name for p in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_folder_comes_back_when_its_replacement_cannot_be_moved(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(FileNotFoundError), atomic_folder(path) as temporary:
        temporary.rmdir()
    assert [p.name for p in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_folder_does_not_replace_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("kept")
    with pytest.raises(NotADirectoryError), atomic_folder(path):
        pass
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_readable_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"units": "°F", "x": [1.5]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"units": "°F", "x": [1.5]}
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", float("nan"))
    assert "1.5" in (tmp_path / "a.json").read_text()


def test_text_keeps_its_characters(tmp_path):
    write_text(tmp_path / "a.txt", "λ\n")
    assert (tmp_path / "a.txt").read_bytes() == "λ\n".encode()
