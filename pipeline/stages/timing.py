"""Stage timing: what the surrogate and the methods that nobody fits take to answer.

Not a part of validation, which writes the same whenever it runs.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.evaluation.costs import costs_of
from pipeline.evaluation.findings import Findings
from pipeline.evaluation.rivals import Court
from pipeline.stages.fit import read_seconds
from pipeline.surrogate import Surrogate

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)

TIMING_FILE = "timing.json"


def run(config: "Config", root: Path = Path()) -> None:
    """Time data/NAME/surrogate and the baselines on data/NAME/dataset/score; write data/NAME/timing.json."""
    folder = root / config.folder
    surrogate = Surrogate.load(folder / "surrogate", device="auto")
    fit, score = Harvest.load(folder / "dataset" / "fit"), Harvest.load(folder / "dataset" / "score")
    court = Court.of(fit, score, deterministic=surrogate.deterministic, seed=config.validate_.seed)
    costs = costs_of(surrogate, court, read_seconds(folder))
    for cost in costs:
        logger.info("timing: %s fitted in %.1f s, 1,000 answers in %.3f s", cost.method, cost.fit, cost.ask)
    Findings(costs=costs).write(folder / TIMING_FILE)
