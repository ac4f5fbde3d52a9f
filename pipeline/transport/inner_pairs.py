"""Pairs of points inside the cells of several hyperparameters, which nested geodesics join.

q1 = S(y01, y11)(s1) is no anchor's sample, so a path network that knows the anchors' samples alone would be asked off
its training data. Corners' samples are matched along the couplings of the edges, as the served draws are.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.mesh import Grid, Mesh
from pipeline.transport.coupling import Coupling
from pipeline.transport.nested import in_box, in_simplex, on_line
from pipeline.transport.pairs import Edges, Pairs
from pipeline.transport.path import PathNetwork

NOBODY = -1
"""The partner of a row that a coupling leaves out."""


class Cells:
    """The cells of the anchors, and how the samples of their corners are matched."""

    def __init__(self, mesh: Mesh, edges: Edges) -> None:
        self._mesh, self._edges = mesh, edges
        self._partners: dict[tuple[int, int], NDArray[np.intp]] = {}

    @property
    def bent(self) -> bool:
        """Whether a geodesic inside a cell can bend: one along another coordinate than the first."""
        mesh = self._mesh
        return not isinstance(mesh, Grid) or any(p not in mesh.straight for p in mesh.order[1:])

    def match(self, couplings: Sequence[Coupling]) -> None:
        """Take over the couplings of all edges: every row's first partner, in both directions."""
        for (a, b), coupling in zip(self._edges.ends, couplings, strict=True):
            ways = ((a, b), coupling.left, coupling.right), ((b, a), coupling.right, coupling.left)
            for ends, rows, partners in ways:
                found = np.full(len(self._edges.samples[ends[0]].outputs), NOBODY, np.intp)
                found[rows[::-1]] = partners[::-1]
                self._partners[ends] = found

    @torch.no_grad()
    def draw(self, count: int, paths: PathNetwork, generator: torch.Generator) -> Pairs:
        """About `count` pairs, or more with three hyperparameters, that geodesics join inside a random cell."""
        cell = int(torch.randint(self._mesh.cell_count, (1,), generator=generator))
        corners = self._mesh.corners(cell)
        samples = [self._edges.samples[c] for c in corners]
        rows = self._matched(cell, corners, count, generator)
        condition = samples[0].condition[rows[0]]
        points = [sample.outputs[own] for sample, own in zip(samples, rows, strict=True)]
        ends: list[tuple[Tensor, Tensor]] = []

        def known(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
            return paths.at_positions(start, end, condition, share)[:, 0]

        def between(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
            ends.append((start, end))
            return known(start, end, share)

        shares = torch.rand((len(points[0]), len(corners)), generator=generator).to(points[0].device)
        if isinstance(self._mesh, Grid):
            columns = [shares[:, p : p + 1] for p in range(len(self._mesh.axes))]
            ways = [on_line if p in self._mesh.straight else between for p in range(len(columns))]
            first = self._mesh.order[0]
            if first not in self._mesh.straight:
                ways[first] = known  # the edges' own pairs
            in_box(points, columns, self._mesh.order, ways)
        else:
            in_simplex(points, shares / shares.sum(1, keepdim=True), between)
            del ends[0]
        weight = torch.ones(len(condition), device=points[0].device)
        return Pairs.combine([Pairs(start, end, condition, weight) for start, end in ends], torch.cat)

    def _matched(self, cell: int, corners: Sequence[int], count: int, generator: torch.Generator) -> list[Tensor]:
        """Rows of all corners' samples, matched, from `count` random rows of the first."""
        first = self._edges.samples[corners[0]].outputs
        matched = {corners[0]: torch.randint(len(first), (count,), generator=generator).numpy()}
        for parent, child in self._mesh.cell_tree(cell):
            known = matched[parent]
            matched[child] = np.where(known == NOBODY, NOBODY, self._partners[(parent, child)][known])
        whole = np.all([matched[c] != NOBODY for c in corners], axis=0)
        return [torch.from_numpy(matched[c][whole]).to(first.device) for c in corners]
