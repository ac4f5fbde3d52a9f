"""Finding a network family: the built-in ones by name, any other by its import path `package.module:Class`."""

from importlib import import_module
from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.atomic import write_json
from pipeline.bundles import read_json
from pipeline.config import Config, explain
from pipeline.errors import BundleError, ConfigurationError
from pipeline.networks.base import Network, NetworkFamily

BUILT_IN = {
    "digits_vae": "pipeline.networks.digits_vae:DigitsVAE",
    "quantile_forecaster": "pipeline.networks.quantile_forecaster:QuantileForecaster",
    "semicircles": "pipeline.networks.semicircles:Semicircles",
    "two_moons_diffusion": "pipeline.networks.two_moons_diffusion:TwoMoonsDiffusion",
}
FAMILY_FILE = "family.json"
METHODS = ("check_hyperparameter", "ingest", "schema", "train", "conditions", "load")


def family_class(name: str) -> type[NetworkFamily]:
    """The class of a family; ConfigurationError where it cannot be imported or lacks a part of the protocol."""
    path = BUILT_IN.get(name, name)
    module_name, _, class_name = path.partition(":")
    if not (module_name and class_name) or module_name.startswith("."):
        raise ConfigurationError(
            f"network = {name!r} is no family; known are {sorted(BUILT_IN)}, and import paths package.module:Class"
        )
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigurationError(f"network = {name!r}: {module_name} cannot be imported ({error})") from error
    family = getattr(module, class_name, None)
    if not isinstance(family, type):
        raise ConfigurationError(f"network = {name!r}: {module_name} holds no class {class_name}")
    if missing := [m for m in METHODS if not callable(getattr(family, m, None))]:
        raise ConfigurationError(f"network = {name!r}: {class_name} lacks {', '.join(m + '()' for m in missing)}")
    settings = getattr(family, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise ConfigurationError(f"network = {name!r}: {class_name} lacks Settings, a Pydantic model of its settings")
    return family


def make_family(config: Config) -> NetworkFamily:
    """The family of a sweep with its settings, the `train` section; ConfigurationError names what does not fit."""
    if config.network is None:
        raise ConfigurationError("network is null: this sweep takes a harvest from disk, and trains nothing")
    family = family_class(config.network)
    try:
        settings = family.Settings.model_validate(config.train.family_settings)
    except ValidationError as error:
        raise ConfigurationError(explain(error, f"train (settings of {config.network})", "train.")) from error
    return family(settings)


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
