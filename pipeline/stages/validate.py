"""Stage validate: surrogate and score harvest in; metrics, errors and the report out."""

import logging
from pathlib import Path

from pipeline.atomic import write_json, write_text
from pipeline.config import Config

log = logging.getLogger(__name__)


def run(config: Config, root: Path = Path()) -> None:
    """Read data/NAME/{surrogate,dataset}, write data/NAME/validation/{metrics.json,errors.csv,report/}."""
    from pipeline.harvest import Harvest
    from pipeline.surrogate import Surrogate
    from pipeline.validation.evaluate import evaluate
    from pipeline.validation.gates import decide
    from pipeline.validation.report import write_report
    from pipeline.validation.results import Facts, errors_csv, metrics

    data = root / "data" / config.name
    surrogate = Surrogate.load(data / "surrogate")
    fit, score = Harvest.load(data / "dataset" / "fit"), Harvest.load(data / "dataset" / "score")
    evaluation = evaluate(surrogate, score, redraws=config.validate_.redraws, seed=config.validate_.seed)
    decision = decide(evaluation)
    facts = Facts.of(config.name, surrogate, fit, score)
    folder = data / "validation"
    page = write_report(folder / "report", surrogate, score, evaluation, decision, facts)
    write_text(folder / "errors.csv", errors_csv(evaluation))
    write_json(folder / "metrics.json", metrics(evaluation, decision, facts))
    log.info("%s Report: %s", decision.reason, page)
