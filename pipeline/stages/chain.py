"""Stage chain: the anchors' networks of one chain, harvested where they are its own, and judged for stage dataset."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.network import Network
from pipeline.errors import ConfigurationError
from pipeline.families.catalog import load_network, make_family
from pipeline.families.protocol import Data, EpisodicFamily
from pipeline.stages.harvest import Trained, harvest_network
from pipeline.stages.warm_starts import anchor_of, check_family
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.surrogate.chains import JUDGED_FILE, Judged
from pipeline.surrogate.mixtures import Play, can_be_mixed, check_intervals

if TYPE_CHECKING:
    from pipeline.stages.params import Config, TrainSection

logger = logging.getLogger(__name__)

_SEEDS = 4
"""Seeds of these episodes: never those that validation scores, or the fit looks for barriers with."""


def run(config: "Config", name: str, root: Path = Path()) -> None:
    """Write data/NAME/harvest/<name>: judged.json, and a harvest of every network that this chain retrained."""
    folder = root / config.folder
    family, data = make_family(config.network, config.train.family_settings), Data.load(folder / "data")
    check_family(family, str(config.network))
    assert isinstance(family, EpisodicFamily)
    networks = {n: load_network(folder / "networks" / n) for n in config.warm.networks_of(name)}
    if config.harvest is None:
        raise ConfigurationError("harvest: missing; set fit_conditions and score_conditions")
    judged = judge(name, networks, player(family, data, config.train), bool(family.schema(data).deterministic))
    with atomic_folder(folder / "harvest" / name) as target:
        for own in config.warm.links.keys() & networks.keys():
            value = config.sweep.value_of(anchor_of(own))
            harvest_network(Trained(networks[own], value), family, data, config.harvest, target / own)
        write_json(target / JUDGED_FILE, judged.document())
    scores = " ".join(f"{a:g}: {np.mean(s):.4g}" for a, s in zip(judged.anchors, judged.episodes, strict=True))
    logger.info("chain %s: %s %s, %d intervals broken", name, judged.score, scores, judged.broken)


def player(family: EpisodicFamily, data: Data, settings: "TrainSection") -> Play:
    """Plays the episodes in which chains are compared: they depend on train.seed alone, so that all have the same."""
    entropy = int(np.random.SeedSequence([settings.seed, _SEEDS]).generate_state(1)[0] % 2**31)
    return Play(family, data, settings.warm_episodes, entropy)


def judge(chain: str, networks: dict[str, Network], play: Play, deterministic: bool) -> Judged:
    """Scores of the anchors' networks (by their names, ascending in λ), and of mixtures of neighbours."""
    ends = [(float(anchor_of(name)), network) for name, network in networks.items()]
    scored = [play(network.outputs, value) for value, network in ends]
    barriers = check_intervals(play, ends) if can_be_mixed(list(networks.values()), deterministic) else ()
    episodes = tuple(tuple(scores.tolist()) for _, scores in scored)
    return Judged(chain, tuple(networks), tuple(value for value, _ in ends), scored[0][0], episodes, barriers)
