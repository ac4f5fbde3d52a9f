import json
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.errors import ConfigurationError
from pipeline.evaluation.task import TaskTable, task_tables
from pipeline.families.protocol import Data, ScoredFamily
from tests.evaluation.oracles import ConstantVelocity, stochastic_harvest
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
        self.value, self.anchors = value, (0.0, 1.0)

    def outputs(self, conditions, draws, seed):
        return np.full((len(conditions), draws, 1), self.value + seed)

    def sample(self, conditions, hyperparameter, draws, seed):
        return self.outputs(conditions, draws, seed) + 100 * hyperparameter

    def positions(self, conditions, hyperparameter):
        return np.full(len(conditions), np.sqrt(hyperparameter))


@dataclass
class Networks:
    hyperparameter: np.ndarray
    networks: tuple | None


def tables(answer, networks=(1.0, 50.0, 60.0, 5.0)):
    held = Networks(np.array([0.0, 0.25, 0.75, 1.0]), networks and tuple(map(Constant, networks)))
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
    from pipeline.evaluation.evaluate import evaluate
    from pipeline.evaluation.gates.catalog import decide
    from pipeline.evaluation.judgement import Facts, Judgement
    from pipeline.report.html import render

    score = stochastic_harvest(networks=True)
    surrogate = ConstantVelocity(schema=score.schema)
    evaluation = evaluate(surrogate, score)
    facts = Facts.of("sweep", surrogate, score, score)
    assert "Task score" not in render(Judgement(evaluation, decide(evaluation), facts), [], tmp_path)
    table = TaskTable("mean reward", ((0.25, dict.fromkeys(("surrogate", "trained"), -3.25)),))
    html = render(Judgement(evaluation, decide(evaluation), facts, (table,)), [], tmp_path)
    assert html.count("-3.25") + html.count("−3.25") == 2 * 2
