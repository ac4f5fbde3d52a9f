"""Stage fit: the surrogate of the anchors' samples."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)


def run(config: "Config", root: Path = Path()) -> None:
    """Fit on data/NAME/dataset/fit and write data/NAME/surrogate."""
    harvest = Harvest.load(root / config.folder / "dataset" / "fit")
    logger.info("fit: %s, anchors %s", config.fit.variant, harvest.hyperparameter.tolist())
    start = time.perf_counter()
    surrogate = Surrogate.fit(harvest, config.fit.surrogate(), seed=config.fit.seed, device=config.fit.device)
    surrogate.save(root / config.folder / "surrogate")
    logger.info(
        "fit: on %s, clock %s, digest %s (%.1f s)",
        surrogate.device,
        surrogate.clock,
        surrogate.digest[:12],
        time.perf_counter() - start,
    )
