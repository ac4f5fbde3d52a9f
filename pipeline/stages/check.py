"""The checks of a sweep that are possible before anything is trained."""

from pathlib import Path
from typing import get_args

from pipeline.clocks.bases import check_base
from pipeline.data.harvest import Harvest
from pipeline.data.split import check_anchors_in, split_harvest
from pipeline.errors import ConfigurationError, DataError, SweepError
from pipeline.families.catalog import check_code, make_family
from pipeline.families.protocol import Split, check_conditions
from pipeline.stages.params import Config
from pipeline.stages.raw import RAW, bundled_file


def check(config: Config, root: Path = Path()) -> None:
    """Raise the error that a stage would raise later: family settings, values of λ, source file and its columns."""
    bundled = {RAW / name: bundled_file(name) for name in config.raw.bundled}
    source = root / config.ingest.source
    _check_fit(config)
    if config.network is None:
        if config.train.family_settings:
            raise ConfigurationError(
                f"train: {sorted(config.train.family_settings)} with network = null: nothing is trained; remove them"
            )
        harvest = Harvest.load(source)
        check_anchors_in(harvest, config.sweep.anchors)
        split_harvest(harvest, config.dataset.score_fraction, config.dataset.seed)
        return
    family = make_family(config.network, config.train.family_settings)
    for value in config.sweep.values:
        try:
            family.check_hyperparameter(value)
        except SweepError as error:
            raise ConfigurationError(f"sweep.values: {error}") from error
    if not source.exists():
        # A bundled file may still be missing: stage raw will write it.
        if Path(config.ingest.source) not in bundled:
            raise DataError(f"ingest.source = {config.ingest.source} does not exist; set the path of the source data")
        source = bundled[Path(config.ingest.source)]
    check_code(config.network, source)
    data = family.ingest(source, config.ingest)
    family.schema(data)
    if config.harvest is not None:
        for split in get_args(Split):
            check_conditions(family.conditions(data, split, 1, config.harvest.seed), split)


def _check_fit(config: Config) -> None:
    if config.fit.device == "cuda":
        # Imports torch, which the default settings do not need.
        from pipeline.surrogate.fit import resolve_device

        resolve_device(config.fit.device)
    anchors = config.sweep.anchors
    if config.fit.clock == "learnt" and len(anchors) < 3:
        raise ConfigurationError(
            f"fit.clock = 'learnt' with sweep.anchors = {list(anchors)}: at least three anchors are required"
        )
    if config.fit.clock not in ("auto", "learnt"):
        check_base(config.fit.clock, anchors)
    if config.fit.clock_prior != "auto":
        check_base(config.fit.clock_prior, anchors, "clock_prior")
