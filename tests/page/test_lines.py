"""More λ than a page holds: lines that are asked for, what is refused, and what a file holds of them."""

import json
from itertools import product

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.page.html import render
from pipeline.page.live import page_app
from pipeline.page.shown import Shown
from pipeline.report import steps
from pipeline.report.embedded import embedded
from tests.page.pages import BOX, HELD_OUT, TRIANGLE, made

pytestmark = pytest.mark.filterwarnings("ignore:this surrogate carries no networks")


@pytest.fixture(scope="module")
def box():
    return made(BOX, (HELD_OUT,))


@pytest.fixture(scope="module")
def triangle():
    return made(TRIANGLE, ((0.5, 0.5),), coordinates=2)


def read(document):
    return json.loads(embedded(document))


def test_a_page_that_asks_by_lines_holds_anchors_and_truth_alone(box):
    shown, _ = box
    document = read(shown.document)
    assert document["lines"]
    assert [tuple(document["points"][i]) for i in document["anchors"]] == list(BOX)
    assert [tuple(document["points"][i]) for i in document["heldOut"]] == [HELD_OUT]
    assert tuple(document["start"]) == HELD_OUT
    assert [len(axis["values"]) for axis in document["axes"]] == [33, 17, 17]
    np.testing.assert_allclose(document["errors"], 0, atol=1e-8)


@pytest.mark.parametrize("along", [0, 1, 2])
def test_a_line_is_answered_along_one_coordinate(box, along):
    shown, drift = box
    condition, at = shown.conditions[1], (0.3, 0.4, 0.9)
    found = read(shown.line(condition.tolist(), at, along))
    points = np.array(found["points"])
    np.testing.assert_array_equal(points[:, along], shown.explorer.axes[along].values)
    others = [p for p in range(3) if p != along]
    np.testing.assert_array_equal(points[:, others], np.tile(np.array(at)[others], (len(points), 1)))
    np.testing.assert_allclose(found["served"], condition.mean() + drift.moved(points), atol=1e-4)
    assert found["refused"] == []
    assert len(found["warned"]) == len(found["spread"]) == len(found["around"]) == len(points)


def test_a_line_and_a_new_condition_agree_with_the_page(box):
    shown, _ = box
    condition = shown.conditions[0].tolist()
    document, line = read(shown.document), read(shown.line(condition, BOX[0], 0))
    known = {tuple(point): served for point, served in zip(document["points"], document["served"][0], strict=True)}
    shared = [i for i, point in enumerate(line["points"]) if tuple(point) in known]
    assert len(shared) == 3  # the anchors on it
    for i in shared:
        np.testing.assert_allclose(line["served"][i], known[tuple(line["points"][i])], rtol=1e-4)
    assert read(shown.answer(condition))["served"] == document["served"][0]


def test_what_lies_outside_the_hull_is_refused_with_the_surrogates_reason(triangle):
    shown, drift = triangle
    condition = shown.conditions[0]
    found = read(shown.line(condition.tolist(), (0.5, 0.5), 0))
    refused = dict((tuple(point), reason) for point, reason in found["refused"])
    assert len(refused) + len(found["points"]) == len(shown.explorer.axes[0].values)
    for point, reason in refused.items():
        with pytest.raises(HyperparameterError) as error:
            shown.surrogate.sample(condition[None], point)
        assert reason == str(error.value)
        assert "outside the anchors' hull" in reason
    np.testing.assert_allclose(found["served"], condition.mean() + drift.moved(np.array(found["points"])), atol=1e-4)
    with pytest.raises(HyperparameterError, match=r"radius 2\.5 lies outside the anchors' range"):
        shown.line(condition.tolist(), (0.5, 2.5), 0)


def test_scattered_anchors_and_held_out_values_lie_on_the_sliders(triangle):
    shown, _ = triangle
    document = read(shown.document)
    for number in (*document["anchors"], *document["heldOut"]):
        for value, axis in zip(document["points"][number], document["axes"], strict=True):
            assert value in axis["values"]
    assert all(len(axis["values"]) <= 64 + len(TRIANGLE) for axis in document["axes"])


@pytest.mark.parametrize(
    ("at", "along", "message"),
    [((0.5, 0.5), 0, r"line: at \[0.5, 0.5\] along 0"), ((0.5, 0.5, 0.5), 3, "along 3"), ((np.nan,) * 3, 0, "finite")],
)
def test_a_line_of_another_space_is_refused(box, at, along, message):
    shown, _ = box
    with pytest.raises(DataError, match=message):
        shown.line(shown.conditions[0].tolist(), at, along)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"at": [0.5, 3.0], "along": 0}, "radius 3.0 lies outside the anchors' range"),
        ({"at": [0.5], "along": 0}, "one of 2 finite numbers ['turn', 'radius'] is needed"),
        ({"at": [0.5, 0.5], "along": -1}, "line.along"),
        ({"at": [0.5, 0.5]}, "line.along"),
        ({"at": [0.5, 0.5], "along": 0, "other": 1}, "line.other"),
    ],
)
def test_the_server_says_why_it_refuses_a_line(triangle, line, message):
    shown, _ = triangle
    client = TestClient(page_app(shown, "sweep"), base_url="http://127.0.0.1")
    answer = client.post("/answer", json={"condition": shown.conditions[0].tolist(), "line": line})
    assert (answer.status_code, message in answer.json()["error"]) == (400, True)


def test_a_file_of_three_hyperparameters_has_every_combination_and_says_how_many(box, monkeypatch):
    shown, drift = box
    monkeypatch.setattr(steps, "MOST_VALUES", 5)  # of 9 values there are 729 combinations
    file = Shown.of(shown.surrogate, shown.conditions[:2], shown.truth)
    document = read(file.document)
    axes = [axis["values"] for axis in document["axes"]]
    assert [len(values) for values in axes] == [5, 5, 5]
    assert [tuple(point) for point in document["points"]] == list(product(*axes))
    assert [tuple(document["points"][i]) for i in document["heldOut"]] == [HELD_OUT]
    shift = drift.moved(np.array(document["points"]))
    for condition, served in zip(document["given"], document["served"], strict=True):
        np.testing.assert_allclose(served, np.mean(condition) + shift, atol=1e-3)
    assert "5 × 5 × 5 values, 125 in all" in render(file, "sweep")


@pytest.mark.parametrize(("count", "most"), [(2, 9), (3, 9), (4, 5), (5, 3), (6, 3)])
def test_a_file_has_at_most_a_thousand_combinations(count, most):
    names = "abcdef"[:count]
    vertices = tuple(product((0.0, 1.0), repeat=count))
    outputs, x = [np.array([[sum(vertex)]]) for vertex in vertices], np.zeros((1, 1))
    harvest = Harvest.from_arrays(
        vertices, outputs, [x] * len(vertices), deterministic=True, names={"hyperparameter": list(names)}
    )
    mesh = harvest.grid()
    assert mesh is not None
    axes = steps.axes_of(mesh, harvest, steps.STEPS)
    assert [len(axis.values) for axis in axes] == [most] * count
    assert most**count <= steps.MOST_POINTS


def test_what_no_file_can_hold_names_the_server(box, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"no file for scattered anchors.*`page --serve` answers at any λ"):
        made(TRIANGLE, (), coordinates=2, live=False)
    shown, _ = box
    monkeypatch.setattr(steps, "MOST_POINTS", 2**3)
    with pytest.raises(ConfigurationError, match=r"no file for 3 hyperparameters with 12 anchors.*`page --serve`"):
        _ = Shown.of(shown.surrogate, shown.conditions).explorer
