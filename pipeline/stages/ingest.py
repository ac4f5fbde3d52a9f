"""Stage ingest: the source becomes arrays that networks train on, or a checked copy of a harvest that was handed in."""

import logging
from pathlib import Path

from pipeline.atomic import atomic_folder
from pipeline.config import Config
from pipeline.harvest import Harvest
from pipeline.networks.registry import make_family

logger = logging.getLogger(__name__)


def run(config: Config, root: Path = Path()) -> None:
    """Read ingest.source and write data/NAME/data; DataError where the source cannot be used."""
    source = root / config.ingest.source
    target = root / config.folder / "data"
    if config.network is None:
        harvest = Harvest.load(source)
        harvest.save(target)
        logger.info("ingest: harvest of %d values from %s", len(harvest.hyperparameter), source)
        return
    data = make_family(config).ingest(source, config.ingest)
    with atomic_folder(target) as folder:
        data.save(folder)
    shapes = ", ".join(f"{name} {array.shape}" for name, array in data.arrays.items()) or "nothing to keep"
    logger.info("ingest: %s from %s", shapes, source)
