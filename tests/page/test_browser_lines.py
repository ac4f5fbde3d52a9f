"""The served page of three hyperparameters, and of scattered anchors, as a browser shows it."""

import pytest

from pipeline.page.html import write_page
from pipeline.page.shown import Shown
from pipeline.report import steps
from tests.page.pages import BOX, HELD_OUT, TRIANGLE, made, served
from tests.report.browser import CHROMIUM, browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install chromium to look at the page in a browser"),
    pytest.mark.filterwarnings("ignore:this surrogate carries no networks"),
]
LAPTOP, PHONE = (1280, 800), (390, 844)
PAGES = {
    "three, a plane": (BOX, (HELD_OUT,), 2, 3, "scatter"),
    "three, one output": (BOX, (HELD_OUT,), 1, 3, "scatter"),
    "three, forecasts": (BOX, (HELD_OUT,), 3, 3, "scatter"),
    "three, an image": (BOX, (HELD_OUT,), 1, 3, "image"),
    "scattered, a plane": (TRIANGLE, ((0.5, 0.5),), 2, 2, "scatter"),
    "scattered, one output": (TRIANGLE, ((0.5, 0.5),), 1, 2, "scatter"),
}
SAID = "document.querySelector('#explorer .said').textContent"
WHY = "document.querySelector('#explorer .why').textContent"
DRAWN = """document.querySelector('#explorer-plot').innerHTML +
    [...document.querySelectorAll('.images canvas')].map((canvas) => canvas.toDataURL()).join()"""
SHOWN = "getComputedStyle(document.querySelector('#explorer-plot')).visibility === 'visible'"
ANSWERED = f"!{SAID}.includes('asking')"
SLIDERS = "document.querySelectorAll('#explorer input[type=range]').length"
MOVE = """(() => { const slider = document.getElementById('explorer-slider-%d'); slider.value = slider.%s;
    slider.dispatchEvent(new Event('input')); })()"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as connection:
        yield connection


@pytest.fixture(scope="module", params=PAGES)
def served_page(request):
    vertices, held_out, outputs, coordinates, picture = PAGES[request.param]
    shown, _ = made(vertices, held_out, outputs, coordinates=coordinates, picture=picture)
    with served(shown) as address:
        yield shown, address


@pytest.fixture(scope="module")
def scattered():
    shown, _ = made(TRIANGLE, ((0.5, 0.5),), coordinates=2)
    with served(shown) as address:
        yield address


def questions(page):
    return [url for url in page.requests if url.endswith("/answer")]


def test_every_hyperparameter_has_a_slider_and_moving_it_asks_once(chromium, served_page):
    shown, address = served_page
    page = chromium.visit(address, *LAPTOP)
    axes = shown.explorer.axes
    assert page.evaluate(SLIDERS) == len(axes)
    page.until(ANSWERED)
    assert "Held out: " in page.evaluate(SAID)
    for p, axis in enumerate(axes):
        before = page.evaluate(DRAWN), page.evaluate(SAID)
        page.evaluate(f"document.getElementById('explorer-slider-{p}').focus()")
        page.press("Home")
        page.until(ANSWERED)
        assert page.evaluate(WHY) == ""
        assert page.evaluate(DRAWN) != before[0], axis.column.name
        assert page.evaluate(SAID) != before[1], axis.column.name
    page.evaluate("document.getElementById('explorer-slider-0').focus()")
    page.press("ArrowRight")
    page.until(ANSWERED)
    asked = len(questions(page))
    for _ in range(3):
        before = page.evaluate(DRAWN)
        page.press("ArrowRight")
        assert page.evaluate(ANSWERED)
        assert page.evaluate(DRAWN) != before
    assert len(questions(page)) == asked  # the whole line came with its first answer
    assert page.complaints == []


@pytest.mark.parametrize(("width", "height"), [LAPTOP, PHONE])
def test_nothing_is_wider_than_the_screen(chromium, served_page, width, height):
    page = chromium.visit(served_page[1], width, height, mobile=width < 1000)
    page.until(ANSWERED)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.innerWidth") == width


def test_outside_the_hull_the_reason_stands_in_place_of_outputs(chromium, scattered):
    page = chromium.visit(scattered, *PHONE, mobile=True)
    page.until(ANSWERED)
    height = page.evaluate("document.querySelector('.plot').clientHeight")
    page.evaluate(MOVE % (0, "max"))
    page.until(ANSWERED)
    assert "outside the anchors' hull" in page.evaluate(WHY)
    assert page.evaluate(SAID).endswith("no answer.")
    assert not page.evaluate(SHOWN)
    assert page.evaluate("document.querySelector('.plot').clientHeight") == height  # the sliders stay where they are
    page.evaluate(MOVE % (0, "min"))
    page.until(f"{ANSWERED} && {WHY} === ''")
    assert page.evaluate(SHOWN)
    assert page.complaints == []


def test_an_anchor_is_reached_by_its_button(chromium, scattered):
    page = chromium.visit(scattered, *LAPTOP)
    page.until(ANSWERED)
    page.evaluate("[...document.querySelectorAll('.jumps button')].find((b) => b.textContent === '(0.5, 0.8)').click()")
    page.until(ANSWERED)
    assert "(0.5, 0.8): an anchor" in page.evaluate(SAID)
    values = "[...document.querySelectorAll('#explorer .values output')].map((o) => o.textContent).join()"
    assert page.evaluate(values) == "0.5,0.8"


def test_a_typed_condition_is_asked_along_the_line_as_well(chromium, served_page):
    shown, address = served_page
    page = chromium.visit(address, *LAPTOP)
    page.until(ANSWERED)
    fields = "[...document.querySelectorAll('.typed input')]"
    page.evaluate(f"{fields}.forEach((f) => {{ f.value = 0.25; }}); document.querySelector('.typed button').click()")
    page.until(f"document.getElementById('explorer-condition').options.length === {len(shown.explorer.panels) + 1}")
    page.until(ANSWERED)
    page.evaluate(MOVE % (1, "max"))
    page.evaluate(MOVE % (0, "min"))
    page.until(ANSWERED)
    assert page.evaluate(SHOWN)
    assert page.complaints == []


def test_a_server_that_has_gone_is_told(chromium):
    shown, _ = made(BOX, (HELD_OUT,))
    with served(shown) as address:
        page = chromium.visit(address, *LAPTOP)
        page.until(ANSWERED)
    page.evaluate(MOVE % (1, "max"))
    page.evaluate(MOVE % (0, "max - 1"))
    page.until(f"{WHY} !== ''")
    assert "the server cannot be reached" in page.evaluate(WHY)
    assert not page.evaluate(SHOWN)


def test_a_server_that_fails_is_told(chromium, monkeypatch):
    shown, _ = made(BOX, (HELD_OUT,))

    def fail(self, condition, at, along):
        raise RuntimeError("a fault of the surrogate")

    monkeypatch.setattr(Shown, "line", fail)
    with served(shown) as address:
        page = chromium.visit(address, *LAPTOP)
        page.evaluate(MOVE % (1, "max"))
        page.evaluate(MOVE % (0, "max - 1"))
        page.until(f"{WHY} !== ''")
        assert "the server failed (status 500)" in page.evaluate(WHY)


def test_a_file_of_three_hyperparameters_moves_by_every_slider(chromium, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "MOST_VALUES", 5)
    shown, _ = made(BOX, (HELD_OUT,), 1, live=False)
    page = chromium.open(write_page(tmp_path / "page.html", shown, "a sweep"), *PHONE, mobile=True)
    assert "Held out: " in page.evaluate(SAID)
    for p in range(3):
        before = page.evaluate(DRAWN), page.evaluate(SAID)
        page.evaluate(f"document.getElementById('explorer-slider-{p}').focus()")
        page.press("ArrowRight")
        assert page.evaluate(DRAWN) != before[0]
        assert page.evaluate(SAID) != before[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert page.requests == [page.url]
    assert page.complaints == []
