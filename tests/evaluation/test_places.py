"""Cells of λ, weights of their corners, nearest anchors, points beside anchors."""

import numpy as np
import pytest

from pipeline.clocks.clock import Clock
from pipeline.data.anchors import Anchors
from pipeline.data.mesh import Grid, Simplices, axes_of, grid_of
from pipeline.data.values import numbers, value_of
from pipeline.errors import HyperparameterError
from pipeline.evaluation.places import (
    around,
    beside,
    box_weights,
    linear_mesh,
    linear_weights,
    nearest,
    place_between,
    place_of,
)
from pipeline.surrogate.cells import make_mesh

AXES = {"a": (0.0, 1.0, 3.0), "b": (10.0, 20.0), "c": (0.1, 0.2)}
SCATTERED = [(0.1, 0.1), (2.0, 0.2), (0.3, 2.0), (1.9, 1.9), (0.9, 1.0)]


def grid(count) -> Grid:
    values = list(AXES.values())[:count]
    vertices = [tuple(v) for v in np.stack(np.meshgrid(*values, indexing="ij"), -1).reshape(-1, count).tolist()]
    made = grid_of(vertices, axes_of(vertices, list(AXES)[:count]), tuple(range(count)))
    assert made is not None
    return made


def scattered(clock) -> Simplices:
    axes = axes_of(SCATTERED, ["a", "b"])
    made = make_mesh(SCATTERED, ["a", "b"], [Clock(clock, axis.values) for axis in axes], (0, 1))
    assert isinstance(made, Simplices)
    return made


@pytest.mark.parametrize("count", [1, 2, 3])
def test_linear_weights_reproduce_λ_in_boxes(count):
    mesh = grid(count)
    for value in [(0.3, 12.0, 0.16), (1.0, 20.0, 0.1), (2.9, 15.0, 0.2)]:
        place = place_of(mesh, value[:count])
        weights = linear_weights(place, value[:count])
        assert sum(weights) == pytest.approx(1)
        assert min(weights) >= 0
        corners = np.array([mesh.vertices[k] for k in place.corners])
        np.testing.assert_allclose(np.array(weights) @ corners, value[:count])


def test_with_one_hyperparameter_weights_are_those_of_the_line():
    mesh, axis = grid(1), Anchors(AXES["a"])
    for value in (0.3, 1.7):
        place, k = place_of(mesh, (value,)), axis.interval(value)
        left, right = axis.values[k], axis.values[k + 1]
        assert place.values == (left, right)
        s = (value - left) / (right - left)
        assert linear_weights(place, (value,)) == pytest.approx([1 - s, s])


@pytest.mark.parametrize("clock", ["linear", "log"])
def test_linear_weights_reproduce_λ_in_simplices_whatever_the_clock_is(clock):
    mesh = linear_mesh(scattered(clock))
    for value in [(0.8, 0.8), (1.6, 1.2), (0.6, 1.4)]:
        place = place_of(mesh, value)
        corners = np.array([mesh.vertices[k] for k in place.corners])
        np.testing.assert_allclose(linear_weights(place, value) @ corners, value)


def test_box_weights_are_in_the_order_of_the_corners():
    assert box_weights([0.25, 0.5]) == [0.375, 0.375, 0.125, 0.125]
    s = np.array([0.0, 1.0])
    np.testing.assert_array_equal(box_weights([s, 0 * s]), [[1, 0], [0, 0], [0, 1], [0, 0]])


def test_the_nearest_anchor_does_not_depend_on_units():
    mesh = grid(2)
    assert mesh.vertices[nearest(mesh, (0.4, 19.0))] == (0.0, 20.0)
    assert mesh.vertices[nearest(mesh, (2.2, 10.4))] == (3.0, 10.0)
    assert nearest(mesh, (0.5, 15.0)) == 0  # all four corners are equally near


@pytest.mark.parametrize("value", np.linspace(0, 3, 61).tolist())
def test_with_one_hyperparameter_a_tie_goes_to_the_left(value):
    assert nearest(grid(1), (value,)) == (0 if value <= 0.5 else 1 if value <= 2 else 2)


def test_rounding_decides_no_tie():
    assert nearest(Grid.line(Anchors((0.1, 0.3))), (0.2,)) == 0


@pytest.mark.parametrize("mesh", [grid(1), grid(2), grid(3), scattered("linear"), scattered("log")])
def test_a_point_beside_an_anchor_is_close_inside_the_cell_and_another(mesh):
    ranges = np.array([np.ptp(axis.values) for axis in mesh.axes])
    for parent, child in mesh.tree(0):
        place = place_between(mesh, parent, child)
        assert {parent, child} <= set(place.corners)
        point = np.array(numbers(beside(place, child)))
        away = np.abs(point - mesh.vertices[child]) / ranges
        assert 0 < away.max() < 1e-3
        moved = zip(mesh.axes, point.tolist(), mesh.vertices[child], strict=True)
        assert all(axis.near(v) is None for axis, v, corner in moved if v != corner)
        assert mesh.cell_rows(point[None])[0] == place.cell


@pytest.mark.parametrize("count", [1, 2, 3])
def test_around_an_anchor_is_itself_and_inside_a_cell_are_all_corners(count):
    mesh = grid(count)
    for k, vertex in enumerate(mesh.vertices):
        assert around(mesh, value_of(vertex)) == (k,)
    inside = value_of((0.5, 15.0, 0.15)[:count])
    assert set(around(mesh, inside)) == set(place_of(mesh, numbers(inside)).corners)


def test_around_a_point_of_a_face_are_the_corners_of_the_face():
    mesh = grid(3)
    assert {mesh.vertices[k] for k in around(mesh, (1.0, 15.0, 0.1))} == {(1.0, 10.0, 0.1), (1.0, 20.0, 0.1)}


def test_around_a_point_between_scattered_anchors():
    mesh = scattered("linear")
    for k, vertex in enumerate(mesh.vertices):
        assert around(mesh, vertex) == (k,)
    assert len(around(mesh, (0.8, 0.7))) == 3
    with pytest.raises(HyperparameterError, match="outside the anchors' hull"):
        around(mesh, (0.1, 1.9))
