"""Stage fit: the surrogate of the anchors' samples."""

import logging
import time
from pathlib import Path

import torch

from pipeline.config import Config, Device
from pipeline.errors import ConfigurationError
from pipeline.harvest import Harvest
from pipeline.surrogate import Surrogate

logger = logging.getLogger(__name__)


def run(config: Config, root: Path = Path()) -> None:
    """Fit on data/NAME/dataset/fit and write data/NAME/surrogate."""
    harvest = Harvest.load(root / config.folder / "dataset" / "fit")
    device = resolve_device(config.fit.device)
    logger.info("fit: %s on %s, anchors %s", config.fit.variant, device, harvest.hyperparameter.tolist())
    start = time.perf_counter()
    surrogate = Surrogate.fit(harvest, config.fit.surrogate(), seed=config.fit.seed, device=device)
    surrogate.save(root / config.folder / "surrogate")
    logger.info(
        "fit: clock %s, digest %s (%.1f s)", surrogate.clock, surrogate.digest[:12], time.perf_counter() - start
    )


def resolve_device(device: Device) -> str:
    """The torch device of a setting; ConfigurationError where cuda is asked for and there is none."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigurationError("fit.device = 'cuda': torch sees no CUDA device; set auto or cpu")
    if device == "auto":
        return "cuda" if available else "cpu"
    return device
