"""What a page shows is what the surrogate serves, and what is held out is the truth's."""

import json
import warnings

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.errors import DataError
from pipeline.page.html import render
from pipeline.page.live import MOST_BYTES, page_app
from pipeline.page.shown import Shown
from pipeline.report.embedded import embedded
from tests.evaluation.oracles import ANCHORS, forecast_harvest, stochastic_harvest
from tests.report.pages import fitted


@pytest.fixture(scope="module")
def truth():
    return forecast_harvest(columns=3)


@pytest.fixture(scope="module")
def surrogate(truth):
    return fitted(truth, ANCHORS)


def document_of(shown):
    return json.loads(embedded(shown.document))


def test_every_answer_on_the_page_is_the_surrogates(surrogate, truth):
    document = document_of(Shown.of(surrogate, truth=truth))
    (axis,) = document["axes"]
    for condition, served in zip(document["given"], document["served"], strict=True):
        for value, outputs in zip(axis["values"], served, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                expected = surrogate.sample(np.array([condition]), value)[0, 0]
            assert np.allclose(outputs, expected, rtol=1e-4, atol=1e-6)


def test_the_truth_is_that_of_the_held_out_values(surrogate, truth):
    document = document_of(Shown.of(surrogate, truth=truth))
    (axis,) = document["axes"]
    held_out = [axis["values"][i] for i in document["heldOut"]]
    assert held_out == sorted(set(truth.values) - set(ANCHORS))
    for condition, of_all in zip(document["given"], document["truth"], strict=True):
        for value, outputs in zip(held_out, of_all, strict=True):
            k = truth.values.index(value)
            (row,) = np.flatnonzero((truth.conditions[k] == condition).all(1))
            assert np.allclose(outputs, truth.outputs[k][row], rtol=1e-4, atol=1e-6)


def test_conditions_without_a_truth_have_none(surrogate, truth):
    shown = Shown.of(surrogate, truth.conditions[0][:2].astype(np.float64))
    document = document_of(shown)
    assert document["heldOut"] == []
    assert len(document["conditions"]) == 2
    key = "truth, at held-out values"
    assert key not in render(shown, "a page")
    assert key in render(Shown.of(surrogate, truth=truth), "a page")


def test_an_answer_is_what_the_page_would_have_shown(surrogate, truth):
    shown = Shown.of(surrogate, truth=truth)
    document, condition = document_of(shown), truth.conditions[0][3].astype(np.float64).tolist()
    found = json.loads(embedded(shown.answer(condition)))
    (axis,) = document["axes"]
    assert len(found["served"]) == len(axis["values"])
    assert len(found["own"]) == len(document["anchors"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = surrogate.sample(np.array([condition]), axis["values"][1])[0, 0]
    assert np.allclose(found["served"][1], expected, rtol=1e-4, atol=1e-6)


def test_draws_are_shown_where_there_are_several():
    truth = stochastic_harvest()
    document = document_of(Shown.of(fitted(truth, ANCHORS), truth=truth))
    assert document["draws"]
    assert document["truth"][0]


def test_what_the_surrogate_warns_of_stands_beside_its_answer(surrogate, truth):
    far = truth.conditions[0][:1] + 1e3
    document = document_of(Shown.of(surrogate, far.astype(np.float64)))
    said = {document["texts"][i] for some in document["warned"][0] for i in some}
    assert any("outside the harvest's range" in text for text in said)


def test_what_no_page_can_show_is_refused(surrogate, truth):
    with pytest.raises(DataError, match="a page needs conditions"):
        Shown.of(surrogate)
    with pytest.raises(DataError, match=r"conditions have shape \(1, 7\)"):
        Shown.of(surrogate, np.zeros((1, 7)))
    with pytest.raises(DataError, match="give a harvest of its sweep"):
        Shown.of(surrogate, truth=stochastic_harvest())
    with pytest.raises(DataError, match="the truth has nothing at"):
        _ = Shown.of(surrogate, truth.conditions[0][:1] + 0.125, truth).explorer


def test_the_file_asks_for_nothing_and_names_cannot_be_markup(surrogate, truth):
    html = render(Shown.of(surrogate, truth=truth), "<script>alert(1)</script>")
    assert "<script>alert(1)" not in html
    assert "connect-src 'none'" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html


@pytest.fixture
def client(surrogate, truth):
    return TestClient(page_app(Shown.of(surrogate, truth=truth, live=True), "sweep"), base_url="http://127.0.0.1")


def test_the_server_answers_for_any_condition(client, truth):
    assert "connect-src 'self'" in client.get("/").text
    condition = truth.conditions[0][3].astype(float).tolist()
    answer = client.post("/answer", json={"condition": condition})
    assert answer.status_code == 200
    assert answer.json()["given"] == condition


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "request"),
        (b"[1]", "request"),
        (b'{"condition": "1"}', "condition: "),
        (b'{"condition": [null]}', "condition.0: "),
        (b'{"condition": [1e400]}', "condition"),
        (b'{"condition": [1], "other": 1}', "other: "),
        (b'{"condition": [1, 2, 3, 4, 5, 6, 7]}', "7 values; expected"),
        (b" " * (MOST_BYTES + 1), "longer than"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_so(client, body, message):
    answer = client.post("/answer", content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_another_name_is_refused(surrogate, truth):
    elsewhere = TestClient(
        page_app(Shown.of(surrogate, truth=truth, live=True), "sweep"), base_url="http://example.org"
    )
    assert elsewhere.get("/").status_code == 400
