"""An export as a folder that needs nothing else: graphs, the code that reads them, and what that requires."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.export.write import write_export
from pipeline.families.torch_family import ModuleNetwork
from pipeline.registry.package import PACKAGE, READER_REQUIREMENTS, foreign_modules, locate, needed, pinned
from pipeline.registry.served_code import copy_code
from pipeline.storage.atomic import atomic_folder, write_text

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

READER = "surrogate_reader.py"
FOLDER, CODE, REQUIRED = "export", "code", "requirements.txt"
SOURCE = '''"""This folder's surrogate: `load().sample(conditions, 0.3, draws=10)`. Needs requirements.txt alone."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE / "{code}"))

from {package}.export.reader import ExportedSurrogate  # noqa: E402


def load() -> ExportedSurrogate:
    """The surrogate; `sample`, `trusted`, `distance` and `answering` are its methods."""
    return ExportedSurrogate.load(HERE / "{folder}")
'''


def write_reader(surrogate: "Surrogate", path: Path) -> None:
    """Write the folder `path` atomically: the export, the reader's code, its requirements, and `surrogate_reader.py`.

    Raises ConfigurationError where the surrogate cannot be exported, RegistryError where a network's code is not found.
    """
    own = [network for network in surrogate.networks or () if not isinstance(network, ModuleNetwork)]
    code, packages = locate(foreign_modules(name for network in own for name in needed(network)))
    with atomic_folder(path, replaces=READER) as folder:
        write_export(surrogate, folder / FOLDER)
        names = copy_code(PACKAGE, code, folder / CODE)
        lines = [pinned(name) for name in sorted({*READER_REQUIREMENTS, *packages}, key=str.lower)]
        write_text(folder / REQUIRED, "\n".join(lines) + "\n")
        write_text(folder / READER, SOURCE.format(code=CODE, folder=FOLDER, package=names[PACKAGE.name]))
