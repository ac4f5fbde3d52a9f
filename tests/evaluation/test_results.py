import csv
import io
import json

import numpy as np
import pytest

from pipeline.evaluation.evaluate import SURROGATE, evaluate
from pipeline.evaluation.gates import decide
from pipeline.evaluation.results import COLUMNS, Facts, errors_csv, metrics
from tests.evaluation.oracles import ConstantVelocity, stochastic_harvest


@pytest.fixture(scope="module")
def validated():
    score = stochastic_harvest(networks=True)
    surrogate = ConstantVelocity(velocity=np.array([3.0, 3.0]), schema=score.schema)
    evaluation = evaluate(surrogate, score, redraws=2)
    fit = score.select([0.0, 0.5, 1.0])
    return evaluation, decide(evaluation), Facts.of("sweep", surrogate, fit, score), fit, score


def test_metrics_carry_decision_means_scores_and_digests(validated):
    evaluation, decision, facts, fit, score = validated
    document = json.loads(json.dumps(metrics(evaluation, decision, facts), allow_nan=False))
    assert document["decision"] == {"promote": decision.promote, "reason": [decision.reason]}
    assert document["mean"][SURROGATE] == evaluation.mean_error(SURROGATE)
    assert set(document["surrogate"]) == {"0.25", "0.75"}
    assert document["clock"] == "linear"
    assert {d["of"]: d["sha256"] for d in document["digests"]} == {
        "surrogate": "5" * 64,
        "fit": fit.digest,
        "score": score.digest,
    }
    assert len(document["scores"]) == len(evaluation.held_out) + len(evaluation.anchors)


def test_metrics_without_held_out_values_have_no_means():
    score = stochastic_harvest(values=(0.0, 0.5, 1.0))
    surrogate = ConstantVelocity(schema=score.schema)
    evaluation = evaluate(surrogate, score)
    document = metrics(evaluation, decide(evaluation), Facts.of("sweep", surrogate, score, score))
    assert document["mean"] == document["surrogate"] == {}


def test_the_table_of_errors_has_a_line_a_score(validated):
    evaluation = validated[0]
    lines = list(csv.DictReader(io.StringIO(errors_csv(evaluation))))
    assert tuple(lines[0]) == COLUMNS
    assert [line["role"] for line in lines].count("held_out") == len(evaluation.held_out)
    first = evaluation.held_out[0]
    assert (float(lines[0]["hyperparameter"]), float(lines[0]["error"])) == (first.hyperparameter, first.error)
