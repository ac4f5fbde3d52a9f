"""The page as a browser shows it: nothing asked for, nothing complained of, and it moves."""

import json
from dataclasses import replace

import pytest

from pipeline.data.harvest import Harvest
from tests.evaluation.oracles import ANCHORS, forecast_harvest, make_schema, stochastic_harvest
from tests.report.browser import CHROMIUM, browser
from tests.report.pages import page_of
from tests.report.planes import GRID, Drift, schema_of, score_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install chromium to look at the page in a browser"),
]

LAPTOP, PHONE, NARROW = (1280, 800), (390, 844), (360, 740)
HOSTILE = "</script><img src=x onerror='document.title=1'><!--"


def images():
    plain = stochastic_harvest(draws=8, columns=4, velocity=[3.0, 4.0, 0.0, -1.0])
    schema = make_schema(4, picture="image")
    return Harvest.from_arrays(plain.hyperparameter, plain.outputs, plain.conditions, schema=schema)


def hostile():
    plain = forecast_harvest(columns=3)
    names = {of: getattr(plain.schema, of) for of in ("outputs", "conditions")}
    renamed = {of: tuple(c.model_copy(update={"name": f"{c.name}{HOSTILE}"}) for c in cs) for of, cs in names.items()}
    hyperparameter = plain.schema.hyperparameter.model_copy(update={"name": HOSTILE, "units": HOSTILE})
    return replace(plain, schema=plain.schema.model_copy(update=renamed | {"hyperparameter": hyperparameter}))


SWEEPS = {
    "forecasts": (lambda: forecast_harvest(columns=3), ANCHORS, True),
    "one forecast": (lambda: forecast_harvest(columns=1), ANCHORS, True),
    "draws": (stochastic_harvest, ANCHORS, False),
    "draws of one output": (lambda: stochastic_harvest(columns=1), ANCHORS, False),
    "draws of three outputs": (lambda: stochastic_harvest(columns=3, velocity=[3.0, 4.0, 5.0]), ANCHORS, False),
    "images": (images, ANCHORS, False),
    "two hyperparameters": (lambda: score_of(Drift()), GRID, False),
    "forecasts of two": (lambda: score_of(Drift(schema=schema_of(deterministic=True, outputs=3))), GRID, False),
    "hostile names": (hostile, ANCHORS, False),
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as connection:
        yield connection


@pytest.fixture(scope="module", params=SWEEPS)
def report(request, tmp_path_factory):
    score, anchors, uncertain = SWEEPS[request.param]
    return page_of(tmp_path_factory.mktemp("page"), score(), anchors, uncertain=uncertain)


DRAWING = """(() => { const plot = document.querySelector('.plot');
    const canvases = [...plot.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL());
    return plot.querySelector('svg').innerHTML + canvases.join(); })()"""
SAID = "document.querySelector('#explorer .said').textContent"
CONTROLS = "#explorer input, #explorer select, #explorer button"


def test_the_page_asks_for_nothing_and_complains_of_nothing(chromium, report):
    page = chromium.open(report, *LAPTOP)
    page.evaluate(f"document.querySelectorAll('{CONTROLS}').forEach((e) => {{ e.click(); }})")
    assert [url for url in page.requests if not url.startswith("data:image/png")] == [page.url]
    assert page.complaints == []
    assert page.evaluate("document.title").endswith("validation of the surrogate")
    assert page.evaluate("document.querySelectorAll('img[onerror]').length") == 0


@pytest.mark.parametrize(("width", "height"), [LAPTOP, PHONE, NARROW])
def test_the_verdict_is_on_the_first_screen_and_nothing_is_wider_than_it(chromium, report, width, height):
    page = chromium.open(report, width, height, mobile=width < 1000)
    top, bottom = page.evaluate(
        "(({top, bottom}) => [top, bottom])(document.querySelector('.verdict').getBoundingClientRect())"
    )
    assert 0 <= top < bottom <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.innerWidth") == width  # a phone zooms out where something is wider
    assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")


def test_the_slider_moves_by_keyboard_and_the_drawing_with_it(chromium, report):
    page = chromium.open(report, *LAPTOP)
    page.evaluate("document.getElementById('explorer-slider-0').focus()")
    before = page.evaluate(DRAWING), page.evaluate(SAID)
    for key in ("Home", "ArrowRight", "ArrowRight", "End", "ArrowLeft"):
        page.press(key)
        after = page.evaluate(DRAWING), page.evaluate(SAID)
        assert after[0] != before[0], key
        assert after[1] != before[1], key
        before = after
    assert page.complaints == []


def test_the_truth_is_drawn_at_held_out_values_alone(chromium, report):
    page = chromium.open(report, *LAPTOP)
    group = "[...document.querySelectorAll('.jumps')].find((j) => j.ariaLabel.includes('held-out'))"
    page.evaluate(f"{group}.querySelector('button').click()")
    assert "to the truth" in page.evaluate(SAID)
    count = "document.querySelectorAll('#explorer .plot path, #explorer .plot canvas').length"
    there = page.evaluate(count)
    for p in range(page.evaluate("document.querySelectorAll('#explorer input').length")):
        page.evaluate(f"document.getElementById('explorer-slider-{p}').focus()")
        page.press("Home")
    assert "an anchor" in page.evaluate(SAID)
    assert page.evaluate(count) < there


def test_every_control_has_a_name_and_the_drawing_says_what_it_shows(chromium, report):
    page = chromium.open(report, *PHONE)
    unnamed = f"[...document.querySelectorAll('{CONTROLS}')].filter((e) => !e.textContent && !e.labels?.length)"
    assert page.evaluate(f"{unnamed}.length") == 0
    number = page.evaluate("document.querySelector('#explorer output').textContent")
    assert page.evaluate("document.getElementById('explorer-slider-0').ariaValueText") == number
    assert page.evaluate(SAID) in page.evaluate("document.getElementById('explorer-plot').ariaLabel")


def test_another_condition_is_another_drawing(chromium, report):
    page = chromium.open(report, *LAPTOP)
    before = page.evaluate(DRAWING)
    page.evaluate(
        "(() => { const list = document.getElementById('explorer-condition'); list.value = 1;"
        "list.dispatchEvent(new Event('change')); })()"
    )
    assert page.evaluate(DRAWING) != before


def test_the_drawing_follows_the_window(chromium, report):
    page = chromium.open(report, *LAPTOP)
    before = page.evaluate("document.querySelector('#explorer .plot').innerHTML")
    page.evaluate(f"window.before = {json.dumps(before)}")
    page.resize(*NARROW)
    # Canvases scale by their style; where all draws still fit, nothing else changes.
    redrawn = "document.querySelector('#explorer .plot').innerHTML !== window.before"
    page.until(f"{redrawn} || document.querySelector('canvas') !== null")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    assert page.complaints == []
