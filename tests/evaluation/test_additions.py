"""One file is enough: a method, a gate or a distance that somebody adds reaches everything that is written."""

import json

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigurationError
from pipeline.evaluation import distances, methods
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.distances import Distance
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.gates import metrics
from pipeline.evaluation.gates.config import DEFAULT_GATES, GateSection
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.record import Record, errors_csv
from pipeline.evaluation.task import policies
from pipeline.report.html import write_report
from tests.evaluation.oracles import ConstantVelocity, forecast_harvest, stochastic_harvest

METHOD = """
from pipeline.evaluation.methods.method import Method

METHOD = Method("far_anchor", "far anchor, unmoved", "baseline", "#F0E442", "<", sample=lambda at: at.corners[1],
                policy=lambda at: at.corners[1].outputs)
"""
METRIC = """
from pipeline.evaluation.gates.metric import Figure, Metric

METRIC = Metric("mood", "the mood", lambda judgement, values: Figure(0.5, beside="sombre"), values=None)
"""


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Drop a file into the folder of a package, so to speak."""

    def write(package, name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        monkeypatch.delitem(__import__("sys").modules, f"{package.__name__}.{name}", raising=False)

    return write


def judge(score, **options):
    surrogate = ConstantVelocity(schema=score.schema, **options)
    evaluation = evaluate(surrogate, score)
    return surrogate, Judgement(evaluation, UNDECIDED, Facts.of("sweep", surrogate, score, score)).decided()


def written(judgement, folder):
    Record.of(judgement).write(folder / "metrics.json")
    return json.loads((folder / "metrics.json").read_text())


def test_a_method_is_in_the_table_the_report_the_metrics_and_the_gate(add, tmp_path):
    score = stochastic_harvest(networks=True)
    add(methods, "far_anchor", METHOD)
    surrogate, judgement = judge(score)
    page = write_report(tmp_path / "report", surrogate, score, judgement)
    assert page.read_text().count("<th>far anchor, unmoved</th>") == 1
    document = written(judgement, tmp_path)
    assert document["mean"]["far_anchor"] == pytest.approx(document["mean"]["left_anchor"])
    assert {"name": "far_anchor", "label": "far anchor, unmoved", "role": "baseline"} in document["methods"]
    assert "0.25,far_anchor," in errors_csv(judgement.evaluation)
    assert "far_anchor" in policies(surrogate, score)[0.25]


def test_a_metric_of_gates_is_known_asked_recorded_and_reported(add, tmp_path):
    score = stochastic_harvest()
    with pytest.raises(ValidationError, match="there is no metric 'mood'"):
        GateSection(metric="mood", comparison=">=", limit=1)
    add(metrics, "mood", METRIC)
    gate = GateSection(metric="mood", comparison=">=", limit=1)
    surrogate, judgement = judge(score)
    assert judgement.decision.promote
    judgement = judgement.decided([*DEFAULT_GATES, gate])
    assert judgement.decision.reason == "Not promoted: the mood is 0.5 (sombre), not at least 1."
    assert written(judgement, tmp_path)["decision"]["gates"][-1] == {
        "gate": "mood",
        "passed": False,
        "sentence": "the mood is 0.5 (sombre), not at least 1",
        "figure": 0.5,
    }
    page = write_report(tmp_path / "report", surrogate, score, judgement)
    assert "✗ the mood is 0.5 (sombre), not at least 1" in page.read_text()


def test_a_distance_has_a_column_everywhere(tmp_path, monkeypatch):
    gap = Distance("gap_of_means", "gap of the means", lambda a, b, *_: float(abs(a.mean() - b.mean())))
    monkeypatch.setattr(distances, "DISTANCES", [*distances.DISTANCES, gap])
    score = forecast_harvest()
    surrogate, judgement = judge(score, deterministic=True)
    assert judgement.evaluation.at("left_anchor", 0.25).distances["gap_of_means"] == pytest.approx(3.5 * 0.25)
    assert (
        errors_csv(judgement.evaluation)
        .splitlines()[0]
        .endswith("truth_spread,energy_distance,outside_support,gap_of_means")
    )
    assert "gap_of_means" in written(judgement, tmp_path)["scores"][0]
    page = write_report(tmp_path / "report", surrogate, score, judgement)
    assert page.read_text().count("<th>gap of the means</th>") == 2


def test_checks_have_a_table_of_their_own(tmp_path):
    score = stochastic_harvest(networks=True)
    surrogate, judgement = judge(score)
    text = write_report(tmp_path / "report", surrogate, score, judgement).read_text()
    assert "<summary>Calibration and support, method by method</summary>" in text
    assert text.count("<th>unevenness of ranks</th>") == text.count("<th>outside the observed support</th>") == 1
    score_record = written(judgement, tmp_path)["scores"][0]
    assert {"mmd_squared", "calibration", "outside_support"} <= set(score_record)
    still = judgement.evaluation.at("nearest_anchor", 0.25)
    assert still.spread_ratio == pytest.approx(still.spread / still.truth_spread)


def test_what_is_no_method_or_has_a_name_twice_is_refused(add):
    add(methods, "wrong_method", "METHOD = 3")
    with pytest.raises(ConfigurationError, match=r"METHOD of .*wrong_method must be a Method, not 3"):
        all_methods()


def test_a_name_that_is_taken_is_refused(add):
    add(methods, "another_left", METHOD.replace("far_anchor", "left_anchor"))
    with pytest.raises(ConfigurationError, match=r"\['left_anchor'\] are registered twice"):
        all_methods()
