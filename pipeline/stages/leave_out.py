"""Stage leave_out: every interior anchor predicted without itself, and the uncertainty that follows."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.data.retrained import Retrained
from pipeline.evaluation.left_out import Plan, leave_out
from pipeline.transport.anchor_samples import is_deterministic

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)

LEFT_OUT_FILE = "left_out.json"


def run(config: "Config", root: Path = Path()) -> None:
    """Leave out the interior anchors of data/NAME/dataset in turn; write data/NAME/left_out.json."""
    folder, data = root / config.folder, root / config.folder / "dataset"
    fit, score = Harvest.load(data / "fit"), Harvest.load(data / "score")
    plan = Plan(config.fit.surrogate(), config.fit.seed, config.validate_.redraws)
    found = leave_out(fit, score, Retrained.load(data / "retrained"), plan, deterministic=is_deterministic(fit))
    found.write(folder / LEFT_OUT_FILE)
    count = len({score.hyperparameter for score in found.scores})
    logger.info("leave_out: %d interior anchors predicted without themselves", count)
    if found.uncertainty is not None:
        logger.info("leave_out: %s", found.uncertainty.sentence)
