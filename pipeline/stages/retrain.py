"""Stage retrain: the network of a λ once more, from another seed."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.stages.train import train_network

if TYPE_CHECKING:
    from pipeline.stages.params import Config


def run(config: "Config", name: str, root: Path = Path()) -> None:
    """Train the network `name` of retrain.networks and write data/NAME/retrained/<name>, as stage train does.

    Not below networks/, all of which stage chain reads: it would judge its chains again.
    """
    again = config.retrain.of(name)
    train_network(config, again.value, config.train.seed + again.seed, Path("retrained", name), root)
