"""The error map: anchors, edges and errors in their places."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from pipeline.evaluation.scores import SURROGATE
from pipeline.report import error_map
from pipeline.report.error_map import Shown, best_baselines
from tests.report.planes import GRID, HELD_OUT, SCATTERED, Drift, schema_of, score_of, squares


def circles(ax):
    (found,) = [c for c in ax.collections if isinstance(c, PathCollection)]
    return found


def by_place(ax):
    """The figures of the circles of a map by their λ."""
    return dict(zip(map(tuple, circles(ax).get_offsets().tolist()), circles(ax).get_array().tolist(), strict=True))


def test_the_error_map_has_anchors_edges_and_errors_in_their_places(draw):
    evaluation, _, figures = draw(Drift(miss=0.5))
    figure, ((errors, ratios, spreads),) = figures["errors.png"]
    (anchors,) = squares(errors)
    assert {tuple(row) for row in anchors.tolist()} == set(GRID)
    edges = [line for line in errors.lines if line.get_marker() == "None"]
    assert len(edges) == 7
    assert all(sum(np.ptp(line.get_xydata(), axis=0) > 0) == 1 for line in edges)
    assert by_place(errors) == evaluation.surrogate
    best = best_baselines(evaluation)
    assert by_place(ratios) == pytest.approx(
        {v: evaluation.at(SURROGATE, v).error / evaluation.at(best[v], v).error for v in HELD_OUT}
    )
    at = {v: evaluation.at(SURROGATE, v) for v in HELD_OUT}
    assert by_place(spreads) == pytest.approx({v: s.spread / s.truth_spread for v, s in at.items()})
    assert (errors.get_xlabel(), errors.get_ylabel()) == ("turn [K]", "radius")
    assert figure.axes[3].get_xlabel() == "W₂² [m²]"


def test_circles_have_their_colours_and_their_numbers():
    ax = Figure().subplots()
    shown = Shown("", "", {(0.25, 1.0): 1.0, (0.75, 1.0): 3.0}, "viridis_r", error_map._error_norm([1.0, 3.0]))
    error_map._circles(ax, shown, (0, 1))
    ax.figure.draw_without_rendering()
    colours = circles(ax).get_facecolors()
    assert tuple(colours[1]) == pytest.approx(shown.mappable.to_rgba(3.0))
    assert tuple(colours[0]) != pytest.approx(tuple(colours[1]))
    named = {(text.get_text(), text.xy) for text in ax.texts if isinstance(text, Annotation)}
    assert named == {("1", (0.25, 1.0)), ("3", (0.75, 1.0))}


def test_many_circles_have_no_numbers():
    ax = Figure().subplots()
    figures = {(float(i), 0.0): 1.0 for i in range(error_map.NAMED + 1)}
    error_map._circles(ax, Shown("", "", figures, "viridis_r", error_map._error_norm([1.0])), (0, 1))
    assert not ax.texts


def test_a_projection_shows_means():
    ax = Figure().subplots()
    figures = {(0.0, 0.5, 0.2): 1.0, (0.0, 0.5, 0.8): 3.0, (0.0, 0.1, 0.8): 5.0}
    error_map._circles(ax, Shown("", "", figures, "viridis_r", error_map._error_norm([1.0, 5.0])), (0, 1))
    assert by_place(ax) == {(0.0, 0.5): 2.0, (0.0, 0.1): 5.0}


def test_ratios_beyond_the_scale_leave_the_others_their_colours():
    wide = error_map._ratios("", "", {(0.0, 0.0): 500.0, (1.0, 0.0): 1.0})
    assert wide.norm(1.0) == pytest.approx(0.5)
    assert (wide.norm.vmin, wide.norm.vmax) == pytest.approx((0.1, 10.0))
    narrow = error_map._ratios("", "", {(0.0, 0.0): 1.01})
    assert (narrow.norm.vmin, narrow.norm.vmax) == pytest.approx((0.5, 2.0))


def test_scattered_anchors_are_joined_by_their_triangulation(draw):
    surrogate = Drift(SCATTERED, miss=0.5)
    _, pictures, figures = draw(surrogate)
    ax = figures["errors.png"][1][0, 0]
    drawn = {tuple(sorted(map(tuple, line.get_xydata().tolist()))) for line in ax.lines if line.get_marker() == "None"}
    assert drawn == {tuple(sorted((SCATTERED[a], SCATTERED[b]))) for a, b in surrogate.mesh.edges}
    assert "lines pass the middle one" in pictures[-1].caption


def test_three_hyperparameters_have_a_map_a_pair(draw):
    vertices = tuple((a, b, c) for a in (0.0, 1.0) for b in (0.0, 2.0) for c in (0.001, 0.1))
    surrogate = Drift(vertices, schema_of(3), miss=0.5, clock_base="linear, linear, log")
    _, _, figures = draw(surrogate, score_of(surrogate, [(0.5, 1.0, 0.01), (0.5, 1.0, 0.02), (0.25, 0.5, 0.05)]))
    axes = figures["errors.png"][1]
    assert [(row[0].get_xlabel(), row[0].get_ylabel()) for row in axes] == [
        ("turn [K]", "radius"), ("turn [K]", "rate"), ("radius", "rate")
    ]  # fmt: skip
    assert [len(by_place(row[0])) for row in axes] == [2, 3, 3]
    assert [row[0].get_yscale() for row in axes] == ["linear", "log", "log"]
    assert figures["curves.png"][1].shape == (2, 3)
