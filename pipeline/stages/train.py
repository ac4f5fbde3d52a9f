"""Stage train: one network for one value of λ."""

import logging
import time
from pathlib import Path

from pipeline.atomic import atomic_folder, write_json
from pipeline.config import Config
from pipeline.networks.base import Data, check_trained
from pipeline.networks.registry import make_family, save_network

logger = logging.getLogger(__name__)


def run(config: Config, value: str, root: Path = Path()) -> None:
    """Train the network of one λ and write data/NAME/networks/VALUE, with metrics.json of its training.

    value: λ as DVC renders it, because that is the folder's name in dvc.yaml.
    """
    hyperparameter = config.sweep.value_of(value)
    data = Data.load(root / config.folder / "data")
    start = time.perf_counter()
    trained = make_family(config).train(data, hyperparameter, config.train.seed)
    network, metrics = check_trained(trained, config.network)
    with atomic_folder(root / config.folder / "networks" / value) as folder:
        save_network(network, folder)
        write_json(folder / "metrics.json", metrics)
    figures = " ".join(f"{name}={number:.4g}" for name, number in metrics.items()) or "nothing to train"
    logger.info("train %s: %s (%.1f s)", value, figures, time.perf_counter() - start)
