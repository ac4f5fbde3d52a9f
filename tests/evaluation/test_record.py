import csv
import io
import json

import numpy as np
import pytest

from pipeline.errors import BundleError
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import COLUMNS, Record, errors_csv
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.task_table import TaskTable
from pipeline.report.html import render
from pipeline.surrogate.barriers import Barrier, Mixture
from pipeline.surrogate.fitted import Candidate
from tests.evaluation.oracles import ConstantVelocity, stochastic_harvest


@pytest.fixture(scope="module")
def validated():
    score = stochastic_harvest(networks=True)
    surrogate = ConstantVelocity(velocity=np.array([3.0, 3.0]), schema=score.schema)
    evaluation = evaluate(surrogate, score, redraws=2)
    fit = score.select([0.0, 0.5, 1.0])
    return Judgement(evaluation, UNDECIDED, Facts.of("sweep", surrogate, fit, score)).decided(), fit, score


def written(judgement, folder):
    Record.of(judgement).write(folder / "metrics.json")
    return json.loads((folder / "metrics.json").read_text())


def test_metrics_carry_decision_means_scores_and_digests(validated, tmp_path):
    judgement, fit, score = validated
    evaluation, decision = judgement.evaluation, judgement.decision
    document = written(judgement, tmp_path)
    assert document["decision"]["promote"] is decision.promote
    assert document["decision"]["reason"] == [decision.reason]
    assert document["mean"][SURROGATE] == evaluation.mean_error(SURROGATE)
    assert set(document["surrogate"]) == {"0.25", "0.75"}
    assert document["clock"] == "linear"
    assert {d["of"]: d["sha256"] for d in document["digests"]} == {
        "surrogate": "5" * 64,
        "fit": fit.digest,
        "score": score.digest,
    }
    assert len(document["scores"]) == len(evaluation.held_out) + len(evaluation.anchors)
    assert not {"task", "task_mean", "crossings"} & set(document)


def test_what_is_read_is_what_was_written(validated, tmp_path):
    judgement = validated[0]
    table = TaskTable("reward", ((0.25, {"surrogate": 1.5, "trained": 2.0}),))
    record = Record.of(Judgement(judgement.evaluation, judgement.decision, judgement.facts, (table,)))
    record.write(tmp_path / "metrics.json")
    read = Record.read(tmp_path / "metrics.json")
    assert read == record
    assert read.decision == judgement.decision
    assert read.labels["left_anchor"] == "left anchor, unmoved"
    first = judgement.evaluation.held_out[0]
    figures = read.figures()
    assert figures["error"][SURROGATE]["0.25"] == first.error
    assert figures["energy_distance"][SURROGATE]["0.25"] == first.distances["energy_distance"]


def test_what_was_compared_is_recorded_and_read(tmp_path):
    score = stochastic_harvest()
    candidates = (
        Candidate("K_I", 0.5, 0.02),
        Candidate("K_theta-U", 0.25, 0.0, chosen=True),
        Candidate("clock linear", 0.25),
        Candidate("clock hold", 0.75),
    )
    surrogate = ConstantVelocity(schema=score.schema, candidates=candidates)
    evaluation = evaluate(surrogate, score)
    judgement = Judgement(evaluation, UNDECIDED, Facts.of("sweep", surrogate, score, score)).decided()
    document = written(judgement, tmp_path)
    assert document["candidates"] == [
        {"kind": "variant", "name": "K_I", "error": 0.5, "standard_error": 0.02, "chosen": False, "remark": ""},
        {"kind": "variant", "name": "K_theta-U", "error": 0.25, "standard_error": 0.0, "chosen": True, "remark": ""},
        {"kind": "clock", "name": "linear", "error": 0.25, "chosen": True, "remark": ""},
        {"kind": "clock", "name": "hold", "error": 0.75, "chosen": False, "remark": ""},
    ]
    record = Record.read(tmp_path / "metrics.json")
    assert record == Record.of(judgement)
    assert record.caveats == judgement.facts.compared.caveats != ()
    assert record.choice == "K_theta-U (of 2 variants), clock linear (of 2 clocks), by left-out anchors"
    calibrated = record.model_copy(update={"clock": "skewed calibrated by condition"})
    assert calibrated.choice == (
        "K_theta-U (of 2 variants), by left-out anchors; clock skewed calibrated by condition, by outcomes"
    )


def test_barriers_are_recorded_and_read(tmp_path):
    score = stochastic_harvest()
    ridge = Mixture(0.5, 0.25, -3.0, 9.0, 8.0, 0.1)
    barriers = (Barrier((0.0, 0.5), "reward", 40, (ridge,), (-1.0, 1.0)), Barrier((0.5, 1.0), "reward", 40, ()))
    surrogate = ConstantVelocity(schema=score.schema, barriers=barriers)
    evaluation = evaluate(surrogate, score)
    judgement = Judgement(evaluation, UNDECIDED, Facts.of("sweep", surrogate, score, score)).decided()
    first, second = written(judgement, tmp_path)["barriers"]
    assert (first["broken"], first["switch"], first["train_at"], first["verdict"]) == (
        True,
        0.25,
        0.25,
        barriers[0].verdict,
    )
    assert (second["broken"], "switch" in second) == (False, False)
    assert evaluation.broken == tuple(value for value in score.values if 0 < value < 0.5)
    assert evaluation.broken
    record = Record.read(tmp_path / "metrics.json")
    assert record == Record.of(judgement)
    assert record.broken == (barriers[0].verdict,)
    html = render(judgement, [], tmp_path)
    assert "<h2>Barriers</h2>" in html
    assert html.count("broken between 0 and 0.5") == 1
    assert "−11.0 ± 0.100" in html or "-11.0 ± 0.100" in html


def test_a_record_without_candidates_makes_no_claim(validated, tmp_path):
    record = Record.of(validated[0])
    assert record.choice == "K_theta-U, clock linear, no anchor left out"
    record.write(tmp_path / "metrics.json")
    document = json.loads((tmp_path / "metrics.json").read_text())
    del document["candidates"], document["caveats"]
    (tmp_path / "metrics.json").write_text(json.dumps(document))
    older = Record.read(tmp_path / "metrics.json")
    assert (older.candidates, older.choice) == ((), "K_theta-U, clock linear")


def test_what_is_no_validation_is_refused(tmp_path):
    (tmp_path / "metrics.json").write_text('{"mean": {}}')
    with pytest.raises(BundleError, match="is not a valid metrics file; run the validate stage again"):
        Record.read(tmp_path / "metrics.json")


def test_metrics_without_held_out_values_have_no_means(tmp_path):
    score = stochastic_harvest(values=(0.0, 0.5, 1.0))
    surrogate = ConstantVelocity(schema=score.schema)
    evaluation = evaluate(surrogate, score)
    document = written(Judgement(evaluation, UNDECIDED, Facts.of("sweep", surrogate, score, score)).decided(), tmp_path)
    assert document["mean"] == document["surrogate"] == {}


def test_the_table_of_errors_has_a_line_a_score(validated):
    evaluation = validated[0].evaluation
    lines = list(csv.DictReader(io.StringIO(errors_csv(evaluation))))
    assert tuple(lines[0]) == (*COLUMNS, *evaluation.distances)
    assert [line["role"] for line in lines].count("held_out") == len(evaluation.held_out)
    first = evaluation.held_out[0]
    assert (float(lines[0]["hyperparameter"]), float(lines[0]["error"])) == (first.hyperparameter, first.error)
