import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.decision import UNDECIDED, Decision
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.methods.catalog import by_name
from pipeline.report.html import write_report
from pipeline.report.panels import choose_panels
from pipeline.report.pictures import _bars, draw_history
from pipeline.report.style import log_axis
from pipeline.surrogate.fitted import Candidate
from tests.evaluation.oracles import VALUES, ConstantVelocity, forecast_harvest, make_schema, stochastic_harvest

PNG = b"\x89PNG\r\n\x1a\n"


class _Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.sources, self.links, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.sources += [values["src"]] if "src" in values else []
        self.links += [values["href"]] if "href" in values else []
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _write(folder, score, *, deterministic=False, decision=None, name="sweep", candidates=()):
    surrogate = ConstantVelocity(schema=score.schema, deterministic=deterministic, candidates=candidates)
    evaluation = evaluate(surrogate, score, redraws=2)
    facts = Facts.of(name, surrogate, score, score)
    judgement = Judgement(evaluation, decision or UNDECIDED, facts)
    judgement = judgement if decision else judgement.decided()
    page = write_report(folder / "report", surrogate, score, judgement)
    return page.read_text(encoding="utf-8"), evaluation


def _pictures(folder):
    return {path.name for path in (folder / "report" / "pictures").iterdir()}


@pytest.fixture(scope="module")
def stochastic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stochastic")
    score = stochastic_harvest(networks=True)
    return folder, score, *_write(folder, score)


def test_the_report_needs_nothing_else(stochastic):
    folder, _, html, _ = stochastic
    elements = _Elements(html)
    assert elements.open == []
    assert len(elements.sources) == len(_pictures(folder)) > 0
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in elements.sources)
    assert elements.links == []
    assert "://" not in re.sub(r"base64,[^\"]+", "", html)


def test_the_report_says_what_it_must(stochastic):
    _, score, html, evaluation = stochastic
    assert html.index("Promoted") < html.index("<table>")
    for text in (
        *(by_name()[method].label for method in evaluation.methods),
        "W₂² [m²]",
        "anchors</dt><dd>0, 0.5, 1<",
        "held out</dt><dd>0.25, 0.75<",
        "K_theta-U",
    ):
        assert text in unescape(html)
    assert score.digest in html
    for value in evaluation.hyperparameters:
        assert html.count('best"') == len(evaluation.hyperparameters) + 1
        assert f"<tr><td>{value:g}</td>" in html


def test_pictures_of_stochastic_outputs(stochastic):
    folder = stochastic[0]
    assert _pictures(folder) == {"errors.png", "movement.png", "paths.png", "fit.png"}
    assert all(path.read_bytes().startswith(PNG) for path in (folder / "report" / "pictures").iterdir())


def test_pictures_are_the_same_bytes_every_time(stochastic, tmp_path):
    folder, score = stochastic[:2]
    _write(tmp_path, score)
    for first, second in pairwise([folder, tmp_path]):
        for name in _pictures(first):
            path = f"report/pictures/{name}"
            assert (first / path).read_bytes() == (second / path).read_bytes()


def test_pictures_of_forecasts(tmp_path):
    html, _ = _write(tmp_path, forecast_harvest(columns=4), deterministic=True)
    assert _pictures(tmp_path) == {"errors.png", "movement.png", "fans.png", "paths.png", "fit.png"}
    assert "row by row" in html


@pytest.mark.parametrize("columns", [1, 3])
def test_pictures_of_other_dimensions(tmp_path, columns):
    velocity = np.array([3.0, 4.0, 5.0])
    score = stochastic_harvest(velocity=velocity, columns=columns)
    surrogate = ConstantVelocity(velocity=velocity, schema=score.schema)
    evaluation = evaluate(surrogate, score)
    facts = Facts.of("sweep", surrogate, score, score, training="up: no score fell")
    write_report(tmp_path / "report", surrogate, score, Judgement(evaluation, UNDECIDED, facts).decided())
    assert _pictures(tmp_path) == {"errors.png", "movement.png", "paths.png", "fit.png"}
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<dt>training of the anchors</dt><dd>up: no score fell</dd>" in page


def test_pictures_where_conditions_are_not_shared(tmp_path):
    rng = np.random.default_rng(0)
    score = Harvest.from_arrays(
        VALUES,
        [rng.standard_normal((20, 2)) for _ in VALUES],
        [rng.standard_normal((20, 2)) for _ in VALUES],
        schema=make_schema(kind="continuous", conditions=2),
    )
    html, evaluation = _write(tmp_path, score)
    assert evaluation.comparison == "joint"
    assert "do not share their conditions" in html
    assert "movement.png" in _pictures(tmp_path)


def test_a_report_without_held_out_values_says_so(tmp_path):
    html, _ = _write(tmp_path, stochastic_harvest(values=(0.0, 0.5, 1.0)))
    assert "nothing is held out, and no anchor could be left out; hold out a value" in html
    assert _pictures(tmp_path) == {"paths.png", "fit.png"}


JUDGED = (
    Candidate("K_I", 0.5, 0.02),
    Candidate("K_theta-U", 0.25, 0.0, chosen=True, remark="bends"),
    Candidate("clock linear", 0.25),
    Candidate("clock hold", 0.75),
)


def _section(html):
    (section,) = re.findall(r"<h2>What was compared</h2>(.*?)<h2>", html, re.DOTALL)
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr.*?>(.*?)</tr>", section, re.DOTALL)]
    return section, [row for row in rows if row]


def test_the_report_says_what_was_compared(tmp_path):
    html, _ = _write(tmp_path, stochastic_harvest(), candidates=JUDGED)
    section, rows = _section(html)
    assert rows == [
        ["K_I", "0.500 ± 0.0200", "", ""],
        ["K_theta-U", "0.250", "✓", "bends"],
        ["linear", "0.250", "✓"],
        ["hold", "0.750", ""],
    ]
    assert section.count("<table") == 2
    assert "cannot tell its base" in section
    assert _Elements(html).open == []


def test_the_report_says_how_own_rows_are_moved(tmp_path):
    own = (Candidate("own rows mapped", 0.5, 0.02), Candidate("own rows half way", 0.25, 0.0, chosen=True))
    html, _ = _write(tmp_path, stochastic_harvest(), candidates=JUDGED + own)
    section, rows = _section(html)
    assert rows[-2:] == [["mapped", "0.500 ± 0.0200", ""], ["half way", "0.250", "✓"]]
    assert "held-back error" in section
    assert _Elements(html).open == []


def test_the_report_says_where_the_choice_is_a_prior(tmp_path):
    prior = (Candidate("K_theta-U", chosen=True, remark="no anchor can be left out: declared prior"),)
    html, _ = _write(tmp_path, stochastic_harvest(), candidates=prior)
    section, rows = _section(html)
    assert rows[0] == ["K_theta-U", "–", "✓", "no anchor can be left out: declared prior"]
    assert [row[:3] for row in rows[1:]] == [["linear", "–", "✓"]]
    assert "declared prior, not a finding" in section
    assert "left every interior anchor out" not in section


def test_names_are_escaped_and_the_verdict_is_shown(tmp_path):
    html, _ = _write(tmp_path, stochastic_harvest(), decision=Decision(True, "because 1 < 2 & 3"), name="<b>")
    assert "because 1 &lt; 2 &amp; 3" in html
    assert "<b>" not in html
    assert "✓ Fit for use." in html


def test_forecast_panels_show_a_small_the_median_and_a_large_error():
    score = forecast_harvest(rows=11)
    surrogate = ConstantVelocity(deterministic=True, schema=score.schema)
    # Errors that grow with the row: the truth at the held-out values drifts off.
    drift = np.linspace(0, 1, 11)[:, None]
    outputs = [y + drift * (value in (0.25, 0.75)) for y, value in zip(score.outputs, VALUES, strict=True)]
    drifting = Harvest.from_arrays(VALUES, outputs, score.conditions, schema=score.schema)
    panels = choose_panels(surrogate, drifting, Comparison.of(drifting, deterministic=True))
    rows = [int(np.flatnonzero((score.conditions[0] == p.condition).all(axis=1))[0]) for p in panels]
    assert rows == [1, 5, 9]
    assert [p.title for p in panels] == [
        "context with a small error: MSE 0.01 m²",
        "context with the median error: MSE 0.25 m²",
        "context with a large error: MSE 0.81 m²",
    ]


def test_forecast_panels_without_held_out_values_claim_no_error():
    score = forecast_harvest(values=(0.0, 0.5, 1.0))
    surrogate = ConstantVelocity(deterministic=True, schema=score.schema)
    panels = choose_panels(surrogate, score, Comparison.of(score, deterministic=True))
    assert [p.title for p in panels] == ["context 1", "context 5", "context 9"]


@pytest.mark.parametrize(("columns", "claim"), [(2, "paths keep to the dark"), (3, "t+2 stays"), (4, "the 2 outputs")])
def test_a_slice_of_the_density_is_called_one(tmp_path, columns, claim):
    html, _ = _write(tmp_path, forecast_harvest(columns=columns), deterministic=True)
    assert claim in html
    assert ("one slice of a density" in html) is (columns > 2)


@pytest.mark.parametrize(("low", "high"), [(0.17, 514.0), (1.0, 1000.0), (0.3, 0.3), (1e-7, 3.0)])
def test_ticks_of_a_logarithmic_axis_enclose_the_data(low, high):
    ax = Figure().subplots()
    log_axis(ax, low, high)
    bottom, top = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if bottom <= tick <= top]
    assert min(ticks) <= low * (1 + 1e-9)
    assert max(ticks) >= high * (1 - 1e-9)
    assert len(ticks) <= 16


@pytest.mark.parametrize(
    ("history", "said", "unsaid"),
    [
        ({"map_error": [3e-5, 2e-5]}, "Bars give", "Curves"),
        ({"path_action": [2.0, 1.0, 0.5], "map_error": [0.5]}, "Curves", "Bars give"),
        ({"dual_value": [0.1] * 3, "map_loss": [5.0, 0.2, 0.1]}, "Curves", "Bars give"),
    ],
)
def test_what_is_recorded_once_an_interval_is_no_curve(tmp_path, history, said, unsaid):
    surrogate = ConstantVelocity(schema=stochastic_harvest().schema, history=history)
    picture = draw_history(surrogate, tmp_path)
    assert said in picture.caption
    assert unsaid not in picture.caption
    assert (tmp_path / picture.file).read_bytes().startswith(PNG)


def test_bars_are_named_by_their_intervals():
    ax = Figure().subplots()
    _bars(ax, ConstantVelocity(schema=stochastic_harvest().schema), [0.2, 0.1], "map error")
    assert [bar.get_height() for bar in ax.patches if isinstance(bar, Rectangle)] == [0.2, 0.1]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0 to 0.5", "0.5 to 1"]


def test_the_markdown_says_what_the_page_says(stochastic):
    folder, score, _, evaluation = stochastic
    text = (folder / "report" / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# sweep: fit for use\n\nPromoted: all 4 gates are passed; ")
    assert text.count("\n- ✓ ") == 4
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(evaluation.methods)
    assert {line.count("|") for line in rows} == {7}
    assert f"- score: `{score.digest}`" in text
    assert "\n\n\n\n" not in text
    assert "&" not in text  # it is no HTML
