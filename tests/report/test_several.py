"""Small multiples and curves over several hyperparameters: what is drawn where."""

import numpy as np
import pytest

from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.scores import SURROGATE
from pipeline.report.image_lines import strip
from pipeline.report.lines import lines_of
from pipeline.report.multiples import arrangement
from pipeline.report.panels import Panel
from pipeline.report.plane import Plane, lattice
from pipeline.report.through_anchors import Followed
from tests.report.planes import GRID, HELD_OUT, SCATTERED, VELOCITY, Drift, schema_of, score_of, squares


def test_panels_stand_as_in_the_plane(draw):
    _, pictures, figures = draw(Drift(miss=0.5))
    axes = figures["movement.png"][1]
    assert [[ax.get_title().split("\n")[0] for ax in row] for row in axes] == [
        ["turn=0.25,radius=1", "turn=0.75,radius=1"],
        ["turn=0.25,radius=0.5", "turn=0.75,radius=0.5"],
    ]
    assert "radius upwards" in pictures[1].caption


def test_a_panel_shows_truth_and_surrogate_at_its_place(draw):
    surrogate = Drift(miss=0.5)
    score = score_of(surrogate)
    evaluation, _, figures = draw(surrogate, score)
    ax = figures["movement.png"][1][0, 0]
    clouds = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections}
    titled = [x for x in (0.0, 1.0) if f"= {x:g}:" in figures["movement.png"][0].legends[0].get_title().get_text()]
    rows = score.conditions[0][:, 0] == titled[0]
    np.testing.assert_allclose(clouds["truth"], score.outputs[score.vertices.index((0.25, 1.0))][rows])
    assert clouds["surrogate"].shape == clouds["truth"].shape
    assert clouds["anchors around it"].shape == (4 * rows.sum(), 2)
    error = evaluation.at(SURROGATE, (0.25, 1.0)).by_condition[int(titled[0])]
    assert ax.get_title().split("\n")[1] == f"W₂² {error:.3g} m²"


@pytest.mark.parametrize(("count", "shape"), [(1, (1,)), (5, (3, 2)), (13, (4, 4, 4)), (40, (4, 4, 4))])
def test_other_held_out_values_stand_in_reading_order(count, shape):
    points = tuple((float(i), float(i % 3) + 0.1 * i) for i in range(count))
    rows = arrangement(points)
    assert tuple(map(len, rows)) == shape
    flat = [point for row in rows for point in row]
    assert flat == sorted(flat)
    assert set(flat) <= set(points)


def test_a_large_lattice_is_thinned_evenly():
    points = tuple((float(a), float(b)) for a in range(7) for b in range(5))
    rows = arrangement(points)
    assert [[p[0] for p in row] for row in rows] == [[0.0, 2.0, 4.0, 6.0]] * 3
    assert [row[0][1] for row in rows] == [4.0, 2.0, 0.0]
    assert lattice(points[1:]) is None
    assert lattice([(0.0, 0.0, 0.0)]) is None


def test_lines_pass_all_anchors_of_a_grid():
    plane = Plane(Drift(), score_of(Drift()))
    for p, count in ((0, 2), (1, 3)):
        lines = lines_of(plane, p)
        assert len(lines) == count
        assert {anchor for line in lines for anchor in line.anchors} == set(GRID)
    first = lines_of(plane, 0)[1]
    assert first.others == "radius=2"
    assert first.at(0.3) == (0.3, 2.0)
    pieces = first.pieces(5)
    assert [len(piece) for piece in pieces] == [5, 5]
    # Never at an anchor, where the surrogate answers with the anchor's own output, and never far from it.
    np.testing.assert_allclose([pieces[0][0], pieces[0][-1], pieces[1][0], pieces[1][-1]], [0, 0.5, 0.5, 1], atol=1e-4)
    assert all(plane.surrogate.mesh.axes[0].near(v) is None for piece in pieces for v in piece.tolist())


def test_a_line_ends_at_the_hull_of_scattered_anchors():
    diamond = ((0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0), (0.5, 0.6))
    surrogate = Drift(diamond)
    plane = Plane(surrogate, score_of(surrogate, [(0.4, 0.5)]))
    (line,) = lines_of(plane, 0)
    assert line.anchors == ((0.5, 0.6),)
    assert (line.low, line.high) == pytest.approx((0.1, 0.9), abs=0.003)
    (upright,) = lines_of(plane, 1)
    assert upright.anchors == ((0.5, 0.0), (0.5, 0.6), (0.5, 1.0))


def curves(ax):
    return [np.asarray(line.get_xydata()) for line in ax.lines if line.get_marker() == "None"]


@pytest.mark.parametrize("vertices", [GRID, SCATTERED])
def test_curves_of_draws_pass_their_squares(draw, vertices):
    _, _, figures = draw(Drift(vertices))
    axes = figures["curves.png"][1]
    assert axes.shape == (2, 4)
    assert [ax.get_xlabel() for ax in axes[-1]] == ["turn [K]", "turn [K]", "radius", "radius"]
    assert [ax.get_ylabel() for ax in axes[0]] == ["t+1 [m]", "t+2 [m]"] * 2
    for ax, (p, output) in zip(axes[0], [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        ends = np.concatenate([curve[[0, -1]] for curve in curves(ax)])
        for square in np.concatenate(squares(ax)):
            assert np.abs(ends - square).max(axis=1).min() < 1e-3
        slopes = [np.diff(curve[:, 1]) / np.diff(curve[:, 0]) for curve in curves(ax)]
        np.testing.assert_allclose(np.concatenate(slopes), VELOCITY[p, output], rtol=1e-6)


def test_a_discontinuity_at_an_anchor_shows():
    surrogate = Drift(miss=0.5)
    score = score_of(surrogate)
    line = lines_of(Plane(surrogate, score), 0)[0]
    followed = Followed.of(line, Panel("", np.zeros(1)), Comparison.of(score, deterministic=False))
    assert followed.squares.shape == (3, 3, 2)
    for k, (_, outputs) in enumerate(followed.pieces):
        np.testing.assert_allclose(outputs[:, 0] - followed.squares[:, k], [[0.5, 0]] * 3, atol=1e-3)
        np.testing.assert_allclose(outputs[:, -1] - followed.squares[:, k + 1], [[0.5, 0]] * 3, atol=1e-3)


def test_curves_of_deterministic_networks_pass_squares_and_truth(draw):
    schema = schema_of(2, 3, deterministic=True, picture="forecast")
    surrogate = Drift(GRID, schema)
    score = score_of(surrogate, (*HELD_OUT, (0.25, 2.0)))
    _, pictures, figures = draw(surrogate, score)
    axes = figures["curves.png"][1]
    assert axes.shape == (3, 2)
    assert [row[0].get_title(loc="left").split(":")[0] for row in axes] == [
        "context with a small error", "context with the median error", "context with a large error"
    ]  # fmt: skip
    ax = axes[0, 0]
    (cross,) = [
        line.get_xydata() for line in ax.lines if line.get_marker() == "x" and len(np.asarray(line.get_xydata()))
    ]
    on = next(line for line in curves(ax) if abs(np.interp(0.25, *line.T) - cross[0, 1]) < 1e-6)
    assert cross[0, 0] == 0.25
    assert on[0, 0] < 0.25 < on[-1, 0]
    assert "networks trained at held-out values" in pictures[-1].caption


def test_forecasts_have_their_past_and_the_anchors(draw):
    schema = schema_of(2, 3, deterministic=True, picture="forecast")
    _, _, figures = draw(Drift(GRID, schema, miss=0.5))
    lines = figures["movement.png"][1][0, 0].lines
    assert [line.get_label() for line in lines][-2:] == ["surrogate", "truth"]
    surrogate, truth = (np.asarray(line.get_ydata()) for line in lines[-2:])
    np.testing.assert_allclose(surrogate - truth, [0.5, 0, 0], atol=1e-12)
    assert np.asarray(lines[0].get_xdata()).tolist() == [-2, -1, 0]
    assert len(lines) == 1 + 4 + 2


def test_one_output_is_shown_by_its_distribution(draw):
    _, _, figures = draw(Drift(GRID, schema_of(2, 1), miss=0.5))
    ax = figures["movement.png"][1][0, 0]
    assert [line.get_label() for line in ax.lines] == ["surrogate", "truth"]
    assert ax.get_ylabel() == "share up to it"
    assert figures["curves.png"][1].shape == (2, 2)


def test_images_are_pairs_and_strips(draw):
    _, pictures, figures = draw(Drift(GRID, schema_of(2, 1, picture="image"), miss=0.5))
    assert [p.file for p in pictures] == ["errors.png", "movement.png", "curves.png"]
    figure, axes = figures["movement.png"]
    assert [text.get_text() for text in axes[-1, 0].get_xticklabels()] == ["truth", "surrogate"]
    assert all(np.asarray(ax.images[0].get_array()).shape == (1, 3) for ax in axes.flat)
    assert figure.get_suptitle().startswith("t-0 = ")
    strips = figures["curves.png"][1][:, 0]
    assert [ax.get_title() for ax in strips] == [
        "along turn, radius=0", "along turn, radius=2", "along radius, turn=0", "along radius, turn=1"
    ]  # fmt: skip
    names = [text.get_text().split("\n") for text in strips[0].get_xticklabels()]
    assert names == [["0", "anchor"], ["0.25"], ["0.5", "anchor"], ["0.75"], ["1", "anchor"]]


def test_a_strip_has_the_anchors_own_images_below_the_surrogates():
    surrogate = Drift(GRID, schema_of(2, 1, picture="image"))
    score = score_of(surrogate)
    line = lines_of(Plane(surrogate, score), 0)[0]
    values, (ours, own) = strip(Followed.of(line, Panel("", np.zeros(1)), Comparison.of(score, deterministic=False)))
    np.testing.assert_allclose(values, [0, 0.25, 0.5, 0.75, 1], atol=1e-4)
    assert np.isnan(own[:, 0]).tolist() == [False, True, False, True, False]
    np.testing.assert_allclose(ours[::2], own[::2], atol=1e-3)
    np.testing.assert_allclose(np.diff(ours[:, 0]), VELOCITY[0, 0] / 4, atol=1e-3)


def test_moved_samples_start_at_the_anchors(draw):
    # Without networks, at conditions that no anchor sampled, `transport` is what is served.
    _, pictures, figures = draw(Drift(miss=0.0, networks=None))
    assert "by `transport`" in pictures[-1].caption
    ax = figures["curves.png"][1][0, 0]
    starts = np.array([curve[0] for curve in curves(ax)])
    for square in np.concatenate(squares(ax)):
        at_last = square[0] == 1.0
        assert at_last or np.abs(starts - square).max(axis=1).min() < 1e-3


def test_without_held_out_values_only_curves_are_drawn(draw):
    surrogate = Drift()
    _, pictures, _ = draw(surrogate, score_of(surrogate, ()))
    assert [p.file for p in pictures] == ["curves.png"]
