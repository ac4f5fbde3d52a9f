import json
import subprocess
import sys
from collections import OrderedDict

import pytest

from pipeline.errors import ConfigurationError
from pipeline.families import imports
from pipeline.families.imports import check_watched, checksums, import_object, is_foreign
from tests.paths import CHECKOUT


@pytest.fixture
def package(tmp_path, monkeypatch):
    """own_code/: a package with a module in a package below it, and a folder that is none."""
    for name in ("own_code/__init__.py", "own_code/deep/__init__.py", "own_code/deep/nets.py", "own_folder/nets.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def build(value):\n    return value\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "own_code"
    for name in [name for name in sys.modules if name.partition(".")[0] in ("own_code", "own_folder")]:
        del sys.modules[name]


def test_object_of_a_package_below_a_package(package):
    assert import_object("own_code.deep.nets:build", "train.build")(3) == 3


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("own_code", r"train.build = 'own_code' is not an import path; write package.module:name"),
        ("own_code.deep:", "is not an import path"),
        (".deep:build", "is not an import path"),
        (
            "own_code.gone:build",
            r"own_code.gone cannot be imported \(No module named 'own_code.gone'\); it has to be imp",
        ),
        ("own_code.deep:gone", "own_code.deep holds no gone"),
    ],
)
def test_what_is_not_there_is_named(package, path, message):
    with pytest.raises(ConfigurationError, match=message):
        import_object(path, "train.build")


def test_foreign_is_what_neither_this_package_nor_a_distribution_holds(package):
    for path in ("pipeline.families.semicircles.family:Semicircles", "numpy:array", "json:loads"):
        import_object(path, "network")
        assert not is_foreign(path)
    import_object("own_code.deep.nets:build", "network")
    assert is_foreign("own_code.deep.nets:build")


def test_watched_code_lies_in_the_source(package):
    path = "own_code.deep.nets:build"
    import_object(path, "network")
    for source in (package, package / "deep", package / "deep" / "nets.py", package.parent):
        check_watched(path, source, "network")
    with pytest.raises(ConfigurationError, match=r"nets.py, outside ingest.source = .*__init__.py, so that DVC would"):
        check_watched(path, package / "__init__.py", "network")


def test_object_that_comes_from_elsewhere_is_watched_there(package):
    (package / "__init__.py").write_text("from own_code.deep.nets import build\n")
    import_object("own_code:build", "network")
    check_watched("own_code:build", package, "network")
    with pytest.raises(ConfigurationError, match=r"its code is .*nets.py, outside ingest.source = .*__init__.py"):
        check_watched("own_code:build", package / "__init__.py", "network")


def test_folder_that_is_no_package_is_refused(package):
    import_object("own_folder.nets:build", "network")
    with pytest.raises(ConfigurationError, match=r"the folder own_folder has no __init__.py.*; add an empty one"):
        check_watched("own_folder.nets:build", package.parent / "own_folder", "network")


def test_checksums_change_with_the_code_and_not_with_its_bytecode(package):
    before = checksums(package, "*.py")
    assert set(before) == {"__init__.py", "deep/__init__.py", "deep/nets.py"}
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "nets.py").touch()
    (package / "data.csv").touch()
    assert checksums(package, "*.py") == before
    assert set(checksums(package)) == set(before) | {"data.csv"}
    (package / "deep" / "nets.py").write_text("")
    changed = checksums(package, "*.py")
    assert [name for name in before if changed[name] != before[name]] == ["deep/nets.py"]
    assert set(checksums(package / "__init__.py")) == {"__init__.py"}
    assert checksums(package / "data.csv", "*.py") == {}


def test_process_that_started_elsewhere_finds_the_root(package, tmp_path_factory):
    script = f"""
import os, sys
sys.path = [path for path in sys.path if path not in ("", os.getcwd())] + [{str(CHECKOUT)!r}]
os.chdir({str(package.parent)!r})
from pipeline.families.imports import import_object
assert import_object("own_code.deep.nets:build", "network")(2) == 2
"""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run([sys.executable, "-c", script], cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_copy_resolves_import_paths_to_the_copied_modules(monkeypatch):
    monkeypatch.setattr(imports, "RENAMED", {"trained": "json", "pipeline": "collections"})
    assert import_object("trained.decoder:JSONDecoder", "network") is json.JSONDecoder
    assert imports.import_path(json.JSONDecoder) == "trained.decoder:JSONDecoder"
    assert imports.import_path(OrderedDict) == "pipeline:OrderedDict"
