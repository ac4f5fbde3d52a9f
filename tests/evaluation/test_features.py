import json
import re
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pipeline.data.anchors import Anchors
from pipeline.data.mesh import Grid
from pipeline.data.schema import Schema
from pipeline.errors import ConfigurationError
from pipeline.evaluation.features import FEATURE_MMD, FEATURE_W2, feature_tables
from pipeline.families.protocol import Data, FeaturedFamily
from tests.evaluation.oracles import ANCHORS, VELOCITY, ConstantVelocity, Shifting, forecast_harvest, stochastic_harvest
from tests.families.kinds import Featured, Kinds, Settings, judge, kinds_config


@dataclass
class Asked:
    """A family whose features are the outputs themselves, times something, or whatever it is told."""

    answer: object = 1.0

    def features(self, outputs, conditions, data):
        return self.answer(outputs, conditions) if callable(self.answer) else self.answer * outputs


class Moved(ConstantVelocity):
    """The oracle of translated clouds, asked for samples: draws of its left anchor's network, moved."""

    def sample(self, conditions, hyperparameter, draws=1, seed=0):
        rng = np.random.default_rng(seed)
        shape = (len(conditions), draws, 2)
        return rng.standard_normal(shape) + self.velocity * hyperparameter


def tables(answer=1.0, draws=40, **options):
    score = stochastic_harvest(draws, networks=True)
    return feature_tables(Asked(answer), Data(), Moved(schema=score.schema, **options), score, 0)


def test_the_truth_is_at_the_floor_and_a_translation_is_far_by_its_length():
    w2, mmd = tables()
    assert (w2.name, mmd.name) == (FEATURE_W2, FEATURE_MMD)
    assert [value for value, _ in w2.rows] == [0.25, 0.75]
    for _, scores in w2.rows:
        assert {"surrogate", "straight_line_own_clock", "trained"} <= set(scores)
        assert scores["surrogate"] == pytest.approx(scores["trained"], rel=0.5)
        step = np.sum((VELOCITY / 4) ** 2)
        assert scores["left_anchor"] == pytest.approx(step + scores["trained"], rel=0.35)
    for _, scores in mmd.rows:
        assert scores["surrogate"] < 0.1 < scores["left_anchor"]
        assert 0 < scores["trained"] < 0.1  # two samples of 40: not the same draws


def test_w2_grows_with_the_square_of_the_features_and_mmd_does_not_see_their_unit():
    (w2, mmd), (w2_scaled, mmd_scaled) = tables(), tables(3.0)
    for table, scaled, factor in ((w2, w2_scaled, 9), (mmd, mmd_scaled, 1)):
        for (_, plain), (_, large) in zip(table.rows, scaled.rows, strict=True):
            assert large == pytest.approx({m: factor * s for m, s in plain.items()})


def test_features_are_asked_with_the_conditions_of_their_rows():
    def features(outputs, conditions):
        assert outputs.shape == (3 * 5, 2)
        assert conditions[:, 0].tolist() == [0] * 5 + [1] * 5 + [2] * 5
        return outputs[:, :1]

    assert len(tables(features, draws=5)) == 2


def test_conditions_are_told_apart_where_each_has_several_draws():
    # Each condition at another place, in opposite orders for surrogate and truth: all of them together look alike.
    class Swapped(Moved):
        def sample(self, conditions, hyperparameter, draws=1, seed=0):
            return super().sample(conditions, hyperparameter, draws, seed) + 50 * (1 - conditions[:, :, None])

    class Placed(Shifting):
        def outputs(self, conditions, draws, seed):
            return super().outputs(conditions, draws, seed) + 50 * (conditions[:, :, None] - 1)

    score = stochastic_harvest(40)
    score = replace(score, networks=tuple(Placed(VELOCITY * value) for value in score.hyperparameter))
    w2, mmd = feature_tables(Asked(), Data(), Swapped(schema=score.schema), score, 0)
    assert all(scores["surrogate"] > 1000 > 10 > scores["trained"] for _, scores in w2.rows)
    assert all(scores["surrogate"] > 0.5 > 0.1 > scores["trained"] for _, scores in mmd.rows)


@dataclass
class Line:
    """The network, and with its mesh the surrogate, of `forecast_harvest`."""

    value: float = 0.0
    mesh: Grid = field(default_factory=lambda: Grid.line(Anchors(ANCHORS)))
    deterministic: bool = True
    schema: Schema = field(default_factory=lambda: forecast_harvest(1).schema)

    def outputs(self, conditions, draws, seed):
        return np.repeat((conditions.mean(axis=1, keepdims=True) + VELOCITY * self.value)[:, None], draws, axis=1)

    def sample(self, conditions, hyperparameter, draws=1, seed=0):
        return Line(hyperparameter).outputs(conditions, draws, seed)

    def positions(self, conditions, hyperparameter):
        return np.full(len(conditions), 0.5)


def lines(rows):
    score = forecast_harvest(rows)
    return replace(score, networks=tuple(Line(value) for value in score.hyperparameter))


def test_one_deterministic_condition_has_distances_too():
    w2, mmd = feature_tables(Asked(), Data(), Line(), lines(1), 0)
    for table in (w2, mmd):
        assert table.mean("trained") == table.mean("surrogate") == 0
    assert w2.mean("left_anchor") == pytest.approx(np.sum((VELOCITY / 4) ** 2))
    assert mmd.mean("left_anchor") == pytest.approx(2 - 2 * np.exp(-np.sum((VELOCITY / 4) ** 2) / 2))


def test_many_deterministic_conditions_are_thinned():
    asked = []

    def features(outputs, conditions):
        asked.append(len(outputs))
        return outputs[:, :1]

    assert len(feature_tables(Asked(features), Data(), Line(), lines(2500), 0)) == 2
    assert set(asked) == {2000}


def test_features_that_are_all_alike_have_no_distances():
    w2, mmd = tables(lambda outputs, conditions: np.ones((len(outputs), 2)))
    for table in (w2, mmd):
        assert all(score == pytest.approx(0, abs=1e-12) for _, scores in table.rows for score in scores.values())


@pytest.mark.parametrize(
    ("features", "shape"),
    [
        (lambda outputs, conditions: outputs[:-1], r"\(119, 2\)"),
        (lambda outputs, conditions: outputs[:, 0], r"\(120,\)"),
        (lambda outputs, conditions: outputs * np.nan, r"\(120, 2\)"),
    ],
)
def test_what_are_no_features_are_refused(features, shape):
    with pytest.raises(ConfigurationError, match=rf"features\(\) of Asked returned an array of shape {shape} for 120"):
        tables(features)


def test_without_networks_there_is_nobody_to_ask():
    score = stochastic_harvest(8)
    assert feature_tables(Asked(), Data(), Moved(schema=score.schema), score, 0) == ()
    plain = forecast_harvest()
    assert feature_tables(Asked(), Data(), Moved(schema=plain.schema, deterministic=True), plain, 0) == ()


def test_only_a_family_with_features_is_one():
    assert isinstance(Featured(Settings(kind="draws")), FeaturedFamily)
    assert not isinstance(Kinds(Settings(kind="draws")), FeaturedFamily)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vectors", "categorical"])
def test_stage_writes_distances_of_features(tmp_path, kind):
    config = kinds_config(kind, network="tests.families.kinds:Featured")
    folder = judge(config, tmp_path)
    mean = json.loads((folder / "metrics.json").read_text())["task_mean"]
    assert list(mean) == [FEATURE_W2, FEATURE_MMD]
    for table in mean.values():
        assert table["surrogate"] < 0.5 * table["left_anchor"]
        if kind == "vectors":
            assert table["trained"] == pytest.approx(
                0, abs=1e-12
            )  # one output a condition: a second sample is the same one
    html = (folder / "report" / "report.html").read_text()
    assert re.search(r"<h2>W₂² of features.*the floor.*<h2>MMD² of features.*network trained there", html, re.S)
    assert "Task score" not in html
