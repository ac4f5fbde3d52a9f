import json
import math
import re
from dataclasses import dataclass, field

import numpy as np
import pytest

from pipeline.data.anchors import Anchors
from pipeline.data.mesh import Grid
from pipeline.data.schema import Schema
from pipeline.errors import ConfigurationError
from pipeline.evaluation.task import task_tables
from pipeline.evaluation.task_table import TaskTable
from pipeline.families.protocol import Data, ScoredFamily
from pipeline.stages import fit
from pipeline.surrogate import Surrogate
from tests.evaluation.oracles import ConstantVelocity, make_schema, stochastic_harvest
from tests.families.kinds import Kinds, Scored, Settings, every_context, judge, kinds_config, shift


@dataclass
class Asked:
    """A family that scores whatever it is told to."""

    answer: object

    def score(self, policy, data, hyperparameter, seed):
        return self.answer(policy, hyperparameter, seed) if callable(self.answer) else self.answer


class Constant:
    """A network, and a surrogate, whose outputs are one number."""

    def __init__(self, value):
        self.value, self.mesh = value, Grid.line(Anchors((0.0, 1.0)))

    def outputs(self, conditions, draws, seed):
        return np.full((len(conditions), draws, 1), self.value + seed)

    def sample(self, conditions, hyperparameter, draws, seed):
        return self.outputs(conditions, draws, seed) + 100 * hyperparameter

    def positions(self, conditions, hyperparameter):
        return np.full(len(conditions), np.sqrt(hyperparameter))


@dataclass
class Networks:
    values: tuple[float, ...]
    networks: tuple | None
    schema: Schema = field(default_factory=make_schema)


def tables(answer, networks=(1.0, 50.0, 60.0, 5.0)):
    held = Networks((0.0, 0.25, 0.75, 1.0), networks and tuple(map(Constant, networks)))
    return task_tables(Asked(answer), Data(), Constant(7.0), held, 1000)


def test_every_method_answers_for_its_own_network():
    (table,) = tables(lambda policy, value, seed: {"y": float(policy(np.zeros((2, 1)), 3, seed).mean()) - seed})
    assert table.name == "y"
    assert [value for value, _ in table.rows] == [0.25, 0.75]
    assert table.rows[0][1] == {
        "surrogate": 7 + 25,
        "left_anchor": 1.0,
        "nearest_anchor": 1.0,
        "straight_line": 0.75 * 1 + 0.25 * 5,
        "straight_line_own_clock": 0.5 * 1 + 0.5 * 5,
        "right_anchor": 5.0,
        "trained": 50.0,
    }
    assert table.rows[1][1]["nearest_anchor"] == 5.0
    assert table.mean("trained") == 55.0
    assert table.methods == tuple(table.rows[0][1])


def test_several_scores_are_several_tables():
    assert [table.name for table in tables({"a": 1, "b": 2.5, "c": np.float32(0.5)})] == ["a", "b", "c"]


def test_without_networks_there_is_nobody_to_ask():
    assert tables({"a": 1}, networks=None) == ()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"a": True} | {"b": "1"}, r"returned"),
        (1.5, r"score\(\) of Asked returned 1.5; finite numbers by their names are needed"),
        ({}, r"returned \{\}"),
        ({"a": math.nan}, "returned {'a': nan}"),
        ({1: 2.0}, "returned {1: 2.0}"),
        (lambda policy, value, seed: {f"at {value}": 1.0}, "returns different scores at different λ"),
    ],
)
def test_what_is_no_score_is_refused(answer, message):
    with pytest.raises(ConfigurationError, match=message):
        tables(answer)


class Played(Kinds):
    """Constant policies in four episodes; the score is the distance from 100 λ, and an episode's luck."""

    LUCK = np.array([0.0, 1.0, 2.0, 5.0])

    def __init__(self):
        super().__init__(Settings(kind="draws"))
        self.asked = []

    def score(self, policy, data, hyperparameter, seed):
        raise AssertionError("episodes say it all")

    def episode_scores(self, policy, data, hyperparameter, seed, episodes=None):
        self.asked.append((seed, episodes))
        y = policy(np.zeros((4, 1)), 1, seed)[:, 0, 0] - seed
        return {"reward": -np.abs(y - 100 * hyperparameter) + self.LUCK}


def played(surrogate, family=None):
    held = Networks((0.0, 0.25, 0.75, 1.0), tuple(map(Constant, (1.0, 50.0, 60.0, 5.0))))
    (table,) = task_tables(family or Played(), Data(), Constant(surrogate), held, 1000)
    return table


def test_the_best_single_anchor_stands_in_the_table():
    table = played(7.0)
    assert table.methods[-2:] == ("best_anchor", "trained")
    assert dict(table.best) == {0.25: 1.0, 0.75: 1.0}
    assert [scores["best_anchor"] for _, scores in table.rows] == [2 - 20.0, 2 - 70.0]
    assert [scores["trained"] for _, scores in table.rows] == [2 - 25.0, 2 - 15.0]
    assert table.mean("surrogate") == 2 - 7.0
    assert table.remark == "The surrogate scores at least as well as the best single anchor at all 2 held-out values."
    assert played(-100.0).remark == (
        "A single anchor's own network scores better than the surrogate at 2 of 2 held-out values (that of 1 at 0.25, "
        "0.75), beyond two standard errors at 0.25, 0.75."
    )


def test_the_best_anchor_is_chosen_in_episodes_of_its_own():
    family = Played()
    played(7.0, family)
    scored = {seed for seed, episodes in family.asked if episodes is None}
    chosen = {seed for seed, episodes in family.asked if episodes is not None}
    assert scored == {1000}
    assert len(chosen) == 1
    assert not scored & chosen
    assert [episodes for _, episodes in family.asked if episodes is not None] == 4 * [range(4)]


def test_standard_errors_are_those_over_episodes():
    table = played(7.0)
    expected = math.sqrt(np.var(Played.LUCK, ddof=1) / 4)
    assert table.error("surrogate", 0.25) == pytest.approx(expected)
    # Both λ share their episodes' luck: their mean is no surer than one of them.
    assert table.mean_error("surrogate") == pytest.approx(expected)
    plain = TaskTable("reward", ((0.25, {"surrogate": 1.0}),))
    assert (plain.error("surrogate", 0.25), plain.mean_error("surrogate"), plain.remark) == (None, None, "")


@pytest.mark.slow
def test_a_broken_interval_is_in_the_bundle_the_report_and_the_metrics(tmp_path):
    config = kinds_config("vectors", network="tests.families.kinds:Wells")
    folder = judge(config, tmp_path)
    document = json.loads((folder / "metrics.json").read_text())
    (barrier,) = document["barriers"]
    assert (barrier["broken"], barrier["train_at"], barrier["anchors"]) == (True, 0.375, [0.0, 1.0])
    assert barrier["switch"] == pytest.approx(0.3, abs=1e-3)
    assert document["best_anchors"] == [{"hyperparameter": 0.5, "anchor": 1.0}]
    mean = document["task_mean"]["reward"]
    assert mean["surrogate"] == mean["best_anchor"] == pytest.approx(0.2, abs=1e-5)
    assert mean["straight_line"] < -0.1
    assert document["task_errors"][0]["straight_line"] > 0
    html = (folder / "report" / "report.html").read_text()
    assert "broken between 0 and 1" in html
    assert "train 0.375 to mend it" in html
    assert "best single anchor under λ&#39;s score" in html
    off = config.model_copy(update={"fit": config.fit.model_copy(update={"barriers": "off"})})
    fit.run(off, tmp_path)
    assert Surrogate.load(tmp_path / config.folder / "surrogate").barriers is None


def test_only_a_family_with_a_score_is_one():
    assert isinstance(Scored(Settings(kind="draws")), ScoredFamily)
    assert not isinstance(Kinds(Settings(kind="draws")), ScoredFamily)


@pytest.mark.slow
def test_stage_writes_scores_beside_the_errors(tmp_path):
    config = kinds_config("vectors", network="tests.families.kinds:Scored")
    folder = judge(config, tmp_path)
    document = json.loads((folder / "metrics.json").read_text())
    mean = document["task_mean"]["distance"]
    x = Scored(Settings(kind="vectors")).conditions(Data(), "score", 30, 0)
    assert len(x) == 30 == round(0.25 * len(every_context("vectors")))
    assert mean["trained"] == pytest.approx(0, abs=1e-6)
    assert mean["straight_line"] == pytest.approx(0, abs=1e-6)
    assert mean["left_anchor"] == pytest.approx(0.5 * np.sqrt(np.mean(shift("vectors", x) ** 2)), rel=1e-5)
    assert mean["surrogate"] < 0.02
    assert document["task"] == [{"name": "distance", "hyperparameter": 0.5} | mean]
    html = (folder / "report" / "report.html").read_text()
    assert re.search(r"Task score: distance.*network trained there", html, re.S)


def test_report_of_a_family_without_a_score_has_no_such_table(tmp_path):
    from pipeline.evaluation.decision import UNDECIDED
    from pipeline.evaluation.evaluate import evaluate
    from pipeline.evaluation.judgement import Facts, Judgement
    from pipeline.report.html import render

    score = stochastic_harvest(networks=True)
    surrogate = ConstantVelocity(schema=score.schema)
    evaluation = evaluate(surrogate, score)
    facts = Facts.of("sweep", surrogate, score, score)
    assert "Task score" not in render(Judgement(evaluation, UNDECIDED, facts).decided(), [], tmp_path)
    table = TaskTable("mean reward", ((0.25, dict.fromkeys(("surrogate", "trained"), -3.25)),))
    html = render(Judgement(evaluation, UNDECIDED, facts, (table,)).decided(), [], tmp_path)
    assert html.count("-3.25") + html.count("−3.25") == 2 * 2
