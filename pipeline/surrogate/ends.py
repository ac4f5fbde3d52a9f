"""Outputs of neighbouring anchors at the asked condition: y ~ p_k(· | x) and its partner z ~ p_{k+1}(· | x).

With both ends known there is no map error: a path runs from an output of one network to an output of the other, so
the surrogate is exact at every anchor and continuous in λ. A draw keeps its number across the anchors: draws of
neighbouring anchors are matched outwards from the middle anchor, so one draw is a continuous function of λ over the
whole range. With several hyperparameters they are matched along a spanning tree of the anchors' edges.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.mesh import Mesh, pruned
from pipeline.data.network import Network, Reparameterised
from pipeline.data.samples import group_rows
from pipeline.surrogate.draws import Keys, Rows, condition_keys, draw_block, normal, numbered_keys, uniform
from pipeline.surrogate.parts import Edge, Parts
from pipeline.surrogate.trajectory import latent
from pipeline.transport.column_kinds import squared_arcs
from pipeline.transport.condition import Condition
from pipeline.transport.standardise import Standardiser

MATCHED = 128
"""Draws of a condition are matched in blocks of this size."""
MOST_ROWS = 512
"""Limit on a harvest's draws of one condition that are matched."""
CHUNK = 256
"""Conditions per batch of matchings, which bounds memory."""

Draw = Callable[[int], NDArray[np.floating]]
"""Anchor → draws (T, n, D) of T conditions, in the outputs' own units."""
Outputs = list[NDArray[np.floating]]
"""Outputs (N, draws, D) of neighbouring anchors, draw by draw."""


class Ends(Protocol):
    """The source of the anchors' outputs."""

    def outputs(
        self, anchors: Sequence[int], conditions: NDArray[np.float64], rows: Rows, draws: int, seed: int
    ) -> Outputs:
        """Outputs of neighbouring anchors at conditions (N, C), grouped by `rows`."""
        ...


class DeterministicEnds:
    """One output a condition: y_k = f_k(x)."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def outputs(
        self, anchors: Sequence[int], conditions: NDArray[np.float64], rows: Rows, draws: int, seed: int
    ) -> Outputs:
        """As `Ends.outputs`; equal draws are computed once."""
        x = conditions.astype(np.float32)
        return [np.repeat(self._networks[k].outputs(x, 1, seed), draws, axis=1) for k in anchors]


class EqualNoiseEnds:
    """Reparameterised policies: equal noise at both ends is the coupling."""

    def __init__(self, networks: Sequence[Reparameterised]) -> None:
        self._networks = networks

    def outputs(
        self, anchors: Sequence[int], conditions: NDArray[np.float64], rows: Rows, draws: int, seed: int
    ) -> Outputs:
        """As `Ends.outputs`."""
        keys = np.repeat(condition_keys(conditions, seed), draws)
        numbers = (rows.occurrence[:, None] * draws + np.arange(draws)).reshape(-1)
        noise = normal(numbered_keys(keys, numbers), self._networks[anchors[0]].noise_dimension)
        noise = noise.reshape(len(conditions), draws, -1)
        x = conditions.astype(np.float32)
        return [self._networks[k].from_noise(x, noise) for k in anchors]


class MatchedEnds:
    """Draws of both ends' networks, matched by exact assignment of the mapped left draws to the right ones."""

    def __init__(self, networks: Sequence[Network], parts: Parts, mesh: Mesh) -> None:
        self._networks, self._parts, self._mesh = networks, parts, mesh

    def outputs(
        self, anchors: Sequence[int], conditions: NDArray[np.float64], rows: Rows, draws: int, seed: int
    ) -> Outputs:
        """As `Ends.outputs`: whole blocks of MATCHED draws are seeded by (seed, x), and the first draws returned."""
        numbers = rows.occurrence[:, None] * draws + np.arange(draws)
        tasks = np.stack([np.broadcast_to(rows.number[:, None], numbers.shape), numbers // MATCHED], axis=-1)
        wanted, task = np.unique(tasks.reshape(-1, 2), axis=0, return_inverse=True)
        x = conditions[rows.distinct[wanted[:, 0]]]
        keys = numbered_keys(condition_keys(x, seed), wanted[:, 1])
        blocks = [self._block(anchors, x[i : i + CHUNK], keys[i : i + CHUNK]) for i in range(0, len(x), CHUNK)]
        at = task.reshape(-1), (numbers % MATCHED).reshape(-1)
        return [np.concatenate(of_anchor)[at].reshape(*numbers.shape, -1) for of_anchor in zip(*blocks, strict=True)]

    def _block(self, anchors: Sequence[int], x: NDArray[np.float64], keys: Keys) -> Outputs:
        def draw(anchor: int) -> NDArray[np.float32]:
            return draw_block(self._networks[anchor], x.astype(np.float32), keys, MATCHED)

        return matched(draw, anchors, self._mesh, x, self._parts)


class HarvestEnds:
    """Without networks: the harvest's samples of the nearest condition, coupled across the anchors."""

    def __init__(self, samples: Sequence[tuple[Tensor, Tensor]], deterministic: bool, parts: Parts, mesh: Mesh) -> None:
        self._outputs = [y.double().numpy() for y, _ in samples]
        self._conditions = [x.numpy() for _, x in samples]
        self._deterministic, self._parts, self._mesh = deterministic, parts, mesh
        self._groups = [Groups(x) for x in self._conditions]

    def outputs(
        self, anchors: Sequence[int], conditions: NDArray[np.float64], rows: Rows, draws: int, seed: int
    ) -> Outputs:
        """As `Ends.outputs`: every block of as many draws as the harvest has is a permutation of them."""
        asked = conditions[rows.distinct]
        nearest = [groups.nearest(asked, self._parts.scaling) for groups in self._groups]
        keys = condition_keys(conditions, seed)
        shape = (len(conditions), draws, self._outputs[0].shape[1])
        result: Outputs = [np.empty(shape) for _ in anchors]
        for u in range(len(asked)):
            members = np.flatnonzero(rows.number == u)
            known = self._ordered(anchors, asked[u], [int(n[u]) for n in nearest])
            numbers = rows.occurrence[members, None] * draws + np.arange(draws)
            picked = permuted(numbers, len(known[0]), keys[members[0]])
            for outputs, samples in zip(result, known, strict=True):
                outputs[members] = samples[picked]
        return result

    def _ordered(self, anchors: Sequence[int], x: NDArray[np.float64], nearest: Sequence[int]) -> Outputs:
        """The harvest's samples (n, D) of the anchors, matched row by row."""
        rows = [groups.rows(number) for groups, number in zip(self._groups, nearest, strict=True)]
        if self._deterministic:
            rows = [r[:1] for r in rows]
        count = min(MOST_ROWS, max(map(len, rows)))

        def draw(anchor: int) -> NDArray[np.floating]:
            return self._outputs[anchor][np.resize(rows[anchor], count)][None]

        return [outputs[0] for outputs in matched(draw, anchors, self._mesh, x[None], self._parts)]


class Groups:
    """The rows of an anchor's sample by their conditions."""

    def __init__(self, conditions: NDArray[np.float64]) -> None:
        (group,) = group_rows(conditions)
        self._order, counts = np.argsort(group, kind="stable"), np.bincount(group)
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._known = conditions[self._order[self._starts[:-1]]]

    def rows(self, number: int) -> NDArray[np.intp]:
        """The rows of the condition of that number."""
        return self._order[self._starts[number] : self._starts[number + 1]]

    def nearest(self, asked: NDArray[np.float64], scaling: Standardiser) -> NDArray[np.intp]:
        """The number of the known condition nearest to each of `asked` (U, C)."""
        device = scaling.output_mean.device
        known, wanted = (scaling.condition(torch.from_numpy(x).to(device)) for x in (self._known, asked))
        found = [wanted[i : i + CHUNK].distances(known).argmin(1) for i in range(0, len(wanted), CHUNK)]
        return torch.cat(found).cpu().numpy() if found else np.zeros(0, np.intp)


def matched(draw: Draw, anchors: Sequence[int], mesh: Mesh, x: NDArray[np.float64], parts: Parts) -> Outputs:
    """Draws (T, n, D) of anchors at conditions x (T, C), matched row by row.

    π = argmin Σ_i |T_k(y^i | x) − z^{π(i)}|² in standardised units, over permutations. Draws keep their own order at
    the root of the mesh's spanning tree, the middle anchor; outwards from there every anchor's draws are permuted into
    the order of their partners, so that it does not depend on the anchors asked for.
    """
    tree = mesh.spanning_tree
    root = tree[0][0]
    ordered = {root: draw(root)}
    given = torch.from_numpy(np.repeat(x, ordered[root].shape[1], axis=0)).to(parts.scaling.output_mean.device)
    where = given, parts.scaling.condition(given)
    for parent, child in pruned(tree, anchors):
        own = draw(child)
        up, down = (parent, child), (child, parent)
        if up in mesh.edge_numbers:
            partners, images = _mapped(ordered[parent], *where, Edge(mesh.edge_numbers[up], up), parts), None
        else:
            partners = _standard(ordered[parent], parts)
            images = _mapped(own, *where, Edge(mesh.edge_numbers[down], down), parts)
        ordered[child] = _in_order(partners, own, parts, images)
    return [ordered[k] for k in anchors]


def _in_order(
    partners: NDArray[np.float64], own: NDArray[np.floating], parts: Parts, images: NDArray[np.float64] | None = None
) -> NDArray[np.floating]:
    """Draws (T, n, D) so that the i-th, or its image, is nearest to the i-th of its partners (T, n, D)."""
    from scipy.optimize import linear_sum_assignment  # of no use to deterministic networks, and slow to import

    images = _standard(own, parts) if images is None else images
    result, period = np.empty_like(own), parts.scaling.standard_period.cpu().numpy()
    for t in range(len(own)):
        squares = (partners[t] ** 2).sum(1)[:, None] + (images[t] ** 2).sum(1) - 2 * partners[t] @ images[t].T
        squares += squared_arcs(partners[t], images[t], period)
        result[t] = own[t][linear_sum_assignment(squares)[1]]
    return result


def _standard(outputs: NDArray[np.floating], parts: Parts) -> NDArray[np.float64]:
    tensor = torch.from_numpy(outputs).double().to(parts.scaling.output_mean.device)
    return np.asarray(parts.scaling.standardise(tensor).double().cpu().numpy())


@torch.no_grad()
def _mapped(
    outputs: NDArray[np.floating], given: Tensor, x: Condition, edge: Edge, parts: Parts
) -> NDArray[np.float64]:
    """T_e of outputs (T, n, D) of an edge's first anchor, standardised.

    given: their conditions (T · n, C), x: the same, encoded.
    """
    flat = torch.from_numpy(outputs.reshape(-1, outputs.shape[-1])).double().to(given.device)
    anchor = edge.ends[0]
    flat = parts.angles.lifted(flat, x, anchor)
    moved = parts.image(latent(parts, flat, given, x, anchor), x, edge)
    if parts.atoms.columns:
        moved = parts.scaling.standardise(parts.atoms.clipped(parts.scaling.restore(moved)))
    return moved.double().cpu().numpy().reshape(outputs.shape)


def permuted(numbers: NDArray[np.intp], count: int, key: np.uint64) -> NDArray[np.intp]:
    """The sample index of draws with these numbers: every block of `count` draws is a permutation."""
    blocks, of_block = np.unique(numbers // count, return_inverse=True)
    keys = numbered_keys(np.full(len(blocks), key), blocks)
    order = np.argsort(uniform(keys, count), axis=1)
    return np.asarray(order[of_block.reshape(numbers.shape), numbers % count])


def make_ends(
    networks: Sequence[Network] | None,
    samples: Sequence[tuple[Tensor, Tensor]],
    deterministic: bool,
    parts: Parts,
    mesh: Mesh,
) -> Ends:
    """The source of a surrogate's ends: its networks if it has them, else the harvest's samples."""
    if networks is None:
        return HarvestEnds(samples, deterministic, parts, mesh)
    if deterministic:
        return DeterministicEnds(networks)
    reparameterised = [n for n in networks if isinstance(n, Reparameterised) and n.coupled_by_noise]
    if len(reparameterised) == len(networks):
        return EqualNoiseEnds(reparameterised)
    return MatchedEnds(networks, parts, mesh)
