"""Which corners of a cell a point of it depends on."""

import numpy as np
import pytest

from pipeline.clocks.clock import Clock
from pipeline.surrogate.cells import carrying, make_mesh

NAMES = ("a", "b")
CLOCKS = [Clock("linear", (0.0, 1.0, 2.0)), Clock("linear", (0.0, 2.0))]
SIX = [(a, b) for a in (0.0, 1.0, 2.0) for b in (0.0, 2.0)]
TRIANGLE = [(0.0, 0.0), (2.0, 0.0), (0.0, 2.0)]


def carriers(vertices, target):
    mesh = make_mesh(vertices, NAMES, CLOCKS, (0, 1))
    (cell,) = mesh.cell_rows(np.array([target])).tolist()
    return {mesh.vertices[k] for k in carrying(mesh, cell, target)}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ((0.5, 1.0), {(0.0, 0.0), (0.0, 2.0), (1.0, 0.0), (1.0, 2.0)}),
        ((1.0, 0.5), {(1.0, 0.0), (1.0, 2.0)}),
        ((1.5, 0.0), {(1.0, 0.0), (2.0, 0.0)}),
        ((1.5, 2.0), {(1.0, 2.0), (2.0, 2.0)}),
        ((2.0, 2.0), {(2.0, 2.0)}),
    ],
)
def test_points_of_a_grid_depend_on_the_corners_of_their_side(target, expected):
    assert carriers(SIX, target) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ((0.5, 0.5), set(TRIANGLE)),
        ((0.7, 0.0), {(0.0, 0.0), (2.0, 0.0)}),
        ((0.7, 1.3), {(2.0, 0.0), (0.0, 2.0)}),
        ((0.0, 2.0), {(0.0, 2.0)}),
    ],
)
def test_points_of_a_simplex_depend_on_the_corners_of_their_face(target, expected):
    mesh = make_mesh(TRIANGLE, NAMES, [Clock("linear", (0.0, 2.0))] * 2, (0, 1))
    (cell,) = mesh.cell_rows(np.array([target])).tolist()
    assert {mesh.vertices[k] for k in carrying(mesh, cell, target)} == expected
