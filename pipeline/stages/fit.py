"""Stage fit: the surrogate of the anchors' samples, and the intervals in which it must not mix them."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError
from pipeline.families.catalog import make_family
from pipeline.families.protocol import Data, EpisodicFamily
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json
from pipeline.storage.stage_work import stage_work
from pipeline.surrogate import Surrogate
from pipeline.surrogate.barrier_check import find_barriers
from pipeline.surrogate.barriers import Barrier
from pipeline.surrogate.fitted import Candidate

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)

SECONDS_FILE = "fit.json"


def run(config: "Config", root: Path = Path()) -> None:
    """Fit on data/NAME/dataset/fit, check for barriers with data/NAME/data, and write data/NAME/surrogate.

    fit.json beside it has the wall seconds that this took: no part of the bundle, whose digest the seed decides.
    """
    harvest = Harvest.load(root / config.folder / "dataset" / "fit")
    logger.info("fit: %s, anchors %s", config.fit.variant, harvest.hyperparameter.tolist())
    sections = {"train": config.train.model_dump(mode="json"), "fit": config.fit.model_dump(mode="json")}
    inputs = [config.folder / "dataset" / "fit", config.folder / "data"]
    with stage_work(root, Path(config.name, "fit"), {"network": config.network} | sections, inputs) as work:
        surrogate = Surrogate.fit(harvest, config.fit.surrogate(), seed=config.fit.seed, device=config.fit.device)
        logger.info("fit: compared %s", compared(surrogate))
        barriers = check_barriers(config, harvest, root / config.folder / "data")
        if barriers is not None:
            surrogate = surrogate.with_barriers(barriers)
        surrogate.save(root / config.folder / "surrogate")
        seconds = work.seconds
        write_json(root / config.folder / SECONDS_FILE, {"seconds": seconds})
    logger.info(
        "fit: on %s, clock %s, digest %s (%.1f s)",
        surrogate.device,
        surrogate.clock,
        surrogate.digest[:12],
        seconds,
    )


def read_seconds(folder: Path) -> float:
    """The wall seconds of the fit in data/NAME; BundleError where the file is missing or corrupted."""
    document = read_json(folder / SECONDS_FILE, "fit")
    try:
        return float(document["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / SECONDS_FILE} is corrupted ({error!r}); run stage fit again") from error


def check_barriers(config: "Config", harvest: Harvest, folder: Path) -> Sequence[Barrier] | None:
    """What mixtures score in every interval; None where the settings, the family or the networks do not allow it."""
    if config.network is None or config.fit.barriers == "off":
        return None
    family = make_family(config.network, config.train.family_settings)
    if not isinstance(family, EpisodicFamily):
        return None
    if config.sweep.names:
        logger.info("fit: barriers not checked: that takes one hyperparameter")
        return None
    start = time.perf_counter()
    found = find_barriers(harvest, family, Data.load(folder), config.fit.barrier_episodes, config.fit.seed)
    if found is None:
        logger.info("fit: barriers not checked, since the networks' draws do not belong together by equal noise")
    for barrier in found or ():
        log = logger.warning if barrier.broken else logger.info
        log("fit: %s", barrier.verdict)
    logger.info("fit: barriers checked in %.1f s", time.perf_counter() - start)
    return found


def compared(surrogate: Surrogate) -> str:
    """What variant and clock were chosen from, in one line, with the errors of left-out anchors where there are any."""

    def told(candidate: Candidate) -> str:
        error = "" if candidate.error is None else f" {candidate.error:.3g}"
        notes = "; ".join(note for note in ("chosen" if candidate.chosen else "", candidate.remark) if note)
        return f"{candidate.name}{error}" + (f" ({notes})" if notes else "")

    return ", ".join(map(told, surrogate.candidates))
