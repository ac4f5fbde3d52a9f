"""Stage reharvest: the outputs of a network that was trained again, at the conditions of all others."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.stages.harvest import harvest_saved

if TYPE_CHECKING:
    from pipeline.stages.params import Config


def run(config: "Config", name: str, root: Path = Path()) -> None:
    """Evaluate the network `name` of retrain.networks and write data/NAME/harvest/<name>, as stage harvest does."""
    again = config.retrain.of(name)
    harvest_saved(config, config.sweep.value_of(again.value), Path("retrained", name), root, again.seed)
