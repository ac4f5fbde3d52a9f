"""Draws of one anchor at asked conditions: where flows start."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.network import Network, Reparameterised
from pipeline.surrogate.draws import Rows, condition_keys, draw_block, numbered_keys
from pipeline.surrogate.ends import Groups, permuted
from pipeline.transport.condition import Condition
from pipeline.transport.standardise import Standardiser


@dataclass(frozen=True, eq=False)
class Starts:
    """Outputs of a harvest's anchors at any condition: of their networks, or the harvest's draws at the nearest one."""

    harvest: Harvest
    scaling: Standardiser
    deterministic: bool

    def at(self, anchor: int, conditions: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
        """Outputs (N, draws, D) at conditions (N, C); rows of equal conditions are further draws of it.

        Without networks every block of as many draws as the harvest has at a condition is a permutation of them.
        """
        if self.harvest.networks is None:
            return self._known(anchor, conditions, draws, seed)
        count = 1 if self.deterministic else draws
        found = _drawn(self.harvest.networks[anchor], conditions, count, seed)
        return np.array(np.broadcast_to(found, (len(conditions), draws, found.shape[-1])), np.float64)

    def _encode(self, conditions: NDArray[np.float64]) -> Condition:
        return self.scaling.condition(torch.from_numpy(conditions).to(self.scaling.output_mean.device))

    def _known(self, anchor: int, conditions: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
        outputs, groups = self.harvest.outputs[anchor], Groups(np.asarray(self.harvest.conditions[anchor], np.float64))
        rows, keys = Rows.of(conditions), condition_keys(conditions, seed)
        result = np.empty((len(conditions), draws, outputs.shape[1]))
        for u, nearest in enumerate(groups.nearest(conditions[rows.distinct], self._encode).tolist()):
            members, known = np.flatnonzero(rows.number == u), groups.rows(nearest)
            known = known[:1] if self.deterministic else known
            numbers = rows.occurrence[members, None] * draws + np.arange(draws)
            result[members] = outputs[known[permuted(numbers, len(known), keys[members[0]])]]
        return result


def _drawn(network: Network, conditions: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.floating]:
    """A reparameterised network's draws depend on seed and condition alone; any other's also on the rows of a call."""
    x = conditions.astype(np.float32)
    if not isinstance(network, Reparameterised):
        return network.outputs(x, draws, seed)
    occurrence = Rows.of(conditions).occurrence
    return draw_block(network, x, numbered_keys(condition_keys(conditions, seed), occurrence), draws)
