"""Stage ingest: the source becomes arrays that networks train on, or a checked copy of a harvest from disk."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.families.catalog import check_code, make_family
from pipeline.families.imports import checksums
from pipeline.storage.atomic import atomic_folder, write_json

CODE_FILE = "code.json"

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)


def run(config: "Config", root: Path = Path()) -> None:
    """Read ingest.source and write data/NAME/data; DataError where the source cannot be used.

    Where the family is the user's own, code.json holds the checksums of its code, so that training and harvest, which
    depend on the data, depend on that code, too.
    """
    source = root / config.ingest.source
    target = root / config.folder / "data"
    if config.network is None:
        harvest = Harvest.load(source)
        harvest.save(target)
        logger.info("ingest: harvest of %d values from %s", len(harvest.hyperparameter), source)
        return
    family = make_family(config.network, config.train.family_settings)
    foreign = check_code(config.network, source)
    data = family.ingest(source, config.ingest)
    with atomic_folder(target) as folder:
        data.save(folder)
        if foreign:
            write_json(folder / CODE_FILE, checksums(source, "*.py"))
    shapes = ", ".join(f"{name} {array.shape}" for name, array in data.arrays.items()) or "nothing to keep"
    logger.info("ingest: %s from %s", shapes, source)
