import json
from html.parser import HTMLParser

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.scores import Evaluation
from pipeline.report import explorer
from pipeline.report.embedded import LONGEST, embedded
from pipeline.report.explorer import MOST_BYTES, explore
from pipeline.report.html import write_report
from pipeline.report.steps import MOST_VALUES, STEPS, Axis, Extent, largest, values_between
from tests.evaluation.oracles import VELOCITY, ConstantVelocity, forecast_harvest, make_schema, stochastic_harvest
from tests.report.pages import judged
from tests.report.planes import SCATTERED, Drift, schema_of, score_of

NO_ERRORS = Evaluation("matched", "MSE", 1, (), ())
"""With one hyperparameter, conditions are not chosen by it."""


def document(surrogate, score, band=None):
    """The page's data, as the page reads it."""
    return json.loads(embedded(explore(surrogate, score, evaluate(surrogate, score), band).document))


def forecasts(columns=3, **settings):
    score = forecast_harvest(columns=columns)
    return ConstantVelocity(schema=score.schema, deterministic=True, **settings), score


# --- what is embedded


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!-- ", "<!--<script>", "]]>", "&lt;", "λ é \u2028"]
)
def test_text_in_a_page_is_data_and_nothing_else(text):
    class Found(HTMLParser):
        tags: tuple[str, ...] = ()
        data = ""

        def handle_starttag(self, tag, attributes):
            self.tags = (*self.tags, tag)

        def handle_data(self, data):
            self.data += data

    found = Found()
    found.feed(f'<script type="application/json">{embedded({text: [text]})}</script>')
    assert found.tags == ("script",)
    assert json.loads(found.data) == {text: [text]}


def test_numbers_have_five_significant_digits_and_a_bounded_length():
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal(2000) * 10.0 ** rng.integers(-40, 90, 2000)
    text = embedded(numbers)
    read = np.array(json.loads(text))
    shown = np.abs(numbers) >= 1e-30
    np.testing.assert_allclose(read[shown], numbers[shown], rtol=5e-5)
    assert not read[~shown].any()
    assert max(map(len, text.strip("[]").split(","))) < LONGEST


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded({"error": float("nan")})


# --- which λ


def test_steps_are_even_and_keep_anchors_and_held_out_values():
    found = values_between((0.0, 0.5, 1.0), (0.26, 0.75), 10)
    expected = [0, 0.05, 0.1, 0.15, 0.2, 0.26, 0.3, 0.35, 0.4, 0.45, *np.arange(0.5, 1.01, 0.05)]
    # 0.25 has made room for 0.26, which is nearer to it than half a step; 0.75 is a step of its own.
    np.testing.assert_allclose(found, expected)


def test_steps_of_a_decade_are_even_in_the_logarithm():
    found = values_between((0.01, 1.0, 2.0), (), 4)
    np.testing.assert_allclose(found[:5], [0.01, 10**-1.5, 0.1, 10**-0.5, 1.0])
    np.testing.assert_allclose(found[5:], [1.25, 1.5, 1.75, 2.0])


@pytest.mark.parametrize("held_out", [(), (0.25,), tuple(np.linspace(0.01, 0.99, 40).tolist())])
@pytest.mark.parametrize("anchors", [(0.0, 1.0), (0.0, 0.5, 1.0), tuple(range(12))])
def test_a_short_axis_is_short_and_has_all_anchors(anchors, held_out):
    axis = Axis.short(Column(name="l"), anchors, held_out, STEPS)
    assert len(axis.values) <= max(MOST_VALUES, len(anchors))
    assert axis.values[list(axis.anchors)].tolist() == list(anchors)
    assert set(axis.values[list(axis.held_out)].tolist()) <= set(held_out)


def test_steps_are_thinned_before_draws_and_draws_before_conditions():
    full = Extent(16, 100, 8)
    assert largest(full, lambda e: e.steps * e.draws * e.conditions, 16 * 100 * 8) == full
    assert largest(full, lambda e: e.steps * e.draws * e.conditions, 4 * 100 * 8) == Extent(4, 100, 8)
    assert largest(full, lambda e: e.steps * e.draws * e.conditions, 4 * 50 * 8) == Extent(4, 50, 8)
    assert largest(full, lambda e: e.steps * e.draws * e.conditions, 4 * 10 * 2) == Extent(4, 10, 2)
    assert largest(full, lambda e: e.steps * e.draws * e.conditions, 1) == Extent(1, 1, 1)
    assert largest(full, lambda e: 10, 9) is None


# --- what is shown


def test_forecasts_are_those_of_the_surrogate_at_every_value():
    surrogate, score = forecasts(columns=4)
    found = document(surrogate, score)
    assert found["view"] == "fan"
    values = np.array(found["axes"][0]["values"])
    assert len(values) == 2 * STEPS + 1
    assert found["heldOut"] == np.searchsorted(values, [0.25, 0.75]).tolist()
    for served, truth, own, past in zip(*(found[key] for key in ("served", "truth", "own", "history")), strict=True):
        means = np.mean(past)  # the contexts have three steps: all of them are shown
        np.testing.assert_allclose(served, means + np.outer(values, np.resize(VELOCITY, 4)), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(truth, np.array(served)[found["heldOut"]], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(own, np.array(served)[found["anchors"]], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["errors"], 0, atol=1e-8)


def test_the_conditions_shown_are_distinct_and_the_representative_ones_come_first():
    surrogate, score = forecasts()
    found = document(surrogate, score)
    assert [title.split(":")[0] for title in found["conditions"][:3]] == [
        "context with a small error",
        "context with the median error",
        "context with a large error",
    ]
    assert len(found["conditions"]) == len({tuple(past) for past in found["history"]}) == 8
    assert all(title.endswith("of 9") for title in found["conditions"][3:])


def test_an_error_is_that_of_what_is_shown():
    surrogate, score = forecasts(velocity=2 * VELOCITY)
    found = document(surrogate, score)
    off = np.square(0.25 * np.resize(VELOCITY, 3)).mean()  # both values lie a quarter beyond the anchor it starts from
    np.testing.assert_allclose(found["errors"], np.full((8, 2), off), rtol=1e-3)


def test_draws_are_the_anchors_moved_and_keep_their_numbers():
    score = stochastic_harvest(draws=20)
    found = document(ConstantVelocity(schema=score.schema), score)
    assert (found["view"], found["draws"]) == ("plane", True)
    assert found["conditions"] == ["t-0 = 0", "t-0 = 1", "t-0 = 2"]
    served = np.array(found["served"]).reshape(3, -1, 20, 2)
    values = np.array(found["axes"][0]["values"])
    inside = values < 0.5  # where the first anchor's samples are moved
    moved = served[:, :1] + values[:, None, None] * VELOCITY
    np.testing.assert_allclose(served[:, inside], moved[:, inside], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["spread"], np.repeat(np.array(found["spread"])[:, :1], len(values), 1), rtol=1e-3)


def test_a_band_is_asked_for_at_every_value():
    surrogate, score = forecasts()
    found = document(surrogate, score, lambda sample, value: np.full_like(sample.outputs, value))
    for widths in found["band"]:
        np.testing.assert_allclose(np.array(widths)[:, 0], found["axes"][0]["values"], rtol=1e-4)
    assert document(surrogate, score)["band"] is None


def test_points_of_two_hyperparameters_are_numbered_with_the_last_changing_fastest():
    surrogate = Drift(schema=schema_of(deterministic=True))
    found = document(surrogate, score_of(surrogate))
    turn, radius = (np.array(axis["values"]) for axis in found["axes"])
    assert len(turn) <= MOST_VALUES
    assert len(radius) <= MOST_VALUES
    shift = surrogate.moved(np.array([(a, b) for a in turn for b in radius]))
    for served in np.array(found["served"]):
        np.testing.assert_allclose(served - served[0], shift - shift[0], atol=1e-3)
    assert len(found["anchors"]) == len(surrogate.vertices)
    shown = [(turn[i // len(radius)], radius[i % len(radius)]) for i in found["heldOut"]]
    assert sorted(shown) == sorted([(0.25, 1.0), (0.75, 1.0), (0.25, 0.5), (0.75, 0.5)])


@pytest.mark.parametrize(
    ("surrogate", "said"),
    [
        (Drift(SCATTERED), "scattered anchors"),
        (Drift(tuple(np.ndindex(2, 2, 2)), schema_of(3)), "three hyperparameters or more"),
    ],
)
def test_where_there_is_no_interactive_part_the_page_says_why(surrogate, said):
    surrogate = Drift(tuple(tuple(map(float, v)) for v in surrogate.vertices), surrogate.schema)
    score = score_of(surrogate, held_out=())
    assert said in explore(surrogate, score, evaluate(surrogate, score))


def test_images_of_the_truth_stand_below_the_draws_that_transport_pairs_them_with():
    plain = stochastic_harvest(draws=6, columns=4, velocity=np.zeros(4))
    outputs = [
        y[::-1].copy() if value in (0.25, 0.75) else y for value, y in zip(plain.values, plain.outputs, strict=True)
    ]
    x = [
        c[::-1].copy() if value in (0.25, 0.75) else c for value, c in zip(plain.values, plain.conditions, strict=True)
    ]
    score = Harvest.from_arrays(plain.hyperparameter, outputs, x, schema=make_schema(4, picture="image"))
    found = document(ConstantVelocity(velocity=np.zeros(4), schema=score.schema), score)
    assert (found["view"], found["side"]) == ("image", 2)
    for served, truth in zip(found["served"], found["truth"], strict=True):
        for k, point in enumerate(found["heldOut"]):
            assert truth[k] == served[point]


# --- how much


@pytest.mark.parametrize(("columns", "draws", "floor"), [(512, 40, 12), (2, 400, 100)])
def test_the_data_never_exceed_five_megabytes(columns, draws, floor):
    velocity = np.resize(VELOCITY, columns)
    score = stochastic_harvest(draws=draws, columns=columns, velocity=velocity)
    made = explore(ConstantVelocity(velocity=velocity, schema=score.schema), score, NO_ERRORS)
    size = len(embedded(made.document).encode())
    assert size <= MOST_BYTES
    assert (len(made.panels), made.draws) == (3, floor)
    if columns > 2:
        assert size > MOST_BYTES / 5  # thinned, but not to nothing


def test_outputs_beyond_all_measure_leave_the_part_out(monkeypatch):
    surrogate, score = forecasts(columns=24)
    monkeypatch.setattr(explorer, "MOST_NUMBERS", 24 * 10)  # of one condition: five values served, five known
    assert "24 outputs are more than a page can hold" in explore(surrogate, score, NO_ERRORS)


def test_the_page_says_what_it_ran_with_and_runs_no_other_script(tmp_path):
    surrogate, score = forecasts()
    page = write_report(tmp_path / "report", surrogate, score, judged(surrogate, score)).read_text(encoding="utf-8")
    assert "<dt>torch</dt><dd>2." in page
    assert "<dt>POT</dt><dd>0." in page
    assert "default-src 'none'" in page
    assert "script-src 'sha256-" in page
    order = [
        page.index(part)
        for part in ('class="verdict', "Errors at the held-out", 'id="explorer"', ">Pictures<", ">Digests")
    ]
    assert order == sorted(order)
