"""The bundle behind a model's name: in MLflow, as models:/NAME@ALIAS, or a folder on disk."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BundleError, RegistryError
from pipeline.registry.champion import alias_version
from pipeline.storage.files import read_json
from pipeline.surrogate.store import DOCUMENT
from pipeline.tracking.models import fetch
from pipeline.tracking.store import SQLITE, URI_VARIABLE, Store, open_store

SCHEME = "models:/"
INSIDE = Path("artifacts") / "surrogate"
"""Where a model's folder has the bundle."""
EXAMPLE = "input_example.json"
"""MLflow's file of the input example: {"inputs": as pandas' `split`, "params": …}."""
_NAME = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")


@dataclass(frozen=True)
class Version:
    """A registered version: of which model, in which store."""

    store: Store
    model: str
    number: int


@dataclass(frozen=True)
class Found:
    """A bundle's folder, and the version whose it is; None where it was named by its folder."""

    folder: Path
    version: Version | None = None


@contextmanager
def find_bundle(model: str, root: Path = Path()) -> Iterator[Found]:
    """The bundle of models:/NAME@ALIAS, of models:/NAME/VERSION or in a folder, while the context lasts.

    The store is that of MLFLOW_TRACKING_URI, else that of the checkout at `root`. Raises RegistryError where it does
    not hold the version, BundleError where there is no bundle.
    """
    if not model.startswith(SCHEME):
        yield Found(_bundle_in(Path(model)))
        return
    version = _version(model, root)
    with tempfile.TemporaryDirectory() as scratch:
        folder = fetch(f"{SCHEME}{version.model}/{version.number}", Path(scratch), root)
        yield Found(_bundle_in(folder), version)


def example_conditions(found: Found, names: Sequence[str]) -> NDArray[np.float64] | None:
    """The conditions (n, C) that a registered model shows as its input example; None of a bundle in a folder.

    names: of the columns. Raises BundleError for an example that is not of these.
    """
    if found.version is None:
        return None
    path = found.folder.parents[len(INSIDE.parts) - 1] / EXAMPLE
    document = read_json(path, "model")
    try:
        document = document["inputs"]
        places = [document["columns"].index(name) for name in names]
        return np.array([[row[i] for i in places] for row in document["data"]], np.float64)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise BundleError(
            f"{path} is no table of the columns {list(names)} ({error}); register the model again"
        ) from error


def _bundle_in(folder: Path) -> Path:
    """The bundle that a folder is, or that lies in a model's folder."""
    found = next((path for path in (folder, folder / INSIDE) if (path / DOCUMENT).is_file()), None)
    if found is None:
        raise BundleError(
            f"{folder} holds no surrogate (no {DOCUMENT}); name models:/NAME@champion, models:/NAME/VERSION, or the "
            "folder of a bundle, as data/NAME/surrogate"
        )
    return found


def _version(model: str, root: Path) -> Version:
    asked = _NAME.fullmatch(model)
    if asked is None:
        raise RegistryError(f"{model!r} names no version; write models:/NAME@ALIAS or models:/NAME/VERSION")
    store, name = open_store(root), asked["name"]
    if store.uri.startswith(SQLITE) and not Path(store.uri.removeprefix(SQLITE).partition("?")[0]).exists():
        raise RegistryError(
            f"there is no MLflow store {store.uri}; run this in the checkout that registered {name!r}, or set "
            f"{URI_VARIABLE}"
        )
    if asked["version"] is not None:
        return Version(store, name, int(asked["version"]))
    number = alias_version(store.client(), name, asked["alias"])
    if number is None:
        raise RegistryError(f"{store.uri} has no model {name!r} with the alias {asked['alias']!r}; register one first")
    return Version(store, name, number)
