"""A network of all λ on disk, with what its training cost; or a folder that says that there is none.

`conditioned.json` (metrics, wall seconds, SHA-256 of the files) and network/. Without a network there is only
conditioned.json.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.data.conditioned import ConditionedNetwork
from pipeline.data.network import save_network
from pipeline.errors import BundleError
from pipeline.families.catalog import load_conditioned
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.files import check_files, file_checksums, read_json

INDEX_FILE = "conditioned.json"
WHAT = "network of all λ"


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A trained network of all λ, the metrics of its training, and the wall seconds that this took."""

    network: ConditionedNetwork
    metrics: dict[str, float]
    seconds: float


def save_conditioned(found: Conditioned | None, path: Path) -> None:
    """Write the folder `path` atomically, replacing what was there."""
    with atomic_folder(path, replaces=INDEX_FILE) as folder:
        if found is None:
            write_json(folder / INDEX_FILE, {"training": None})
            return
        save_network(found.network, folder / "network")
        training = {"metrics": found.metrics, "seconds": found.seconds}
        write_json(folder / INDEX_FILE, {"training": training, "files": file_checksums(folder)})


def read_conditioned(folder: Path) -> Conditioned | None:
    """Read back what `save_conditioned` wrote; BundleError where files are missing or corrupted."""
    document = read_json(folder / INDEX_FILE, WHAT)
    try:
        if (training := document["training"]) is None:
            return None
        metrics = {str(name): float(value) for name, value in training["metrics"].items()}
        seconds, checksums = float(training["seconds"]), dict(document["files"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / INDEX_FILE} is corrupted ({error!r}); run stage conditioned again") from error
    check_files(folder, checksums, WHAT)
    return Conditioned(load_conditioned(folder / "network"), metrics, seconds)
