"""The page as a browser shows it: from disk, by keyboard, on a phone; from the server, for a typed condition."""

from dataclasses import replace

import pytest

from pipeline.page.html import write_page
from pipeline.page.shown import Shown
from tests.evaluation.oracles import ANCHORS, forecast_harvest, stochastic_harvest
from tests.page.pages import served
from tests.report.browser import CHROMIUM, browser
from tests.report.pages import fitted
from tests.report.planes import GRID, Drift, score_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install chromium to look at the page in a browser"),
]
LAPTOP, PHONE = (1280, 800), (390, 844)
SWEEPS = {
    "forecasts": (lambda: forecast_harvest(columns=3), ANCHORS),
    "draws": (stochastic_harvest, ANCHORS),
    "two hyperparameters": (lambda: score_of(Drift()), GRID),
}
SAID = "document.querySelector('#explorer .said').textContent"
DRAWN = "document.querySelector('#explorer-plot').innerHTML"
NOTE = "document.querySelector('.typed output').textContent"
TYPE = """(() => { const values = [%s], fields = [...document.querySelectorAll('.typed input, .typed select')];
    const whole = fields.length === 1 && values.length > 1;
    fields.forEach((field, i) => { field.value = whole ? values.join() : values[i]; });
    document.querySelector('.typed button').click(); })()"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as connection:
        yield connection


@pytest.fixture(scope="module", params=SWEEPS)
def shown(request):
    truth, anchors = SWEEPS[request.param]
    return Shown.of(fitted(truth(), anchors), truth=truth())


@pytest.fixture(scope="module")
def page_file(shown, tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "page.html", shown, "a sweep")


@pytest.fixture
def server(shown):
    with served(replace(shown, live=True)) as address:
        yield address


def test_it_asks_for_nothing_and_complains_of_nothing(chromium, page_file):
    page = chromium.open(page_file, *LAPTOP)
    assert page.requests == [page.url]
    assert page.complaints == []


@pytest.mark.parametrize(("width", "height"), [LAPTOP, PHONE])
def test_nothing_is_wider_than_the_screen(chromium, page_file, width, height):
    page = chromium.open(page_file, width, height, mobile=width < 1000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.innerWidth") == width


def test_the_slider_moves_by_keyboard(chromium, page_file):
    page = chromium.open(page_file, *LAPTOP)
    page.evaluate("document.getElementById('explorer-slider-0').focus()")
    before = page.evaluate(DRAWN), page.evaluate(SAID)
    for key in ("Home", "ArrowRight", "End"):
        page.press(key)
        after = page.evaluate(DRAWN), page.evaluate(SAID)
        assert after[0] != before[0]
        assert after[1] != before[1]
        before = after
    assert page.complaints == []


def test_a_typed_condition_leads_to_the_nearest_on_the_page(chromium, page_file, shown):
    page = chromium.open(page_file, *LAPTOP)
    wanted = len(shown.explorer.panels) - 1
    page.evaluate(TYPE % ",".join(map(str, shown.document["given"][wanted])))
    assert page.evaluate("document.getElementById('explorer-condition').value") == str(wanted)
    assert page.evaluate(NOTE) == ""
    page.evaluate(TYPE % "'x'")
    assert "number is needed" in page.evaluate(NOTE)


def test_the_server_answers_for_a_condition_that_is_not_on_the_page(chromium, shown, server):
    page = chromium.visit(server, *LAPTOP)
    count, before = len(shown.explorer.panels), page.evaluate(DRAWN)
    document = shown.document
    shifts = [0.01 * bool(column["scale"]) for column in document["columns"]]  # categories have no values between
    given = [value + shift for value, shift in zip(document["given"][-1], shifts, strict=True)]
    page.evaluate(TYPE % ",".join(map(str, given)))
    page.until(f"document.getElementById('explorer-condition').options.length === {count + 1}")
    assert page.evaluate(NOTE) == ""
    assert page.evaluate(DRAWN) != before
    assert "truth shown" not in page.evaluate(SAID)
    assert page.complaints == []
