"""Vertices, edges and cells of anchors; where a λ lies among them."""

import numpy as np
import pytest

from pipeline.data.anchors import Anchors
from pipeline.data.mesh import Grid, Simplices, axes_of, grid_of, locate_rows, pruned
from pipeline.errors import ConfigurationError, HyperparameterError

NAMES = ("turn", "radius")
VERTICES = [(t, r) for t in (0.0, 0.5, 1.0) for r in (0.0, 1.0)]
AXES = axes_of(VERTICES, NAMES)


def grid(order=(0, 1)) -> Grid:
    made = grid_of(VERTICES, AXES, order)
    assert made is not None
    return made


def scattered(vertices) -> Simplices:
    return Simplices(axes_of(vertices, NAMES), tuple(vertices), lambda values: values)


def test_a_line_has_intervals_as_cells():
    line = Grid.line(Anchors((0.0, 0.5, 1.0)))
    assert line.edges == ((0, 1), (1, 2))
    assert [line.corners(cell) for cell in range(line.cell_count)] == [(0, 1), (1, 2)]
    assert line.spanning_tree == [(1, 2), (1, 0)]


def test_a_grid_has_an_edge_for_every_pair_of_neighbours():
    assert set(grid().edges) == {(0, 2), (2, 4), (1, 3), (3, 5), (0, 1), (2, 3), (4, 5)}
    assert [grid().corners(cell) for cell in range(grid().cell_count)] == [(0, 1, 2, 3), (2, 3, 4, 5)]


def test_vertices_keep_their_numbers_in_any_order_of_anchors():
    shuffled = [VERTICES[k] for k in (5, 2, 0, 3, 4, 1)]
    made = grid_of(shuffled, AXES, (0, 1))
    assert made is not None
    assert list(made.vertices) == shuffled
    corners = {shuffled[k] for k in made.corners(0)}
    assert corners == {(0.0, 0.0), (0.0, 1.0), (0.5, 0.0), (0.5, 1.0)}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("root", range(6))
def test_the_tree_reaches_every_vertex_along_edges(order, root):
    made = grid(order)
    tree = made.tree(root)
    reached = {root}
    for parent, child in tree:
        assert parent in reached
        assert child not in reached
        assert (parent, child) in made.edge_numbers or (child, parent) in made.edge_numbers
        reached.add(child)
    assert reached == set(range(6))


def test_the_first_coordinate_of_the_order_is_coupled_first():
    # From 00: 00–10 along the first coordinate, then 00–01 and 10–11 along the second.
    assert grid((0, 1)).cell_tree(0) == [(0, 2), (0, 1), (2, 3)]
    assert grid((1, 0)).cell_tree(0) == [(0, 1), (0, 2), (1, 3)]


def test_a_tree_is_pruned_to_the_way_that_leads_to_a_vertex():
    assert pruned(grid().tree(0), [5]) == [(0, 2), (2, 4), (4, 5)]
    assert pruned(grid().tree(0), [0]) == []


def test_a_missing_combination_is_no_grid():
    assert grid_of(VERTICES[:-1], axes_of(VERTICES[:-1], NAMES), (0, 1)) is None


def test_a_cube_has_eight_corners():
    vertices = [(a, b, c) for a in (0.0, 1.0) for b in (0.0, 1.0) for c in (0.0, 1.0)]
    made = grid_of(vertices, axes_of(vertices, "abc"), (0, 1, 2))
    assert made is not None
    assert made.corners(0) == tuple(range(8))
    assert len(made.edges) == 12


def test_barycentric_weights_give_the_point_back():
    vertices = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.4, 0.6)]
    made = scattered(vertices)
    points = np.random.default_rng(0).random((200, 2))
    for cell in np.unique(cells := made.cell_rows(points)):
        own = points[cells == cell]
        weights = made.weights(int(cell), own)
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(1), 1)
        np.testing.assert_allclose(weights @ np.array(vertices)[list(made.corners(int(cell)))], own, atol=1e-12)


def test_a_point_outside_the_hull_is_refused():
    made = scattered([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    made.check_inside(np.array([[0.5, 0.5]]))  # on the hull
    with pytest.raises(HyperparameterError, match=r"\(turn, radius\) = \(0.9, 0.9\) lies outside the anchors' hull"):
        made.check_inside(np.array([[0.2, 0.2], [0.9, 0.9]]))


def test_anchors_on_one_line_span_nothing():
    with pytest.raises(ConfigurationError, match="span no volume in 2 hyperparameters"):
        _ = scattered([(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]).edges


@pytest.mark.parametrize(
    "given",
    [
        [0.5, 0.25],
        [[0.5, 0.25]],
        [[0.5, 0.25]] * 3,
        {"turn": 0.5, "radius": 0.25},
        {"radius": [0.25, 0.25, 0.25], "turn": 0.5},
    ],
)
def test_one_for_all_rows_or_one_a_row(given):
    assert locate_rows(given, 3, AXES).tolist() == [[0.5, 0.25]] * 3


def test_a_value_within_the_tolerance_is_the_anchor():
    assert locate_rows([np.float32(0.5) + 1e-7, 1 - 1e-7], 1, AXES).tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0.5, r"shape \(\); give \(turn, radius\) as \(2,\)"),
        ([0.5, 0.5, 0.5], r"shape \(3,\)"),
        ([[0.5], [0.5]], r"shape \(2, 1\)"),
        ({"turn": 0.5}, r"exactly \['turn', 'radius'\] are needed"),
        ({"turn": 0.5, "radius": "wide"}, "radius = 'wide' must be a real number"),
        ([0.5, 1.5], r"radius = 1.5 lies outside the anchors' range"),
    ],
)
def test_other_shapes_and_values_are_refused(given, message):
    with pytest.raises(HyperparameterError, match=message):
        locate_rows(given, 3, AXES)


def test_a_shape_that_can_be_read_in_two_ways_is_refused():
    with pytest.raises(HyperparameterError, match=r"can be read in two ways; give \(1, 2\) for one λ, \(2, 2\)"):
        locate_rows([0.5, 0.5], 2, AXES)
    assert locate_rows([[0.5, 0.5]], 2, AXES).shape == (2, 2)
