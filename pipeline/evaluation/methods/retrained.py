"""The network of λ trained again from another seed: no surrogate can be expected to come nearer to the network of λ.

It stands in the tables where `validate.floor_seeds` has all held-out λ trained again; of several seeds the mean error.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Value
from pipeline.data.network import Network
from pipeline.data.retrained import Retrained
from pipeline.evaluation.methods.method import Method

RETRAINED = "retrained"

METHOD = Method(
    name=RETRAINED,
    label="network from another seed (floor)",
    role="reference",
    colour="#777777",
    marker="+",
    style={"ls": ":", "ms": 9, "mew": 2},
)


@dataclass(frozen=True, eq=False)
class OfOneSeed:
    """The networks of every held-out λ, from one other seed."""

    networks: Mapping[Value, Network]

    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: Value, draws: int, seed: int, /
    ) -> NDArray[np.floating]:
        """Outputs (N, draws, D) at conditions (N, C)."""
        return self.networks[hyperparameter].outputs(np.asarray(conditions, np.float32), draws, seed)


def seeds_of(retrained: Iterable[Retrained], held_out: Iterable[Value]) -> list[OfOneSeed]:
    """The seeds from which all held-out λ were trained again."""
    by_seed: dict[int, dict[Value, Network]] = {}
    for entry in retrained:
        by_seed.setdefault(entry.seed, {})[entry.value] = entry.network
    wanted = set(held_out)
    return [OfOneSeed(networks) for networks in by_seed.values() if wanted and wanted <= set(networks)]
