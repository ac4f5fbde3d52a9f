"""Judging a surrogate of a sweep: what stage validate reports, and stage register asks of a plain method."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.data.retrained import Retrained
from pipeline.errors import SweepError
from pipeline.evaluation.bands import band_tables
from pipeline.evaluation.clusters import Clustered
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.features import feature_tables
from pipeline.evaluation.findings import Cost, Findings
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.left_out import LeftOut
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.retrained import RETRAINED, seeds_of
from pipeline.evaluation.next_value import NextValue, next_value
from pipeline.evaluation.rivals import Court
from pipeline.evaluation.scores import Score
from pipeline.evaluation.task import task_tables
from pipeline.evaluation.task_table import TaskTable
from pipeline.evaluation.trust import Trust
from pipeline.families.catalog import make_family
from pipeline.families.protocol import Data, FeaturedFamily, LevelFamily, ScoredFamily
from pipeline.stages.compare import COMPARISON_FILE
from pipeline.storage.files import read_json
from pipeline.surrogate import Surrogate
from pipeline.surrogate.chains import CHOICE_FILE
from pipeline.transport.anchor_samples import is_deterministic

if TYPE_CHECKING:
    from pipeline.stages.params import Config


def judge(
    config: "Config",
    surrogate: Surrogate,
    root: Path,
    left_out: LeftOut,
    costs: Sequence[Cost] = (),
    bundle_bytes: int | None = None,
) -> Judgement:
    """All that is found of a surrogate, and what the gates say.

    On data/NAME/dataset, beside the methods of data/NAME/comparison.json and networks from other seeds. left_out: what
    leaving anchors out of this surrogate found. costs: of the surrogate and of methods that are not fitted.
    bundle_bytes: the size of its folder.
    """
    data = root / config.folder
    fit, score = Harvest.load(data / "dataset" / "fit"), Harvest.load(data / "dataset" / "score")
    found, order = Findings.read(data / COMPARISON_FILE), [method.name for method in all_methods()]
    evaluation = evaluate(surrogate, score, redraws=config.validate_.redraws, seed=config.validate_.seed)
    again = retrained_scores(config, Retrained.load(data / "dataset" / "retrained"), fit, score)
    evaluation = replace(evaluation.joined((*found.scores, *again), order), left_out=left_out.scores)
    trust = None if left_out.uncertainty is None else Trust.of(left_out.uncertainty, surrogate, score)
    return Judgement(
        evaluation,
        UNDECIDED,
        Facts.of(config.name, surrogate, fit, score, training_of_anchors(config, data)),
        joined_tables(score_task(config, surrogate, score, data), found.tables, order),
        (*costs, *found.costs),
        trust,
        bundle_bytes,
        next_of(config, surrogate, trust, score),
        Clustered.of(score, evaluation.comparison),
    ).decided(config.gates)


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def next_of(config: "Config", surrogate: Surrogate, trust: Trust | None, score: Harvest) -> NextValue | None:
    """The λ to train next, one that the sweep's family takes."""
    family = None if config.network is None else make_family(config.network, config.train.family_settings)

    def accepts(value: float) -> bool:
        try:
            if family is not None:
                family.check_hyperparameter(value)
        except SweepError:  # a λ that cannot be trained, of many that are asked about
            return False
        return True

    uncertainty = None if trust is None else trust.uncertainty
    return next_value(surrogate, uncertainty, score.conditions[0], score.values, accepts)


def retrained_scores(
    config: "Config", retrained: Sequence[Retrained], fit: Harvest, score: Harvest
) -> tuple[Score, ...]:
    """Scores at every held-out λ of the networks from other seeds, means over the seeds; () where there are none."""
    settings = config.validate_
    court = Court.of(fit, score, deterministic=is_deterministic(fit), redraws=settings.redraws, seed=settings.seed)
    found = [court.scores({RETRAINED: networks}) for networks in seeds_of(retrained, court.starts)]
    return tuple(Score.mean(of_seeds) for of_seeds in zip(*found, strict=True))


def joined_tables(own: Sequence[TaskTable], more: Sequence[TaskTable], order: Sequence[str]) -> tuple[TaskTable, ...]:
    """Tables with the methods of further ones of the same name, in the order of their names in `order`."""
    further = {table.name: table for table in more}
    return tuple(t.joined(further[t.name], order) if t.name in further else t for t in own)


def training_of_anchors(config: "Config", folder: Path) -> str:
    """Why the anchors' networks are of this training, where they had several (`train.start: neighbour`)."""
    return str(read_json(folder / "dataset" / CHOICE_FILE, "dataset")["reason"]) if config.warm.chains else ""


def score_task(config: "Config", surrogate: Surrogate, score: Harvest, folder: Path) -> tuple[TaskTable, ...]:
    """Tables of a family's `score`, central bands and `features`; none where it has none, or nothing was trained."""
    family = None if config.network is None else make_family(config.network, config.train.family_settings)
    if not isinstance(family, ScoredFamily | LevelFamily | FeaturedFamily):
        return ()
    data, seed = Data.load(folder / "data"), config.validate_.seed
    tables = task_tables(family, data, surrogate, score, seed) if isinstance(family, ScoredFamily) else ()
    tables += band_tables(family, data, surrogate, score, seed) if isinstance(family, LevelFamily) else ()
    return tables + (feature_tables(family, data, surrogate, score, seed) if isinstance(family, FeaturedFamily) else ())
