"""Stage compare: methods that are fitted on the surrogate's own samples, and judged on the samples that judge it."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.evaluation.features import features_of
from pipeline.evaluation.findings import Cost, Findings
from pipeline.evaluation.methods.conditioned import CONDITIONED
from pipeline.evaluation.methods.method import Fitting
from pipeline.evaluation.rivals import Court, chosen_methods, fit_methods
from pipeline.evaluation.task import tables_of
from pipeline.evaluation.task_table import TaskTable
from pipeline.families.catalog import make_family
from pipeline.families.conditioned_store import read_conditioned
from pipeline.families.protocol import Data, FeaturedFamily, ScoredFamily
from pipeline.transport.anchor_samples import is_deterministic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.evaluation.methods.method import Fitted
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)

COMPARISON_FILE = "comparison.json"


def run(config: "Config", root: Path = Path()) -> None:
    """Fit the quick methods and those of validate.methods on data/NAME/dataset; write data/NAME/comparison.json."""
    folder, settings = root / config.folder, config.validate_
    fit, score = Harvest.load(folder / "dataset" / "fit"), Harvest.load(folder / "dataset" / "score")
    deterministic = is_deterministic(fit)
    fitting = Fitting(fit, deterministic, config.fit.surrogate(), config.fit.seed)
    fitted, seconds = with_conditioned(*fit_methods(chosen_methods(settings.methods), fitting), folder)
    court = Court.of(fit, score, deterministic=deterministic, redraws=settings.redraws, seed=settings.seed)
    if not court.starts:
        logger.info("compare: nothing is held out to judge methods on")
        Findings().write(folder / COMPARISON_FILE)
        return
    costs = tuple(Cost(name, seconds[name], court.seconds(method)) for name, method in fitted.items())
    for cost in costs:
        logger.info("compare: %s fitted in %.1f s, 1,000 answers in %.3f s", cost.method, cost.fit, cost.ask)
    scores = court.scores(fitted)
    Findings(scores, score_task(config, court, fitted, folder), costs).write(folder / COMPARISON_FILE)


def with_conditioned(
    fitted: "Mapping[str, Fitted]", seconds: "Mapping[str, float]", folder: Path
) -> "tuple[dict[str, Fitted], dict[str, float]]":
    """Fitted methods and what they took, with the network of all λ among them where it was trained."""
    found = read_conditioned(folder / "dataset" / CONDITIONED)
    if found is None:
        return dict(fitted), dict(seconds)
    return {**fitted, CONDITIONED: found.network}, {**seconds, CONDITIONED: found.seconds}


def score_task(config: "Config", court: Court, fitted: "Mapping[str, Fitted]", folder: Path) -> tuple[TaskTable, ...]:
    """The tables that stage validate has of other methods; none where the family has neither scores nor features."""
    family = None if config.network is None else make_family(config.network, config.train.family_settings)
    asked = court.policies(fitted)
    if not (asked and fitted and isinstance(family, ScoredFamily | FeaturedFamily)):
        return ()
    data, seed = Data.load(folder / "data"), config.validate_.seed
    tables = tables_of(family, data, asked, court.score, seed) if isinstance(family, ScoredFamily) else ()
    if isinstance(family, FeaturedFamily):
        deterministic = court.comparison.deterministic
        tables += features_of(family, data, asked, court.score, seed, deterministic=deterministic)
    return tables
