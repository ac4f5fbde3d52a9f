"""Methods that are fitted: judged on the same samples as all others."""

from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.errors import BundleError, ConfigurationError, DataError, FitError
from pipeline.evaluation import methods
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.findings import Cost, Findings
from pipeline.evaluation.methods.method import Fitting
from pipeline.evaluation.rivals import ASKED, Court, chosen_methods, fit_methods
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.task_table import TaskTable
from pipeline.surrogate.config import SurrogateConfig
from tests.evaluation.oracles import ANCHORS, ConstantVelocity, forecast_harvest, stochastic_harvest

METHOD = """
from pipeline.evaluation.methods.method import Method

METHOD = Method("{name}", "{name}", "baseline", "#F0E442", "<", fit=lambda fitting: {gives}, cost="{cost}")
"""


@dataclass(frozen=True)
class Truth:
    """Answers as `ConstantVelocity.sample` does, times a factor."""

    schema: object
    deterministic: bool = False
    factor: float = 1.0

    def sample(self, conditions, hyperparameter, draws, seed):
        oracle = ConstantVelocity(schema=self.schema, deterministic=self.deterministic)
        return self.factor * oracle.sample(conditions, hyperparameter, draws, seed)


@pytest.fixture
def add(tmp_path, monkeypatch):
    def write(name, gives="'fitted'", cost="dear"):
        (tmp_path / f"{name}.py").write_text(METHOD.format(name=name, gives=gives, cost=cost))
        monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
        monkeypatch.delitem(__import__("sys").modules, f"{methods.__name__}.{name}", raising=False)

    return write


def fitting(harvest):
    return Fitting(harvest, False, SurrogateConfig(), 0)


def test_quick_methods_always_run_and_dear_ones_where_they_are_named(add):
    before = {method.name for method in chosen_methods(())}
    add("quick_one", cost="quick")
    add("dear_one")
    add("another")
    assert {m.name for m in chosen_methods(())} == before | {"quick_one"}
    assert {m.name for m in chosen_methods(("dear_one",))} == before | {"quick_one", "dear_one"}
    assert {"dear_one", "another"} <= {m.name for m in chosen_methods(("all",))}
    with pytest.raises(ConfigurationError, match=r"validate.methods: \['floor', 'nobody'\] are not methods that are"):
        chosen_methods(("nobody", "floor", "dear_one"))


def test_a_method_that_does_not_apply_is_left_out(add):
    add("dear_one")
    add("another", gives="None")
    asked = [m for m in chosen_methods(("all",)) if m.name in ("dear_one", "another")]
    fitted, seconds = fit_methods(asked, fitting(stochastic_harvest()))
    assert fitted == {"dear_one": "fitted"}
    assert list(seconds) == ["dear_one"]


@pytest.mark.parametrize("networks", [False, True])
def test_equal_answers_have_equal_scores_however_they_are_judged(networks):
    score = stochastic_harvest(networks=networks)
    surrogate = ConstantVelocity(
        schema=score.schema, networks=score.networks, sampled_conditions=(score.conditions[0],)
    )
    own = [s for s in evaluate(surrogate, score, 3, 7).held_out if s.method == SURROGATE]
    court = Court.of(score.select(ANCHORS), score, deterministic=False, redraws=3, seed=7)
    found = court.scores({SURROGATE: Truth(score.schema)})
    assert list(found) == own


def test_matched_rows_are_judged_at_their_conditions():
    score = forecast_harvest()
    court = Court.of(score.select(ANCHORS), score, deterministic=True)
    (first, second) = court.scores({"right": Truth(score.schema, deterministic=True)})
    assert (first.hyperparameter, second.hyperparameter) == (0.25, 0.75)
    assert first.error == pytest.approx(0, abs=1e-20)
    assert len(first.by_condition) == 9


def test_policies_answer_at_their_own_value():
    score = stochastic_harvest(networks=True)
    court = Court.of(score.select(ANCHORS), score, deterministic=False)
    asked = court.policies({"right": Truth(score.schema)})
    assert list(asked) == [0.25, 0.75]
    x = score.conditions[0][:3]
    given = asked[0.75]["right"](x, 4, 1)
    assert np.array_equal(given, Truth(score.schema).sample(x, 0.75, 4, 1))
    plain = stochastic_harvest()
    assert Court.of(plain.select(ANCHORS), plain, deterministic=False).policies({}) == {}


def test_answers_are_timed_in_one_call_of_a_thousand():
    score, seen = stochastic_harvest(), []

    class Counting:
        def sample(self, conditions, hyperparameter, draws, seed):
            seen.append((conditions.shape, draws))

    assert Court.of(score.select(ANCHORS), score, deterministic=False).seconds(Counting()) >= 0
    assert seen == [((1, 1), 1), ((ASKED, 1), 1)]  # the first one loads what is needed


def test_answers_that_are_not_finite_are_refused():
    score = stochastic_harvest()
    court = Court.of(score.select(ANCHORS), score, deterministic=False)
    with pytest.raises(FitError, match=r"outputs of endless at hyperparameter 0.25 are not finite"):
        court.scores({"endless": Truth(score.schema, factor=np.inf)})


def test_a_score_harvest_without_an_anchor_is_refused():
    score = stochastic_harvest()
    with pytest.raises(DataError, match=r"lacks the anchors \[0.5\]"):
        Court.of(score.select(ANCHORS), score.select([0.0, 0.25, 1.0]), deterministic=False)


def test_findings_survive_the_disk(tmp_path):
    score = stochastic_harvest(networks=True)
    court = Court.of(score.select(ANCHORS), score, deterministic=False)
    episodes = {0.25: {"right": np.array([1.0, 2.0])}, 0.75: {"right": np.array([3.0, 5.0])}}
    table = TaskTable("reward", ((0.25, {"right": 1.5}), (0.75, {"right": 4.0})), episodes)
    found = Findings(court.scores({"right": Truth(score.schema)}), (table,), (Cost("right", 1.0, 0.5),))
    found.write(tmp_path / "comparison.json")
    read = Findings.read(tmp_path / "comparison.json")
    assert read.scores == found.scores
    assert read.costs == found.costs
    assert read.tables[0].rows == table.rows
    assert read.tables[0].error("right", 0.75) == table.error("right", 0.75)


def test_a_corrupted_file_is_refused(tmp_path):
    (tmp_path / "comparison.json").write_text('{"scores": 3}')
    with pytest.raises(BundleError, match="run stage compare again"):
        Findings.read(tmp_path / "comparison.json")
    with pytest.raises(BundleError):
        Findings.read(tmp_path / "nothing.json")


def test_tables_are_joined_in_the_order_of_the_methods():
    episodes = {0.5: {"surrogate": np.ones(1), "trained": np.ones(1)}}
    own = TaskTable("reward", ((0.5, {"surrogate": 1.0, "trained": 2.0}),), episodes, {0.5: 0.0})
    more = TaskTable("reward", ((0.5, {"line": 3.0}),), {0.5: {"line": np.ones(1)}})
    joined = own.joined(more, ["surrogate", "line", "trained"])
    assert joined.rows == ((0.5, {"surrogate": 1.0, "line": 3.0, "trained": 2.0}),)
    assert list(joined.episodes[0.5]) == ["surrogate", "line", "trained"]
    assert joined.best == {0.5: 0.0}
