"""Validation of several hyperparameters: closed forms of every method, records by name, refusals."""

import csv
import io
import json
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks import two_hyperparameters as turning
from flows.report.summary import read_validation
from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.errors import DataError, HyperparameterError
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.features import feature_tables
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import COLUMNS, Record, errors_csv
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.task import task_tables
from pipeline.families.protocol import Data
from pipeline.registry.evidence import metric_values
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from tests.clouds import moment
from tests.evaluation.oracles import Shifting
from tests.families.kinds import Kinds, Settings

STRAIGHT = SurrogateConfig(variant="K_I", clock="linear")
GRID = [(t, r) for t in (0.0, 0.5, 1.0) for r in (0.0, 1.0)]
INSIDE = [(0.2, 0.7), (0.5, 0.3), (0.8, 1.0)]  # in a cell, on the face of two, on an edge of the grid
X = np.linspace(-1, 1, 12)[:, None]
LINES = ("straight_line", "straight_line_own_clock")


def bilinear(value, x):
    """Outputs (N, 2) of a law that is bilinear in λ."""
    turn, radius = value
    return np.c_[(1 + 2 * turn) * (1 + radius) * x[:, 0], turn - 3 * turn * radius + x[:, 0] ** 2]


def forecaster(values, law=bilinear, names=("turn", "radius"), monotone=None) -> Harvest:
    schema = Schema(
        hyperparameter=Column(name=names[0]),
        further_hyperparameters=tuple(Column(name=name) for name in names[1:]),
        outputs=tuple(Column(name=f"y{i}") for i in range(law(values[0], X).shape[1])),
        conditions=(Column(name="x"),),
        deterministic=True,
        monotone=monotone,
    )
    return Harvest.from_arrays(values, [law(v, X) for v in values], [X] * len(values), schema=schema)


def judged(score, fit, config=STRAIGHT):
    surrogate = Surrogate.fit(fit, config)
    evaluation = evaluate(surrogate, score)
    return surrogate, Judgement(evaluation, UNDECIDED, Facts.of("two", surrogate, fit, score)).decided()


@pytest.fixture(scope="module")
def planar():
    score = forecaster(GRID + INSIDE)
    return *judged(score, score.select(GRID)), score


def test_a_bilinear_law_is_exact_for_the_surrogate_and_multilinear_lines(planar):
    evaluation = planar[1].evaluation
    assert evaluation.names == ("turn", "radius")
    assert evaluation.hyperparameters == tuple(sorted(INSIDE))
    assert evaluation.methods == (SURROGATE, "transport", "nearest_anchor", *LINES)
    for value in INSIDE:
        for method in (SURROGATE, *LINES):
            assert evaluation.at(method, value).error == pytest.approx(0, abs=1e-10)


def test_the_nearest_anchor_is_nearest_in_scaled_coordinates(planar):
    evaluation = planar[1].evaluation
    for value, anchor in (((0.2, 0.7), (0.0, 1.0)), ((0.5, 0.3), (0.5, 0.0)), ((0.8, 1.0), (1.0, 1.0))):
        expected = np.mean((bilinear(value, X) - bilinear(anchor, X)) ** 2)
        assert evaluation.at("nearest_anchor", value).error == pytest.approx(expected)


def test_every_anchor_but_the_first_is_reached_from_a_neighbour(planar):
    evaluation = planar[1].evaluation
    own = {s.hyperparameter: s.error for s in evaluation.anchors if s.method == SURROGATE}
    assert set(own) == set(GRID[1:])
    assert max(own.values()) < 1e-9
    unmoved = {s.hyperparameter: s.error for s in evaluation.anchors if s.method == "left_anchor"}
    assert unmoved[(0.0, 1.0)] == pytest.approx(np.mean((bilinear((0, 1), X) - bilinear((0, 0), X)) ** 2))
    assert unmoved[(1.0, 1.0)] == pytest.approx(np.mean((bilinear((1, 1), X) - bilinear((1, 0), X)) ** 2))


def test_a_step_at_an_anchor_is_an_error_of_the_surrogate_there(planar, monkeypatch):
    surrogate, _, score = planar
    sample = Surrogate.sample

    def stepping(self, conditions, hyperparameter, draws=1, seed=0):
        inside = hyperparameter["turn"] < 0.5 and hyperparameter["radius"] < 1
        return sample(self, conditions, hyperparameter, draws, seed) + 2.0 * inside

    monkeypatch.setattr(Surrogate, "sample", stepping)
    found = {s.hyperparameter: s.error for s in evaluate(surrogate, score).anchors if s.method == SURROGATE}
    # The cell of small turns is where its own corners are reached.
    assert found == pytest.approx({(0.0, 1.0): 4, (0.5, 0.0): 4, (0.5, 1.0): 4, (1.0, 0.0): 0, (1.0, 1.0): 0}, abs=1e-3)


def test_a_trilinear_law_of_three_hyperparameters_is_exact():
    def law(value, x):
        a, b, c = value
        return (1 + a * b * c + 2 * a - b) * x + c * a

    anchors = [(a, b, c) for a in (0.0, 1.0) for b in (0.0, 1.0) for c in (0.0, 2.0, 3.0)]
    held_out = [(0.3, 0.6, 2.5), (0.9, 0.2, 0.7)]
    score = forecaster(anchors + held_out, law, "abc")
    _, judgement = judged(score, score.select(anchors))
    for method in (SURROGATE, *LINES):
        assert judgement.evaluation.mean_error(method) == pytest.approx(0, abs=1e-9)
    assert judgement.evaluation.mean_error("nearest_anchor") > 0.01
    assert len(judgement.evaluation.anchors) == 11 * 3


@pytest.mark.parametrize("clock", ["linear", "log"])
def test_an_affine_law_of_scattered_anchors_is_exact_for_linear_lines_whatever_the_clock_is(clock):
    def law(value, x):
        return (1 + value[0] + 2 * value[1]) * x

    anchors = [(0.1, 0.1), (2.0, 0.2), (0.3, 2.0), (1.9, 1.9), (0.9, 1.0)]
    held_out = [(0.8, 0.8), (1.6, 1.2), (0.6, 1.4)]
    score = forecaster(anchors + held_out, law)
    config = SurrogateConfig(variant="K_I", clock=clock)
    _, judgement = judged(score, score.select(anchors), config)
    evaluation = judgement.evaluation
    assert evaluation.mean_error("straight_line") == pytest.approx(0, abs=1e-12)
    # With straight paths the surrogate is the line on its own clocks.
    assert evaluation.mean_error(SURROGATE) == pytest.approx(
        evaluation.mean_error("straight_line_own_clock"), rel=1e-5, abs=1e-9
    )
    assert (evaluation.mean_error(SURROGATE) < 1e-9) == (clock == "linear")
    own = [s for s in evaluation.anchors if s.method == SURROGATE]
    assert len(own) == len(anchors) - 1
    assert max(s.error for s in own) < 1e-8
    assert "they form no grid" not in " ".join(judgement.facts.compared.caveats)  # all is named


@pytest.mark.slow
def test_the_surrogate_beats_multilinear_lines_where_draws_turn():
    values = [*turning.ANCHORS, (0.25, 0.5), (0.75, 0.5)]
    rng = np.random.default_rng(0)
    outputs = [np.concatenate([turning.draw(v, c, 20, rng) for c in range(2)]) for v in values]
    x = np.repeat(np.arange(2.0), 20)[:, None]
    names = {"hyperparameter": ["turn", "radius"]}
    score = Harvest.from_arrays(values, outputs, [x] * len(values), "categorical", names=names, deterministic=False)
    settings = {"path_steps": 200, "path_widths": (64, 64), "outer_steps": 20, "order": ("turn", "radius")}
    config = moment(variant="K_theta-U", clock="linear", **settings)
    _, judgement = judged(score, score.select(turning.ANCHORS), config)
    evaluation = judgement.evaluation
    assert evaluation.served == "sample"
    assert evaluation.mean_error(SURROGATE) < 0.6 * evaluation.mean_error("straight_line")
    assert judgement.facts.order_effect > 0


def test_what_was_recorded_is_read_by_name(planar, tmp_path):
    record = Record.of(planar[1])
    record.write(tmp_path / "metrics.json")
    read = Record.read(tmp_path / "metrics.json")
    assert read == record
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["hyperparameters"] == document["order"] == ["turn", "radius"]
    assert document["order_effect"] == pytest.approx(0, abs=1e-6)
    assert list(document["surrogate"]) == ["turn=0.2,radius=0.7", "turn=0.5,radius=0.3", "turn=0.8,radius=1"]
    assert document["scores"][0]["hyperparameter"] == {"turn": 0.2, "radius": 0.7}
    assert {m["name"]: m["label"] for m in document["methods"]}["straight_line"] == "multilinear, linear clocks"
    assert [read.value(score.hyperparameter) for score in read.held_out[:1]] == [(0.2, 0.7)]


def test_the_table_of_errors_has_a_column_a_hyperparameter(planar):
    evaluation = planar[1].evaluation
    lines = list(csv.DictReader(io.StringIO(errors_csv(evaluation))))
    assert tuple(lines[0]) == (*COLUMNS, "energy_distance", "outside_support", "turn", "radius")
    assert (lines[0]["hyperparameter"], float(lines[0]["turn"])) == ("turn=0.2,radius=0.7", 0.2)
    assert len(lines) == len(evaluation.held_out) + len(evaluation.anchors)


def test_a_hyperparameter_called_as_a_column_has_a_column_of_its_own():
    score = forecaster(GRID + INSIDE[:1], names=("error", "spread"))
    _, judgement = judged(score, score.select(GRID))
    header = errors_csv(judgement.evaluation).splitlines()[0].split(",")
    assert header[-2:] == ["hyperparameter error", "hyperparameter spread"]
    assert len(set(header)) == len(header)


def test_figures_are_named_as_mlflow_allows(planar):
    from mlflow.utils.validation import _validate_metric_name

    names = list(metric_values(Record.of(planar[1]).figures()))
    assert "error/surrogate/turn_0.2_radius_0.7" in names
    for name in names:
        _validate_metric_name(name)


def test_the_flow_shows_columns_in_words(planar, tmp_path):
    Record.of(planar[1]).write(tmp_path / "validation" / "metrics.json")
    table = read_validation(tmp_path)
    assert table.columns == ("method", "turn=0.2,radius=0.7", "turn=0.5,radius=0.3", "turn=0.8,radius=1", "mean")
    assert [row[0] for row in table.rows][-1] == "multilinear, the surrogate's own clocks"


def test_a_missing_anchor_and_a_value_outside_the_hull_are_named(planar):
    with pytest.raises(DataError, match=r"lacks the anchors \[\(1.0, 1.0\)\]"):
        evaluate(planar[0], forecaster(GRID[:-1] + INSIDE))
    with pytest.raises(HyperparameterError, match=r"turn 1.5 lies outside the anchors' range \[0.0, 1.0\]"):
        evaluate(planar[0], forecaster([*GRID, (1.5, 0.5)]))
    score = forecaster([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.9, 0.9)])
    triangle = Surrogate.fit(score.select([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]), STRAIGHT)
    with pytest.raises(HyperparameterError, match=r"\(0.9, 0.9\) lies outside the anchors' hull"):
        evaluate(triangle, score)


def rising(turn_slope):
    return lambda value, x: np.c_[turn_slope * value[0] + value[1] * x[:, 0], value[0] + 5 * value[1] ** 2 * x[:, 0]]


@pytest.mark.parametrize(("slope", "share"), [(1.0, 0.0), (-1.0, 0.5)])
def test_crossings_are_counted_along_the_first_hyperparameter(slope, share):
    held_out = [(0.25, 0.5), (0.75, 0.5)]
    score = forecaster(GRID + held_out, rising(slope), monotone="increasing")
    _, judgement = judged(score, score.select(GRID))
    crossings = judgement.evaluation.crossings
    assert (crossings.surrogate, crossings.anchors, crossings.networks) == (share, share, share)


def test_scattered_anchors_have_no_lines_to_count_crossings_along():
    anchors = [(0.0, 0.0), (1.0, 0.1), (0.2, 1.0)]
    score = forecaster([*anchors, (0.4, 0.4)], rising(1.0), monotone="increasing")
    assert judged(score, score.select(anchors))[1].evaluation.crossings is None


@dataclass
class Reward:
    """A family whose score is the distance of the mean output from λ's turn, and whose features are the outputs."""

    def score(self, policy, data, hyperparameter, seed):
        y = policy(np.zeros((1, 0)), 2, seed)[..., 0].mean()
        return {"distance": abs(float(y) - hyperparameter["turn"] - hyperparameter["radius"])}

    def features(self, outputs, conditions, data):
        return outputs


class Played(Kinds):
    """The negative distance in episodes without luck."""

    def score(self, policy, data, hyperparameter, seed):
        return Reward().score(policy, data, hyperparameter, seed)

    def episode_scores(self, policy, data, hyperparameter, seed, episodes=None):
        return {"reward": np.repeat(-self.score(policy, data, hyperparameter, seed)["distance"], 5)}


@pytest.fixture(scope="module")
def policies():
    values = [*GRID, (0.25, 0.5)]
    networks = [Shifting(np.array([t + r]), 0.0) for t, r in values]
    outputs = [n.outputs(np.zeros((4, 0)), 3, 0).reshape(-1, 1) for n in networks]
    options = {"names": {"hyperparameter": ["turn", "radius"]}, "deterministic": False, "networks": networks}
    score = Harvest.from_arrays(values, outputs, [np.zeros((12, 0))] * len(values), **options)
    return Surrogate.fit(score.select(GRID), STRAIGHT), score


def test_families_get_a_mapping_of_names(policies):
    surrogate, score = policies
    (table,) = task_tables(Reward(), Data(), surrogate, score, 0)
    ((value, scores),) = table.rows
    assert (value, table.names) == ((0.25, 0.5), ("turn", "radius"))
    assert list(scores) == [SURROGATE, "nearest_anchor", *LINES, "trained"]
    assert {m: scores[m] for m in (SURROGATE, *LINES, "trained")} == pytest.approx(
        dict.fromkeys((SURROGATE, *LINES, "trained"), 0), abs=1e-6
    )
    assert scores["nearest_anchor"] == pytest.approx(0.75)  # of four equally near ones the first, (0, 0)


def test_the_best_single_anchor_is_named_in_words(policies, tmp_path):
    surrogate, score = policies
    (table,) = task_tables(Played(Settings(kind="draws")), Data(), surrogate, score, 0)
    assert table.best == {(0.25, 0.5): (0.0, 1.0)}  # the first of two that are equally good
    assert table.remark.endswith("at the one held-out value.")
    features = feature_tables(Reward(), Data(), surrogate, score, 0)
    evaluation = evaluate(surrogate, score)
    facts = Facts.of("two", surrogate, score.select(GRID), score)
    Record.of(Judgement(evaluation, UNDECIDED, facts, (table, *features)).decided()).write(tmp_path / "metrics.json")
    record = Record.read(tmp_path / "metrics.json")
    assert record.best_anchors[0].anchor == {"turn": 0.0, "radius": 1.0}
    assert record.task[0].hyperparameter == {"turn": 0.25, "radius": 0.5}
