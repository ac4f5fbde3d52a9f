"""Finding a network family: the built-in ones by name, any other by its import path `package.module:Class`."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from pipeline.data.network import FAMILY_FILE, Network
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.imports import check_watched, import_object, is_foreign
from pipeline.families.protocol import NetworkFamily
from pipeline.settings import explain
from pipeline.storage.files import read_json

if TYPE_CHECKING:
    from pipeline.data.conditioned import ConditionedNetwork

FOLDER = Path(__file__).parent
BUILT_IN = tuple(sorted(path.parent.name for path in FOLDER.glob("*/family.py")))
"""Every folder here with a family.py is a family, whose class has the folder's name: digits_vae has DigitsVAE."""
NOTHING = ("pipeline/stages/__init__.py", "pipeline/families/__init__.py")
"""What DVC watches for a sweep without a family of this package: two files without code."""
METHODS = ("check_hyperparameter", "ingest", "schema", "train", "conditions", "load")


def family_class(name: str) -> type[NetworkFamily]:
    """The class of a family; ConfigurationError where it cannot be imported or lacks a part of the protocol."""
    name = current_name(name)
    if name not in BUILT_IN and ":" not in name:
        raise ConfigurationError(
            f"network = {name!r} is not a family; known are {list(BUILT_IN)}, and import paths package.module:Class"
        )
    family = _built_in(name) if name in BUILT_IN else import_object(name, "network")
    if not isinstance(family, type):
        raise ConfigurationError(f"network = {name!r} is not a class but {family!r}; name the class of a family")
    if missing := _missing(family):
        raise ConfigurationError(
            f"network = {name!r}: {family.__name__} lacks {', '.join(f'{m}()' for m in missing)}; implement "
            "them, or derive the class from pipeline.families.torch_family.Family, which has some of them"
        )
    settings = getattr(family, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise ConfigurationError(
            f"network = {name!r}: {family.__name__} lacks Settings, a Pydantic model of its settings"
        )
    return family


def current_name(name: str) -> str:
    """The built-in name that an import path of this or an earlier version stands for; any other name as it is."""
    module, _, wanted = name.partition(":")
    if not module.startswith(("pipeline.networks.", "pipeline.families.")):
        return name
    return next((known for known in BUILT_IN if _same(known, wanted)), name)


def watched(network: str | None) -> tuple[str, str]:
    """The code of this package that DVC watches for a network: the family's folder, and its SHARED path.

    A user's family lies in ingest.source, which DVC watches anyway; a harvest from disk needs no family.
    """
    name = "" if network is None else current_name(network)
    if name not in BUILT_IN:
        return NOTHING
    shared = getattr(import_module(f"pipeline.families.{name}"), "SHARED", NOTHING[1])
    return f"pipeline/families/{name}", str(shared)


def _built_in(name: str) -> Any:
    module = import_module(f"pipeline.families.{name}.family")
    return next(value for key, value in vars(module).items() if _same(name, key) and isinstance(value, type))


def _same(name: str, class_name: str) -> bool:
    return name.replace("_", "") == class_name.lower()


def _missing(family: type) -> list[str]:
    """Methods that a class lacks: absent, still abstract, or inherited from the protocol, where they do nothing."""
    abstract = sorted(getattr(family, "__abstractmethods__", ()))
    absent = [
        m
        for m in METHODS
        if not callable(getattr(family, m, None))
        or inspect.getattr_static(family, m) is inspect.getattr_static(NetworkFamily, m)
    ]
    return absent + [m for m in abstract if m not in absent]


def make_family(network: str | None, settings: Mapping[str, Any]) -> NetworkFamily:
    """A family with its settings (the `train` section without its seed); ConfigurationError names invalid ones."""
    if network is None:
        raise ConfigurationError("network is null: this sweep takes a harvest from disk, and trains nothing")
    family = family_class(network)
    try:
        checked = family.Settings.model_validate(dict(settings))
    except ValidationError as error:
        raise ConfigurationError(explain(error, f"train (settings of {network})", "train.")) from error
    return family(checked)


def check_code(network: str | None, source: Path) -> bool:
    """Whether the family is the user's own code; ConfigurationError where DVC would not notice a change to it."""
    if network is None or current_name(network) in BUILT_IN or not is_foreign(network):
        return False
    check_watched(network, source, "network")
    return True


def load_network(folder: Path) -> Network:
    """Read what `save_network` wrote; BundleError where files are missing or corrupted."""
    return _saved_family(folder).load(folder)


def load_conditioned(folder: Path) -> "ConditionedNetwork":
    """Read what `save_network` wrote of a network of all λ; BundleError where it is missing, corrupted or no such."""
    family = _saved_family(folder)
    if not hasattr(family, "load_conditioned"):
        raise BundleError(f"{folder}: {family.__name__} has no networks of all λ; run stage conditioned again")
    loaded: ConditionedNetwork = family.load_conditioned(folder)
    return loaded


def _saved_family(folder: Path) -> type[NetworkFamily]:
    document = read_json(folder / FAMILY_FILE, "network")
    if not (isinstance(document, dict) and isinstance(document.get("family"), str)):
        raise BundleError(f"{folder / FAMILY_FILE} is corrupted: it names no family")
    try:
        return family_class(document["family"])
    except ConfigurationError as error:  # not an error of the configuration
        raise BundleError(f"{folder / FAMILY_FILE} is corrupted, or its family is not installed: {error}") from error
