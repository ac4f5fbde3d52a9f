"""Whether a surrogate is of use for a harvest: on harvests of which the answer is known."""

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.errors import DataError
from pipeline.evaluation.advice import TWO_ANCHORS, advise
from pipeline.evaluation.scores import SURROGATE


def harvest(law, values=(0.0, 0.25, 0.5, 0.75, 1.0)):
    """Outputs law(λ, x) at 60 conditions, one each."""
    x = np.linspace(-1, 1, 60)[:, None]
    outputs = [law(value, x) for value in values]
    schema = Schema(
        hyperparameter=Column(name="level"),
        outputs=(Column(name="y"),),
        conditions=(Column(name="x"),),
        deterministic=True,
    )
    return Harvest.from_arrays(values, outputs, [x] * len(values), schema=schema)


def line(value, x):
    return x + value * (1 + x**2)


def test_where_outputs_move_along_lines_a_line_is_recommended():
    found = advise(harvest(line), (0.25, 0.75))
    assert found.evaluation.hyperparameters == (0.25, 0.75)
    by_name = {standing.method: standing for standing in found.standings}
    assert by_name[SURROGATE].mean < 0.01 * by_name["left_anchor"].mean
    assert found.sentences[0] == "Tested at 0.25; 0.75, held out."
    assert found.sentences[1].startswith("These data recommend another method: straight line, linear clock, whose mean")


def test_where_nothing_moves_an_anchor_will_do():
    found = advise(harvest(lambda value, x: x), (0.25, 0.75))
    assert found.sentences[1].startswith(
        "These data recommend another method: left anchor, unmoved, whose mean MSE is 0,"
    )


def test_without_held_out_values_anchors_are_left_out():
    found = advise(harvest(line, (0.0, 0.5, 1.0)))
    assert found.evaluation.hyperparameters == (0.5,)
    assert found.sentences[0].startswith("Tested at 0.5, left out of the anchors in turn")


def test_two_anchors_allow_no_test():
    found = advise(harvest(line, (0.0, 1.0)))
    assert found.standings == ()
    assert found.sentences == (
        "Nothing can be tested: nothing is held out, and of 2 anchors none can be left out.",
        TWO_ANCHORS,
    )
    assert advise(harvest(line, (0.0, 0.5, 1.0)), (0.5,)).sentences[-1] == TWO_ANCHORS


def test_a_held_out_value_beyond_the_anchors_is_refused():
    with pytest.raises(DataError, match="lie outside the anchors' range"):
        advise(harvest(line), (0.0,))


def test_the_command(tmp_path):
    harvest(line).save(tmp_path / "mine")
    done = CliRunner().invoke(app, ["check-fit", str(tmp_path / "mine"), "--held-out", "0.25,0.75"])
    assert done.exit_code == 0, done.output
    assert "straight line, linear clock" in done.output
    assert "Tested at 0.25; 0.75, held out." in done.output
    wrong = CliRunner().invoke(app, ["check-fit", str(tmp_path / "mine"), "--held-out", "0.3"])
    assert wrong.exit_code == 1
    assert "held-out [0.3]: not in the harvest" in wrong.output
