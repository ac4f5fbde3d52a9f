"""Stage conditioned: one network of all λ, beside those of single λ."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.families.catalog import make_family
from pipeline.families.conditioned import check_conditioned
from pipeline.families.conditioned_store import Conditioned, save_conditioned
from pipeline.families.protocol import Data
from pipeline.stages.conditioning import CONDITIONED, box_of, check_conditionable
from pipeline.storage.stage_work import stage_work

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)


def run(config: "Config", lowest: str, highest: str, root: Path = Path()) -> None:
    """Train over all λ between two, in words, and write data/NAME/harvest/conditioned.

    The network, and conditioned.json with the metrics of its training and the wall seconds that this took.
    """
    family = check_conditionable(make_family(config.network, config.train.family_settings), config.network)
    data, box = Data.load(root / config.folder / "data"), box_of(lowest, highest)
    settings = {"network": config.network, "train": config.train.model_dump(mode="json"), "ends": [lowest, highest]}
    with stage_work(root, Path(config.name, "harvest", CONDITIONED), settings, [config.folder / "data"]) as work:
        network, metrics = check_conditioned(family.train_conditioned(data, box, config.train.seed), config.network)
        seconds = work.seconds
        save_conditioned(Conditioned(network, metrics, seconds), root / config.folder / "harvest" / CONDITIONED)
    figures = " ".join(f"{name}={number:.4g}" for name, number in metrics.items()) or "no metrics"
    logger.info("conditioned on λ = %s: %s (%.1f s)", box, figures, seconds)
