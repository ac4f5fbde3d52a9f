"""Finding a network family: the built-in ones by name, any other by its import path `package.module:Class`."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.data.network import Network
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.imports import check_watched, import_object, is_foreign
from pipeline.families.protocol import NetworkFamily
from pipeline.settings import explain
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json

BUILT_IN = {
    "cancer_therapy": "pipeline.families.policies.cancer_therapy:CancerTherapy",
    "checkpoints": "pipeline.families.checkpoints.family:Checkpoints",
    "digits_vae": "pipeline.families.digits_vae.family:DigitsVAE",
    "quantile_forecaster": "pipeline.families.quantile_forecaster.family:QuantileForecaster",
    "reacher": "pipeline.families.policies.reacher:Reacher",
    "robust_classifier": "pipeline.families.robust_classifier.family:RobustClassifier",
    "semicircles": "pipeline.families.semicircles.family:Semicircles",
    "two_moons_diffusion": "pipeline.families.two_moons_diffusion.family:TwoMoonsDiffusion",
}
FAMILY_FILE = "family.json"
METHODS = ("check_hyperparameter", "ingest", "schema", "train", "conditions", "load")


def family_class(name: str) -> type[NetworkFamily]:
    """The class of a family; ConfigurationError where it cannot be imported or lacks a part of the protocol."""
    if name not in BUILT_IN and ":" not in name:
        raise ConfigurationError(
            f"network = {name!r} is no family; known are {sorted(BUILT_IN)}, and import paths package.module:Class"
        )
    family = import_object(BUILT_IN.get(name, name), "network")
    if not isinstance(family, type):
        raise ConfigurationError(f"network = {name!r} is no class, but {family!r}; name the class of a family")
    if missing := _missing(family):
        raise ConfigurationError(
            f"network = {name!r}: {family.__name__} lacks {', '.join(f'{m}()' for m in missing)}; write what is "
            "missing, or derive the class from pipeline.families.torch_family.Family, which brings some of it"
        )
    settings = getattr(family, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise ConfigurationError(
            f"network = {name!r}: {family.__name__} lacks Settings, a Pydantic model of its settings"
        )
    return family


def _missing(family: type) -> list[str]:
    """Methods that a class lacks: absent, abstract still, or those of the protocol itself, which do nothing."""
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
    """Whether the family is the user's own code; ConfigurationError where DVC would not notice a change to that."""
    if network is None or network in BUILT_IN or not is_foreign(network):
        return False
    check_watched(network, source, "network")
    return True


def save_network(network: Network, folder: Path) -> None:
    """Write a network and the name of its family into `folder`, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FAMILY_FILE, {"family": network.family})
    network.save(folder)


def load_network(folder: Path) -> Network:
    """Read what `save_network` wrote; BundleError where files are missing or corrupted."""
    document = read_json(folder / FAMILY_FILE, "network")
    if not (isinstance(document, dict) and isinstance(document.get("family"), str)):
        raise BundleError(f"{folder / FAMILY_FILE} is corrupted: it names no family")
    try:
        family = family_class(document["family"])
    except ConfigurationError as error:  # nobody configured this
        raise BundleError(f"{folder / FAMILY_FILE} is corrupted, or its family is not installed: {error}") from error
    return family.load(folder)
