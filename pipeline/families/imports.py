"""Objects by their import path `package.module:name`, and whether DVC notices when their code changes."""

import hashlib
import json
import sys
import sysconfig
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigurationError

PACKAGE = Path(__file__).resolve().parents[1]
RENAMED_FILE = "renamed.json"
"""In the copy of this package that a model carries: the copied modules' names, by those that import paths have."""
RENAMED: dict[str, str] = (
    json.loads((PACKAGE / RENAMED_FILE).read_text(encoding="utf-8")) if (PACKAGE / RENAMED_FILE).exists() else {}
)


def import_object(path: str, field: str) -> Any:
    """The object that `package.module:name` names; ConfigurationError names the setting `field` where there is none."""
    module_name, _, name = path.partition(":")
    module_name = _with_top(module_name, RENAMED)
    if not (module_name and name) or module_name.startswith("."):
        raise ConfigurationError(f"{field} = {path!r} is not an import path; write package.module:name")
    # `python -m` in the repository's root finds what lies there; a Prefect worker, which starts elsewhere, would not.
    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.append(str(Path.cwd()))
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigurationError(
            f"{field} = {path!r}: {module_name} cannot be imported ({error}); it has to be importable from the "
            "repository's root, or by PYTHONPATH"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise ConfigurationError(f"{field} = {path!r}: {module_name} holds no {name}") from error


def import_path(kind: type) -> str:
    """`package.module:name` of a class, by the names of the code it was copied from, where it is a copy."""
    return f"{_with_top(kind.__module__, {new: old for old, new in RENAMED.items()})}:{kind.__qualname__}"


def _with_top(module: str, names: Mapping[str, str]) -> str:
    """A dotted name whose first part is replaced by that of `names`."""
    top, dot, rest = module.partition(".")
    return names.get(top, top) + dot + rest


def is_foreign(path: str) -> bool:
    """Whether an imported path leads to user code: not to this package, nor to an installed distribution."""
    return bool(_foreign_files(path))


def check_watched(path: str, source: Path, field: str) -> None:
    """Raise ConfigurationError where an imported path's code lies outside ingest.source: DVC would not see it change.

    dvc.yaml watches ingest.source and this package. An installed distribution changes with its version alone. A folder
    that is not a package is refused, too. Where a module re-exports the object, the module that defines it is checked
    as well.
    """
    files = _foreign_files(path)
    if not files:
        return
    top = path.partition(":")[0].partition(".")[0]
    if sys.modules[top].__file__ is None:
        raise ConfigurationError(
            f"{field} = {path!r}: the folder {top} has no __init__.py, so that a registered model could not "
            "include its code; add an empty one"
        )
    for file in files:
        if not file.is_relative_to(source.resolve()):
            raise ConfigurationError(
                f"{field} = {path!r}: its code is {file}, outside ingest.source = {source}, so that DVC would not "
                "notice a change to it; set ingest.source to that file, or to a folder that holds it and the data"
            )


def checksums(source: Path, pattern: str = "*") -> dict[str, str]:
    """SHA-256 of a file, or of a folder's files whose names match the pattern, by path; bytecode is left out."""
    if source.is_file():
        return {source.name: _sha256(source)} if source.match(pattern) else {}
    files = sorted(f for f in source.rglob(pattern) if f.is_file() and "__pycache__" not in f.parts)
    return {file.relative_to(source).as_posix(): _sha256(file) for file in files}


def _foreign_files(path: str) -> list[Path]:
    """Files of user code among two modules: the one that a path names, and the one that defines its object."""
    module, _, name = path.partition(":")
    written = getattr(getattr(sys.modules[module], name), "__module__", None)
    files = [
        Path(sys.modules[m].__file__ or "").resolve() for m in dict.fromkeys([module, written]) if m in sys.modules
    ]
    installed = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib", "stdlib")]
    return [f for f in files if not any(f.is_relative_to(folder) for folder in (PACKAGE, *installed))]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
