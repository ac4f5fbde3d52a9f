"""The report of two hyperparameters, of a fitted surrogate."""

import re
from html import unescape

import numpy as np
import pytest

from benchmarks.two_hyperparameters import ANCHORS, draw
from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.methods.catalog import by_name
from pipeline.report.html import write_report
from pipeline.report.lines import lines_of
from pipeline.report.panels import Panel
from pipeline.report.plane import Plane
from pipeline.report.style import figure_text
from pipeline.report.through_anchors import Followed
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig

HELD_OUT = ((0.25, 0.5), (0.75, 0.5))


def clouds(seed, values, rows=12):
    """The turning cloud of the benchmark, a few samples of both categories."""
    rng = np.random.default_rng(seed)
    outputs = [np.concatenate([draw(value, category, rows, rng) for category in range(2)]) for value in values]
    x = np.repeat(np.arange(2.0), rows)[:, None]
    return Harvest.from_arrays(
        np.array(values),
        outputs,
        [x] * len(values),
        "categorical",
        names={"hyperparameter": ["turn", "radius"]},
        units={"turn": "half turns", "y0": "m"},
        deterministic=False,
    )


@pytest.fixture(scope="module")
def fitted():
    known = clouds(0, ANCHORS)
    return Surrogate.fit(known, SurrogateConfig(variant="K_I"), seed=0), known, clouds(1, (*ANCHORS, *HELD_OUT))


@pytest.fixture(scope="module")
def page(fitted, tmp_path_factory):
    surrogate, known, score = fitted
    evaluation = evaluate(surrogate, score)
    judgement = Judgement(evaluation, UNDECIDED, Facts.of("clouds", surrogate, known, score)).decided()
    path = write_report(tmp_path_factory.mktemp("page") / "report", surrogate, score, judgement)
    return path.read_text(encoding="utf-8"), evaluation, surrogate


def test_curves_of_a_fit_pass_the_anchors_own_outputs(fitted):
    surrogate, _, score = fitted
    plane, comparison = Plane(surrogate, score), Comparison.of(score, deterministic=False)
    for p in (0, 1):
        for line in lines_of(plane, p):
            found = Followed.of(line, Panel("", np.ones(1)), comparison)
            for k, (_, outputs) in enumerate(found.pieces):
                np.testing.assert_allclose(outputs[:, 0], found.squares[:, k], atol=1e-3)
                np.testing.assert_allclose(outputs[:, -1], found.squares[:, k + 1], atol=1e-3)
    own = {tuple(row) for outputs in fitted[1].outputs for row in outputs.round(5).tolist()}
    assert {tuple(row) for row in found.squares.reshape(-1, 2).round(5).tolist()} <= own


def test_the_page_names_what_was_swept(page):
    html, _, surrogate = page
    effect = surrogate.order_effect(np.array([[0.0], [1.0]]))
    for text in (
        "hyperparameters</dt><dd>turn [half turns], radius<",
        "grid of 3 × 2 anchors: turn = 0, 0.5, 1; radius = 0, 1<",
        "anchors</dt><dd>turn=0,radius=0; turn=0,radius=1; turn=0.5,radius=0; ",
        "held out</dt><dd>turn=0.25,radius=0.5; turn=0.75,radius=0.5<",
        f"clock of turn</dt><dd>{surrogate.clocks['turn']}<",
        f"clock of radius</dt><dd>{surrogate.clocks['radius']}<",
        f"order</dt><dd>turn, then radius: nested the other way, answers inside cells differ by {100 * effect:.1f} %",
        "between outputs of the anchors around the value",
    ):
        assert text in unescape(html)


def test_the_table_has_methods_by_values_in_words(page):
    html, evaluation, _ = page
    start = html.index("<table>", html.index("Errors at the held-out values"))
    table = unescape(html[start : html.index("</table>", start)])
    heads = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", table)
    assert heads == ["turn, radius", *(by_name()[m].label_for(2) for m in evaluation.methods)]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("</tr>")]
    for value, words in zip(HELD_OUT, ("turn=0.25,radius=0.5", "turn=0.75,radius=0.5"), strict=True):
        assert [words, *(figure_text(evaluation.at(m, value).error) for m in evaluation.methods)] in rows


def test_every_hyperparameter_has_a_table_of_its_clocks(page):
    html = unescape(page[0])
    heads = re.findall(r'<table class="candidates">\s*<thead><tr><th>(.*?)</th>', html)
    assert heads == ["variant", "clock of turn", "clock of radius", "order"]


def test_the_page_has_its_pictures(page):
    titles = re.findall(r"<h3[^>]*>(.*?)</h3>", unescape(page[0]))
    assert [title.split(":")[0] for title in titles] == [
        "Errors over the hyperparameters",
        "Truth and surrogate at held-out values",
        "Curves through the anchors",
        "How the fit went",
    ]


def test_scattered_anchors_are_said_to_be(tmp_path):
    anchors = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.45, 0.55))
    known, score = clouds(0, anchors), clouds(1, (*anchors, (0.3, 0.2)))
    surrogate = Surrogate.fit(known, SurrogateConfig(variant="K_I"), seed=0)
    evaluation = evaluate(surrogate, score)
    judgement = Judgement(evaluation, UNDECIDED, Facts.of("clouds", surrogate, known, score)).decided()
    html = unescape(write_report(tmp_path / "report", surrogate, score, judgement).read_text(encoding="utf-8"))
    assert "mesh</dt><dd>5 scattered anchors, triangulated<" in html
    assert "<dt>order</dt>" not in html
