"""Pairs of samples between neighbouring anchors: found by transport, drawn in batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import FitError
from pipeline.storage.checkpoint import once
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.condition import Condition
from pipeline.transport.coupling import Coupling, exact_coupling

# What a standard deviation of difference between two conditions costs, in units of the outputs, where the anchors'
# conditions differ and a coupling has to pair rows across conditions; another category is out of reach.
CONDITION_PENALTY = 25.0
CATEGORY_PENALTY = 1e6


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of one interval: start, end (P, D), the start's conditions, weights (P,) that sum to 1."""

    start: Tensor
    end: Tensor
    condition: Condition
    weight: Tensor

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def combine(cls, batches: Sequence["Pairs"], by: Callable[[list[Tensor]], Tensor]) -> "Pairs":
        """Several batches as one, by torch.cat, or with a leading dimension by torch.stack."""
        values, codes = ([getattr(b.condition, name) for b in batches] for name in ("values", "codes"))
        start, end, weight = (by([getattr(b, name) for b in batches]) for name in ("start", "end", "weight"))
        return cls(start, end, Condition(by(values), by(codes)), weight)

    def select(self, mask: Tensor) -> "Pairs":
        """The pairs where `mask` (P,) holds, their weights scaled to sum to 1."""
        weight = self.weight[mask]
        return Pairs(self.start[mask], self.end[mask], self.condition[mask], weight / weight.sum())

    @cached_property
    def _cumulative(self) -> Tensor:
        return self.weight.cpu().double().cumsum(0)

    def draw(self, count: int, generator: torch.Generator) -> "Pairs":
        """`count` pairs drawn by weight, with replacement."""
        share = torch.rand(count, generator=generator, dtype=torch.float64)
        rows = torch.searchsorted(self._cumulative, share * self._cumulative[-1], right=True)
        rows = rows.clamp_max(len(self) - 1).to(self.start.device)
        return Pairs(self.start[rows], self.end[rows], self.condition[rows], self.weight[rows])


# Number of costs computed at once: few enough for a core's cache, many enough for a GPU.
CHUNK = 256
CHUNK_ON_CUDA = 16_384

# Transport between random halves of a sample is noisier the smaller they are.
SMALLEST_BLOCK = 64

Block = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows of the left and of the right anchor that may be coupled with one another."""

Cost = Callable[[Tensor, Tensor, Condition], Tensor]
"""Costs (P,) of moving starts (P, D) to ends (P, D) at P conditions."""


class Interval:
    """Two neighbouring anchors, and which of their rows may be coupled.

    Where both hold the same set of conditions (shared), rows are coupled within a condition; else across all rows, with
    a penalty on the difference of conditions.
    """

    def __init__(self, left: AnchorSamples, right: AnchorSamples) -> None:
        self.left, self.right = left, right
        groups0, groups1 = left.group.cpu().numpy(), right.group.cpu().numpy()
        self.shared = bool(np.array_equal(np.unique(groups0), np.unique(groups1)))
        if not self.shared:
            groups0, groups1 = np.zeros_like(groups0), np.zeros_like(groups1)
        self.blocks: list[Block] = list(zip(_rows_by_group(groups0), _rows_by_group(groups1), strict=True))
        order1 = np.concatenate([rows1 for _, rows1 in self.blocks])
        counts = np.array([len(rows1) for _, rows1 in self.blocks])
        _, block_of_row = np.unique(groups0, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        device = left.outputs.device
        self._order1 = torch.as_tensor(order1, device=device)
        self._starts = torch.as_tensor(starts[block_of_row], device=device)
        self._counts = torch.as_tensor(counts[block_of_row], device=device)

    def pairs(self, coupling: Coupling) -> Pairs:
        """The pairs of a coupling."""
        device = self.left.outputs.device
        left, right = (torch.as_tensor(rows, device=device) for rows in (coupling.left, coupling.right))
        weight = torch.as_tensor(coupling.weight, dtype=torch.float32, device=device)
        return self._pairs(left, right, weight)

    def random_pairs(self, count: int, generator: torch.Generator) -> Pairs:
        """Independent draws of both ends, of the same condition where conditions are shared."""
        device = self.left.outputs.device
        left = torch.randint(len(self.left.outputs), (count,), generator=generator).to(device)
        share = torch.rand(count, generator=generator).to(device)
        right = self._order1[self._starts[left] + (share * self._counts[left]).long()]
        weight = torch.full((count,), 1.0 / count, device=device)
        return self._pairs(left, right, weight)

    def _pairs(self, left: Tensor, right: Tensor, weight: Tensor) -> Pairs:
        start = self.left.outputs[left]
        return Pairs(start, self._shorter(start, self.right.outputs[right]), self.left.condition[left], weight)

    def _shorter(self, start: Tensor, end: Tensor) -> Tensor:
        """Ends (P, D), circular outputs on the turn nearest to their starts (P, D)."""
        return end if self.left.period is None else nearest_turn(end, start, self.left.period)

    def couple(self, cost: Cost, most_pairs: int, generator: np.random.Generator) -> Coupling:
        """Optimal coupling under `cost`, block by block.

        Large blocks are split at random into blocks of SMALLEST_BLOCK rows or more; where even these need more than
        `most_pairs` costs, as many of them as allowed are coupled, and the other rows are left out.
        """
        if len(self.blocks) == len(self.left.outputs) == len(self.right.outputs):
            rows = [np.concatenate(column) for column in zip(*self.blocks, strict=True)]
            return Coupling(rows[0], rows[1], np.full(len(rows[0]), 1.0 / len(rows[0])))
        found = once(lambda: self._exact(cost, most_pairs, generator), "coupling", generator=generator)
        return Coupling(*found)

    def _exact(
        self, cost: Cost, most_pairs: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """The columns of `couple`'s coupling."""
        tasks = self._affordable(self._split(most_pairs, generator), most_pairs, generator)
        left = np.concatenate([np.repeat(rows0, len(rows1)) for rows0, rows1 in tasks])
        right = np.concatenate([np.tile(rows1, len(rows0)) for rows0, rows1 in tasks])
        costs = self._costs(cost, left, right)
        ends = np.cumsum([len(rows0) * len(rows1) for rows0, rows1 in tasks])[:-1]
        total = sum(len(rows0) for rows0, _ in tasks)
        parts = []
        for (rows0, rows1), block in zip(tasks, np.split(costs, ends), strict=True):
            pair = exact_coupling(block.reshape(len(rows0), len(rows1)))
            parts.append((rows0[pair.left], rows1[pair.right], pair.weight * len(rows0) / total))
        chosen = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return chosen[0], chosen[1], chosen[2]

    def _split(self, most_pairs: int, generator: np.random.Generator) -> list[Block]:
        size = max(SMALLEST_BLOCK, most_pairs // max(len(self.left.outputs), len(self.right.outputs)))
        tasks: list[Block] = []
        for rows0, rows1 in self.blocks:
            parts = min(-(-max(len(rows0), len(rows1)) // size), len(rows0), len(rows1))
            if parts == 1:
                tasks.append((rows0, rows1))
                continue
            split0 = np.array_split(generator.permutation(rows0), parts)
            split1 = np.array_split(generator.permutation(rows1), parts)
            tasks += list(zip(split0, split1, strict=True))
        return tasks

    @staticmethod
    def _affordable(tasks: list[Block], most_pairs: int, generator: np.random.Generator) -> list[Block]:
        sizes = np.array([len(rows0) * len(rows1) for rows0, rows1 in tasks])
        if sizes.sum() <= most_pairs:
            return tasks
        order = generator.permutation(len(tasks))
        count = max(1, int(np.searchsorted(np.cumsum(sizes[order]), most_pairs, side="right")))
        return [tasks[i] for i in np.sort(order[:count])]

    @torch.no_grad()
    def _costs(self, cost: Cost, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.float64]:
        device = self.left.outputs.device
        size = CHUNK_ON_CUDA if device.type == "cuda" else CHUNK
        results = []
        for start in range(0, len(left), size):
            rows0 = torch.as_tensor(left[start : start + size], device=device)
            rows1 = torch.as_tensor(right[start : start + size], device=device)
            condition = self.left.condition[rows0]
            first = self.left.outputs[rows0]
            block = cost(first, self._shorter(first, self.right.outputs[rows1]), condition)
            if not self.shared:
                block = block + _condition_penalty(condition, self.right.condition[rows1])
            results.append(block.cpu())
        costs = torch.cat(results).double().numpy()
        if not np.isfinite(costs).all():
            raise FitError("costs of moves are not finite; lower the learning rates, or check the harvest for outliers")
        return costs


@dataclass(frozen=True, eq=False)
class Edges:
    """The samples of all anchors, and the pairs of neighbours along whose edges they move.

    straight: the edges along which they move on straight lines, whatever the Lagrangian.
    """

    samples: Sequence[AnchorSamples]
    ends: Sequence[tuple[int, int]]
    straight: frozenset[tuple[int, int]] = frozenset()

    @cached_property
    def intervals(self) -> list[Interval]:
        """The interval of every edge."""
        return [Interval(self.samples[a], self.samples[b]) for a, b in self.ends]

    @cached_property
    def curved(self) -> list[int]:
        """The numbers of the edges on which paths may bend."""
        return [number for number, edge in enumerate(self.ends) if edge not in self.straight]


def euclidean_cost(start: Tensor, end: Tensor, condition: Condition) -> Tensor:
    """½ |y1 − y0|², the action of a straight line under K_I, (P,)."""
    return 0.5 * (end - start).square().sum(-1)


def _condition_penalty(left: Condition, right: Condition) -> Tensor:
    penalty = CONDITION_PENALTY * 0.5 * (left.values - right.values).square().sum(-1)
    return penalty + CATEGORY_PENALTY * (left.codes != right.codes).sum(-1)


def _rows_by_group(groups: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
