"""Stage warm: the network of an anchor, trained on from that of a neighbouring anchor."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.network import save_network
from pipeline.families.catalog import load_network, make_family
from pipeline.families.protocol import Data, WarmFamily, check_trained
from pipeline.stages.warm_starts import anchor_of, check_family
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.stage_work import stage_work

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)


def run(config: "Config", name: str, root: Path = Path()) -> None:
    """Train the network `name` of warm.links and write data/NAME/networks/<name>, with metrics.json of its training."""
    networks = root / config.folder / "networks"
    start, hyperparameter = config.warm.start_of(name), config.sweep.hyperparameter_of(anchor_of(name))
    family = make_family(config.network, config.train.family_settings)
    check_family(family, str(config.network))
    assert isinstance(family, WarmFamily)
    data = Data.load(root / config.folder / "data")
    begun = time.perf_counter()
    neighbour = load_network(networks / start)
    settings = {"network": config.network, "train": config.train.model_dump(mode="json"), "link": [start, name]}
    inputs = [config.folder / "data", config.folder / "networks" / start]
    with stage_work(root, Path(config.name, "networks", name), settings, inputs):
        trained = family.train_from(neighbour, data, hyperparameter, config.train.seed, config.train.warm_share)
        network, metrics = check_trained(trained, config.network)
        with atomic_folder(networks / name) as folder:
            save_network(network, folder)
            write_json(folder / "metrics.json", metrics)
    figures = " ".join(f"{key}={number:.4g}" for key, number in metrics.items())
    logger.info("warm %s from %s: %s (%.1f s)", name, start, figures, time.perf_counter() - begun)
