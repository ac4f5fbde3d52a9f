from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.evaluation.crossings import falling_share
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import Record
from pipeline.report.html import render
from tests.evaluation.oracles import ConstantVelocity, forecast_harvest


def rising(velocity=(3.0, 4.0)):
    score = forecast_harvest()
    outputs = [
        y + (np.array(velocity) - [3.0, 4.0]) * value
        for y, value in zip(score.outputs, score.hyperparameter, strict=True)
    ]
    schema = score.schema.model_copy(update={"monotone": "increasing"})
    return Harvest.from_arrays(score.hyperparameter, outputs, score.conditions, schema=schema)


def surrogate_of(score, velocity):
    return ConstantVelocity(np.array(velocity), schema=score.schema, deterministic=True, networks=(1, 2, 3))


def test_the_share_counts_every_step_of_every_output():
    outputs = np.array(
        [[[0.0, 0.0], [1.0, -1.0], [0.5, 2.0]]]
    )  # falls: the second of one output, the first of the other
    assert falling_share(outputs) == 0.5
    assert falling_share(np.zeros((2, 3, 1))) == 0.0  # equal outputs do not cross


def test_outputs_that_rise_do_not_cross():
    score = rising()
    crossings = evaluate(surrogate_of(score, (3.0, 4.0)), score).crossings
    assert (crossings.surrogate, crossings.anchors, crossings.networks) == (0.0, 0.0, 0.0)


def test_one_output_of_two_that_falls_is_half_of_the_steps():
    score = rising((3.0, -4.0))
    crossings = evaluate(surrogate_of(score, (3.0, -4.0)), score).crossings
    assert (crossings.surrogate, crossings.anchors, crossings.networks) == (0.5, 0.5, 0.5)


def test_a_surrogate_that_falls_back_at_the_next_anchor_crosses_where_the_anchors_do_not():
    score = rising()
    ahead = surrogate_of(score, (3.0, 4.0 + 8.0))
    crossings = evaluate(ahead, score).crossings
    assert crossings.anchors == crossings.networks == 0.0
    assert 0.0 < crossings.surrogate < 0.2


def test_only_sweeps_whose_outputs_should_rise_are_counted():
    score = forecast_harvest()
    assert evaluate(surrogate_of(score, (3.0, 4.0)), score).crossings is None


@pytest.mark.parametrize(("name", "heading"), [("quantile", "Quantile crossings"), ("dropout", "Crossings")])
def test_report_and_metrics_show_them(name, heading, tmp_path):
    score = rising((3.0, -4.0))
    column = score.schema.hyperparameter.model_copy(update={"name": name})
    score = replace(score, schema=score.schema.model_copy(update={"hyperparameter": column}))
    surrogate = surrogate_of(score, (3.0, -4.0))
    judgement = Judgement(evaluate(surrogate, score), Decision(True, "so"), Facts.of("s", surrogate, score, score))
    html = render(judgement, [], tmp_path)
    assert f"<h2>{heading}</h2>" in html
    assert "50.0 % of the steps from anchor to anchor" in html
    Record.of(judgement).write(tmp_path / "metrics.json")
    assert Record.read(tmp_path / "metrics.json").crossings.surrogate == 0.5
