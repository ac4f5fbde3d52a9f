"""Outputs of neighbouring anchors at the asked condition: y ~ p_k(· | x) and its partner z ~ p_{k+1}(· | x).

With both ends known there is no map error: a path runs from an output of one network to an output of the other, so
the surrogate is exact at every anchor and continuous in λ. A draw keeps its number across the anchors: draws of
neighbouring anchors are matched outwards from the middle anchor, so one draw is a continuous function of λ over the
whole range. With several hyperparameters they are matched along a spanning tree of the anchors' edges.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Mesh, pruned
from pipeline.data.network import Network, Reparameterised
from pipeline.data.samples import group_rows
from pipeline.surrogate.cells import Edge
from pipeline.surrogate.draws import Keys, Rows, condition_keys, draw_block, normal, numbered_keys, uniform
from pipeline.transport import ops
from pipeline.transport.column_kinds import squared_arcs
from pipeline.transport.condition import Condition

MATCHED = 128
"""Draws of a condition are matched in blocks of this size."""
MOST_ROWS = 512
"""Limit on a harvest's draws of one condition that are matched."""
CHUNK = 256
"""Conditions per batch of matchings, which bounds memory."""

Draw = Callable[[int], NDArray[np.floating]]
"""Anchor → draws (T, n, D) of T conditions, in the outputs' own units."""
Sample = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Outputs (N, D) and conditions (N, C) of an anchor."""
Outputs = list[NDArray[np.floating]]
"""Outputs (N, draws, D) of neighbouring anchors, draw by draw."""


Mapped = Callable[[NDArray[np.floating], Edge], NDArray[np.float64]]
"""Outputs (T, n, D) of an edge's first anchor, and the edge → T_e of them, standardised, (T, n, D)."""
Encode = Callable[[NDArray[np.float64]], Condition]
"""Conditions (N, C) → encoded."""


class Images(Protocol):
    """What matching draws asks of a fitted surrogate."""

    @property
    def period(self) -> NDArray[np.float64]:
        """The outputs' periods (D,) in standardised units; 0 where one does not wrap."""
        ...

    def encode(self, conditions: NDArray[np.float64]) -> Condition:
        """Conditions (N, C) encoded."""
        ...

    def standard(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Outputs (…, D) standardised."""
        ...

    def at(self, conditions: NDArray[np.float64]) -> Mapped:
        """The images of outputs (T, n, D) at conditions (T · n, C), standardised."""
        ...


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

    def __init__(self, networks: Sequence[Network], images: Images, mesh: Mesh) -> None:
        self._networks, self._images, self._mesh = networks, images, mesh

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

        return matched(draw, anchors, self._mesh, x, self._images)


class HarvestEnds:
    """Without networks: the harvest's samples of the nearest condition, coupled across the anchors."""

    def __init__(self, samples: Sequence[Sample], deterministic: bool, images: Images, mesh: Mesh) -> None:
        self._outputs, self._conditions = ([sample[i] for sample in samples] for i in (0, 1))
        self._deterministic, self._images, self._mesh = deterministic, images, mesh
        self._groups = [Groups(x) for x in self._conditions]

    def outputs(
        self, anchors: Sequence[int], conditions: NDArray[np.float64], rows: Rows, draws: int, seed: int
    ) -> Outputs:
        """As `Ends.outputs`: every block of as many draws as the harvest has is a permutation of them."""
        asked = conditions[rows.distinct]
        nearest = [groups.nearest(asked, self._images.encode) for groups in self._groups]
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

        return [outputs[0] for outputs in matched(draw, anchors, self._mesh, x[None], self._images)]


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

    def nearest(self, asked: NDArray[np.float64], encode: Encode) -> NDArray[np.intp]:
        """The number of the known condition nearest to each of `asked` (U, C)."""
        known, wanted = encode(self._known), encode(asked)
        found = [wanted[i : i + CHUNK].distances(known).argmin(1) for i in range(0, len(wanted), CHUNK)]
        return np.concatenate([np.zeros(0, np.intp), *map(ops.to_numpy, found)])


def matched(draw: Draw, anchors: Sequence[int], mesh: Mesh, x: NDArray[np.float64], images: Images) -> Outputs:
    """Draws (T, n, D) of anchors at conditions x (T, C), matched row by row.

    π = argmin Σ_i |T_k(y^i | x) − z^{π(i)}|² in standardised units, over permutations. Draws keep their own order at
    the root of the mesh's spanning tree, the middle anchor; outwards from there every anchor's draws are permuted into
    the order of their partners, so that it does not depend on the anchors asked for.
    """
    tree = mesh.spanning_tree
    root = tree[0][0]
    ordered = {root: draw(root)}
    image = images.at(np.repeat(x, ordered[root].shape[1], axis=0))
    for parent, child in pruned(tree, anchors):
        own = draw(child)
        up, down = (parent, child), (child, parent)
        if up in mesh.edge_numbers:
            partners, moved = image(ordered[parent], Edge(mesh.edge_numbers[up], up)), images.standard(own)
        else:
            partners, moved = images.standard(ordered[parent]), image(own, Edge(mesh.edge_numbers[down], down))
        ordered[child] = _in_order(partners, moved, own, images.period)
    return [ordered[k] for k in anchors]


def _in_order(
    partners: NDArray[np.float64],
    moved: NDArray[np.float64],
    own: NDArray[np.floating],
    period: NDArray[np.float64],
) -> NDArray[np.floating]:
    """Draws `own` (T, n, D) so that what they moved to (T, n, D) is, the i-th, nearest to the i-th of its partners."""
    from scipy.optimize import linear_sum_assignment  # of no use to deterministic networks, and slow to import

    result = np.empty_like(own)
    for t in range(len(own)):
        squares = (partners[t] ** 2).sum(1)[:, None] + (moved[t] ** 2).sum(1) - 2 * partners[t] @ moved[t].T
        squares += squared_arcs(partners[t], moved[t], period)
        result[t] = own[t][linear_sum_assignment(squares)[1]]
    return result


def permuted(numbers: NDArray[np.intp], count: int, key: np.uint64) -> NDArray[np.intp]:
    """The sample index of draws with these numbers: every block of `count` draws is a permutation."""
    blocks, of_block = np.unique(numbers // count, return_inverse=True)
    keys = numbered_keys(np.full(len(blocks), key), blocks)
    order = np.argsort(uniform(keys, count), axis=1)
    return np.asarray(order[of_block.reshape(numbers.shape), numbers % count])


def make_ends(
    networks: Sequence[Network] | None,
    samples: Sequence[Sample],
    deterministic: bool,
    images: Images,
    mesh: Mesh,
) -> Ends:
    """The source of a surrogate's ends: its networks if it has them, else the harvest's samples."""
    if networks is None:
        return HarvestEnds(samples, deterministic, images, mesh)
    if deterministic:
        return DeterministicEnds(networks)
    reparameterised = [n for n in networks if isinstance(n, Reparameterised) and n.coupled_by_noise]
    if len(reparameterised) == len(networks):
        return EqualNoiseEnds(reparameterised)
    return MatchedEnds(networks, images, mesh)
