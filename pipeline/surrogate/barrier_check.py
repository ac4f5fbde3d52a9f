"""Finds barriers: the check of `mixtures`, for every interval of a harvest's anchors.

Only the anchors' networks and the simulator are asked, no held-out network.
"""

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.families.protocol import Data, EpisodicFamily
from pipeline.surrogate.barriers import Barrier
from pipeline.surrogate.mixtures import Play, can_be_mixed, check_intervals
from pipeline.transport.anchor_samples import is_deterministic

EPISODES = 40
_SEEDS = 2
"""Seeds of these episodes: never those of a score, even if both sections of params.yaml agree."""


def find_barriers(
    harvest: Harvest, family: EpisodicFamily, data: Data, episodes: int = EPISODES, seed: int = 0
) -> tuple[Barrier, ...] | None:
    """Check every interval of a harvest's anchors; None where its networks cannot be mixed.

    They can where they are deterministic, or policies whose draws belong together by equal noise
    (`Reparameterised.coupled_by_noise`). Raises ConfigurationError for scores that are not finite numbers of two
    episodes at least.
    """
    networks = harvest.networks
    if networks is None or not can_be_mixed(networks, is_deterministic(harvest)):
        return None
    entropy = int(np.random.SeedSequence([seed, _SEEDS]).generate_state(1)[0] % 2**31)
    play = Play(family, data, episodes, entropy)
    return check_intervals(play, list(zip(harvest.hyperparameter.tolist(), networks, strict=True)))
