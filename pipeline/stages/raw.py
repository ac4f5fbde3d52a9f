"""Stage raw: a file that the package vega_datasets ships becomes a file of data/raw/, where DVC can watch it."""

import logging
import shutil
from importlib.resources import files
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.storage.atomic import atomic_file

RAW = Path("data/raw")

logger = logging.getLogger(__name__)


def bundled_file(name: str) -> Path:
    """Where the installed package keeps a file; ConfigurationError lists the available ones, or what to install."""
    try:
        folder = Path(str(files("vega_datasets") / "_data"))
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"raw.bundled: {error}; install it: pip install 'sweep-to-surrogate[examples]', or set raw.bundled: [] and "
            "a series of your own"
        ) from error
    if Path(name).name != name or not (folder / name).is_file():
        known = sorted(path.name for path in folder.glob("*.csv"))
        raise ConfigurationError(f"raw.bundled: vega_datasets ships no file {name!r}; its CSV files are {known}")
    return folder / name


def run(file: str, root: Path = Path()) -> None:
    """Copy one file to data/raw/."""
    target = root / RAW / file
    source = bundled_file(file)
    with atomic_file(target) as temporary:
        shutil.copyfile(source, temporary)
    logger.info("raw: %s, %d bytes", target, target.stat().st_size)
