"""Discovery of what the modules of a folder register: a new file is all that an addition takes."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

from pipeline.errors import ConfigurationError

Entry = TypeVar("Entry")


def registered(package: ModuleType, attribute: str, kind: type[Entry]) -> list[Entry]:
    """The object called `attribute` of every module of a package that has one, in the order of the modules' names.

    A module that registers several has a tuple of them, called by the plural: METHODS where one is a METHOD. Raises
    ConfigurationError where an object is not of the kind.
    """
    entries = []
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        module = importlib.import_module(f"{package.__name__}.{name}")
        one, several = getattr(module, attribute, None), getattr(module, f"{attribute}S", ())
        for where, entry in ((attribute, one), *((f"{attribute}S", entry) for entry in several)):
            if isinstance(entry, kind):
                entries.append(entry)
            elif entry is not None:
                raise ConfigurationError(f"{where} of {module.__name__} must be a {kind.__name__}, not {entry!r}")
    return entries
