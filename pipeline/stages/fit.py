"""Stage fit: the surrogate of the anchors' samples."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate
from pipeline.surrogate.choice import Candidate

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
    logger.info("fit: compared %s", compared(surrogate))
    logger.info(
        "fit: on %s, clock %s, digest %s (%.1f s)",
        surrogate.device,
        surrogate.clock,
        surrogate.digest[:12],
        time.perf_counter() - start,
    )


def compared(surrogate: Surrogate) -> str:
    """What variant and clock were chosen from, in one line, with the errors of left-out anchors where there are any."""

    def told(candidate: Candidate) -> str:
        error = "" if candidate.error is None else f" {candidate.error:.3g}"
        notes = "; ".join(note for note in ("chosen" if candidate.chosen else "", candidate.remark) if note)
        return f"{candidate.name}{error}" + (f" ({notes})" if notes else "")

    return ", ".join(map(told, surrogate.candidates))
