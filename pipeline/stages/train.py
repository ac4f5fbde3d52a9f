"""Stage train: one network for one value of λ."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.network import save_network
from pipeline.families.catalog import make_family
from pipeline.families.protocol import Data, check_trained
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.stage_work import stage_work

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)


def run(config: "Config", value: str, root: Path = Path()) -> None:
    """Train the network of one λ and write data/NAME/networks/VALUE, with metrics.json of its training.

    value: λ as DVC renders it, since that is the folder's name in dvc.yaml.
    """
    train_network(config, value, config.train.seed, Path("networks", value), root)


def train_network(config: "Config", value: str, seed: int, target: Path, root: Path) -> None:
    """Train the network of a λ, in words, from a seed, and write it to data/NAME/<target>."""
    hyperparameter = config.sweep.hyperparameter_of(value)
    data = Data.load(root / config.folder / "data")
    start = time.perf_counter()
    settings = {"network": config.network, "train": config.train.model_dump(mode="json"), "value": value, "seed": seed}
    with stage_work(root, Path(config.name) / target, settings, [config.folder / "data"]):
        trained = make_family(config.network, config.train.family_settings).train(data, hyperparameter, seed)
        network, metrics = check_trained(trained, config.network)
        with atomic_folder(root / config.folder / target) as folder:
            save_network(network, folder)
            write_json(folder / "metrics.json", metrics)
    figures = " ".join(f"{name}={number:.4g}" for name, number in metrics.items()) or "nothing to train"
    logger.info("train %s: %s (%.1f s)", target.name, figures, time.perf_counter() - start)
