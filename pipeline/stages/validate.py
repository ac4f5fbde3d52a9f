"""Stage validate: the surrogate against networks of held-out λ; metrics, a table of errors and the report."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.evaluation.findings import Findings
from pipeline.evaluation.left_out import LeftOut
from pipeline.evaluation.record import Record, errors_csv
from pipeline.report.html import write_report
from pipeline.stages.judging import judge, size_of
from pipeline.stages.leave_out import LEFT_OUT_FILE
from pipeline.stages.timing import TIMING_FILE
from pipeline.storage.atomic import write_text
from pipeline.surrogate import Surrogate

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)


def run(config: "Config", root: Path = Path()) -> None:
    """Evaluate data/NAME/surrogate on data/NAME/dataset/score; write data/NAME/validation/.

    Written are metrics.json, errors.csv and report/ (report.html, report.md, pictures/).
    """
    data = root / config.folder
    surrogate = Surrogate.load(data / "surrogate", device="auto")
    costs = Findings.read(data / TIMING_FILE).costs
    left_out = LeftOut.read(data / LEFT_OUT_FILE)
    judgement = judge(config, surrogate, root, left_out, costs, size_of(data / "surrogate"))
    score = Harvest.load(data / "dataset" / "score")
    page = write_report(data / "validation" / "report", surrogate, score, judgement)
    write_text(data / "validation" / "errors.csv", errors_csv(judgement.evaluation))
    Record.of(judgement).write(data / "validation" / "metrics.json")
    logger.info("validate: %s", judgement.decision.reason)
    if judgement.next_value is not None:
        logger.info("validate: %s", judgement.next_value.sentence)
    logger.info("validate: %s", page)
