"""dvc.lock: what DVC knows of every stage's inputs and outputs, read and written under DVC's own lock.

DVC writes it in place. A kill in the middle leaves a torn file, with which DVC does not start any more; without it, DVC
restores all outputs from its cache of runs, and writes it anew.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.dvc_repo.rwlock import is_torn
from pipeline.storage.atomic import atomic_file

LOCK = "dvc.lock"
Entry = dict[str, Any]
"""A stage's entry: its command, and the digests of what it read (`deps`, `params`) and wrote (`outs`)."""

ASIDE = Path(".dvc") / "tmp" / "dvc.lock.torn"


def recover_lock(root: Path) -> bool:
    """Put dvc.lock aside where it is torn, and no DVC command runs in the checkout; whether it was.

    Raises TornLockError where a DVC command runs: it may be in the middle of writing.
    """
    path = root / LOCK
    if not is_torn(path, _is_whole, root):
        return False
    (root / ASIDE).parent.mkdir(parents=True, exist_ok=True)
    path.replace(root / ASIDE)
    return True


def _is_whole(path: Path) -> bool:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLError, load_yaml
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(load_yaml(str(path)))
    except FileNotFoundError:
        return True
    except (YAMLError, Invalid, UnicodeDecodeError):
        return False
    return True


def read_entries(root: Path, addresses: Collection[str]) -> dict[str, Entry]:
    """The entries of these stages, by their addresses; those that dvc.lock does not have are left out."""
    with _locked(root):
        stages = _read(root)["stages"]
    return {address: stages[address] for address in addresses if address in stages}


def write_entries(root: Path, entries: Mapping[str, Entry]) -> None:
    """Put these entries in the place of those that dvc.lock has; all others stay."""
    with _locked(root):
        document = _read(root)
        document["stages"] |= entries
        with atomic_file(root / LOCK) as path, path.open("w", encoding="utf-8") as file:
            _yaml().dump(document, file)


def _read(root: Path) -> dict[str, Any]:
    path = root / LOCK
    empty = {"schema": "2.0", "stages": {}}
    return empty | (_yaml().load(path.read_text(encoding="utf-8")) or {}) if path.exists() else empty


def _yaml() -> Any:
    """As DVC writes the file, byte for byte, but compiled: without comments, of which there are none."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.add_representer(OrderedDict, type(yaml.representer).represent_dict)
    return yaml


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    from dvc.repo import Repo, lock_repo

    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
        yield
