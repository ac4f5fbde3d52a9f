"""Mixtures of neighbouring anchors' networks, scored in episodes under the rewards of λ in between.

J(s) is the mean score of the policy (1 − s) y_k + s y_{k+1}, both from equal noise, under the reward of
λ = λ_k + s (λ_{k+1} − λ_k), at s = ¼, ½, ¾. An interval is broken where J(s) lies below the worse end by more than two
standard errors of their paired difference.

Cost: nine runs of `episodes` episodes an interval, and six more where it is broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Network, Policy, Reparameterised
from pipeline.families.protocol import Data, EpisodicFamily, check_episodes
from pipeline.storage.checkpoint import once
from pipeline.surrogate.barriers import SHARES, Barrier, Mixture


def can_be_mixed(networks: Sequence[Network], deterministic: bool) -> bool:
    """Whether mixtures of these networks are defined: they are deterministic, or coupled by equal noise."""
    return deterministic or all(map(_coupled, networks))


def check_intervals(play: "Play", anchors: Sequence[tuple[float, Network]]) -> tuple[Barrier, ...]:
    """Check every interval between anchors (λ, network), which are in ascending order and can be mixed."""
    return tuple(_check(play, (a, b), (left, right)) for (a, left), (b, right) in pairwise(anchors))


def mixture(left: Network, right: Network, share: float) -> Policy:
    """The policy (1 − share) y + share y' of two networks' outputs, from equal noise where they draw."""

    def both(conditions: NDArray[np.floating], draws: int, seed: int) -> list[NDArray[np.floating]]:
        if _coupled(left) and _coupled(right):
            assert isinstance(left, Reparameterised)
            assert isinstance(right, Reparameterised)
            shape = (len(conditions), draws, left.noise_dimension)
            noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
            return [network.from_noise(conditions, noise) for network in (left, right)]
        return [network.outputs(conditions, draws, seed) for network in (left, right)]

    def mixed(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        y, z = both(conditions, draws, seed)
        return np.asarray((1 - share) * y + share * z)

    return mixed


def _coupled(network: Network) -> bool:
    return isinstance(network, Reparameterised) and network.coupled_by_noise


@dataclass(frozen=True, eq=False)
class Play:
    """Plays episodes: the first `count` of them tell what is broken, the next `count` choose the better end."""

    family: EpisodicFamily
    data: Data
    count: int
    seed: int

    def __call__(self, policy: Policy, value: float, first: int = 0) -> tuple[str, NDArray[np.float64]]:
        """The name of the first score, and its values (n,) for a policy under the reward of λ = value."""
        return once(lambda: self._played(policy, value, range(first, first + self.count)), "episodes")

    def _played(self, policy: Policy, value: float, numbers: range) -> tuple[str, NDArray[np.float64]]:
        found = self.family.episode_scores(policy, self.data, value, self.seed, numbers)
        return next(iter(check_episodes(found, type(self.family).__name__, fewest=2).items()))


def _check(play: Play, anchors: tuple[float, float], networks: tuple[Network, Network]) -> Barrier:
    """The check of one interval."""
    values = [anchors[0] + share * (anchors[1] - anchors[0]) for share in SHARES]
    scores, names = [], []
    for share, value in zip(SHARES, values, strict=True):
        (name, mixed), (_, left), (_, right) = (play(mixture(*networks, s), value) for s in (share, 0.0, 1.0))
        scores.append(_mixture(share, value, mixed, left, right))
        names.append(name)
    broken = any(m.ruinous for m in scores)
    advantage = _advantage(play, values, networks) if broken else None
    return Barrier(anchors, names[0], play.count, tuple(scores), advantage)


def _mixture(
    share: float, value: float, mixed: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]
) -> Mixture:
    worse = min(left, right, key=np.mean)
    error = float(np.std(mixed - worse, ddof=1) / np.sqrt(len(mixed)))
    return Mixture(share, value, float(mixed.mean()), float(left.mean()), float(right.mean()), error)


def _advantage(play: Play, values: Sequence[float], networks: tuple[Network, Network]) -> tuple[float, float]:
    """The right end's score minus the left's at both ends of the interval, by the line through episodes of its own."""
    found = []
    for value in values:
        (_, left), (_, right) = (play(mixture(*networks, end), value, first=play.count) for end in (0.0, 1.0))
        found.append(float(np.mean(right - left)))
    slope, start = np.polyfit(SHARES, found, 1)
    return float(start), float(start + slope)
