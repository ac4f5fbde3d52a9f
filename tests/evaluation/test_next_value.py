"""The λ to train next: closed forms, invariances, what families take, and its record."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.next_value import NextValue, conditions_for, mean_squared, next_value, reductions
from pipeline.evaluation.record import Record
from pipeline.evaluation.record_rows import NextRecord
from pipeline.evaluation.uncertainty import PRIOR, Uncertainty
from pipeline.report.html import render
from pipeline.surrogate import Surrogate
from pipeline.surrogate.barriers import Barrier, Mixture
from pipeline.surrogate.config import SurrogateConfig
from tests.evaluation.oracles import VELOCITY, ConstantVelocity, make_schema, stochastic_harvest

CONDITIONS = np.random.default_rng(0).standard_normal((20, 3))
UNCERTAINTY = Uncertainty((0.0, 0.0), 0.3, True, 1, True)


@dataclass(frozen=True)
class Piecewise(ConstantVelocity):
    """Outputs of two columns that move by `moves` (K,) between neighbouring anchors, uniformly in λ."""

    deterministic: bool = True
    moves: tuple[float, ...] = (1.0, 1.0)
    scale: float = 1.0
    schema: object = field(default_factory=lambda: make_schema(2, deterministic=True, kind="continuous", conditions=3))

    def sample(self, conditions, hyperparameter, draws=1, seed=0):
        at = np.interp(hyperparameter, self.anchors, np.concatenate([[0.0], np.cumsum(self.moves)]))
        moved = conditions.mean(axis=1)[:, None, None] + at * np.array([1.0, 2.0])
        return self.scale * np.repeat(moved, draws, axis=1)


def straight(anchors, **given):
    """A movement that is uniform over the whole range."""
    moves = tuple(right - left for left, right in pairwise(anchors))
    return Piecewise(anchors=anchors, moves=moves, **given)


def named(surrogate, values=None, accepts=lambda value: True, uncertainty=UNCERTAINTY):
    return next_value(surrogate, uncertainty, CONDITIONS, values or surrogate.anchors, accepts)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_on_a_straight_line_an_anchor_takes_the_share_that_a_closed_form_says(share):
    surrogate = Piecewise(anchors=(1.0, 2.0, 5.0), moves=(2.0, 1.0))
    (found,) = reductions(surrogate, CONDITIONS, [1 + share])
    # (8 / 15) L² w · 3 t (1 − t), over the whole range of 4; |y_1 − y_0|² is 4 · (1 + 4) / 2, a mean of two outputs.
    assert found == pytest.approx(8 / 15 * 10 / 4 * 3 * share * (1 - share), rel=2e-3)


def test_before_and_after_agree_with_the_uncertainty_of_what_is_fitted_then():
    before, after = straight((0.0, 1.0, 4.0)), straight((0.0, 1.0, 2.5, 4.0))
    known = Uncertainty((0.2, 0.1), 0.3, True, 1, True)
    found = named(before, uncertainty=known)
    assert found.before == pytest.approx(mean_squared(before, known, CONDITIONS))
    assert found.value == 2.5
    assert found.after == pytest.approx(mean_squared(after, known, CONDITIONS), rel=1e-4)  # of the quadrature


@pytest.mark.parametrize(
    ("anchors", "best"), [((0.0, 0.2, 1.0), 0.6), ((0.0, 0.4, 0.6, 1.2), 0.9), ((0.0, 3.0, 4.0), 1.5)]
)
def test_of_a_uniform_movement_it_is_the_middle_of_the_widest_gap(anchors, best):
    found = named(straight(anchors))
    assert (found.value, found.why) == (best, "uncertainty")


def test_of_equal_widths_it_is_where_outputs_move():
    still, moving = Piecewise(anchors=(0.0, 1.0, 2.0, 3.0), moves=(0.0, 0.0, 4.0)), (2.0, 3.0)
    found = named(still)
    assert (found.value, found.anchors) == (2.5, moving)
    assert np.allclose(reductions(still, CONDITIONS, [0.5, 1.5]), 0)


def test_a_narrow_gap_wins_only_where_outputs_move_far_enough():
    # Width times squared length decides: 0.5 · 2.1² > 2 · 1, and 0.5 · 1.9² < 2 · 1.
    for move, best in ((2.1, 0.25), (1.9, 1.5)):
        assert named(Piecewise(anchors=(0.0, 0.5, 2.5), moves=(move, 1.0))).value == best


def test_two_anchors_are_halved_whatever_moves():
    found = named(Piecewise(anchors=(1.0, 3.0), moves=(7.0,)))
    assert (found.value, found.why, found.anchors) == (2.0, "middle", (1.0, 3.0))
    assert found.after == pytest.approx(found.before / 4, rel=1e-4)


def test_units_of_the_outputs_do_not_matter():
    one = Piecewise(anchors=(0.0, 1.0, 3.0), moves=(1.2, 1.0))
    other = replace(one, scale=1e3)
    assert named(other).value == named(one).value
    assert reductions(other, CONDITIONS, [0.5, 2.0]) == pytest.approx(1e6 * reductions(one, CONDITIONS, [0.5, 2.0]))


def test_reversing_lambda_reverses_it():
    rng = np.random.default_rng(1)
    anchors, moves = (0.0, 1.0, 1.5, 4.0), tuple(rng.uniform(0.5, 2, 3))
    forth = Piecewise(anchors=anchors, moves=moves)
    back = Piecewise(anchors=tuple(4.0 - a for a in reversed(anchors)), moves=tuple(reversed(moves)))
    candidates = [0.25, 1.25, 2.0, 3.5]
    mirrored = [4.0 - value for value in candidates]
    assert reductions(back, CONDITIONS, mirrored) == pytest.approx(reductions(forth, CONDITIONS, candidates), rel=1e-6)


def test_a_clock_that_hurries_early_moves_it_early():
    class Hurrying(Piecewise):
        def positions(self, conditions, hyperparameter):
            return super().positions(conditions, hyperparameter) ** 0.25

        def sample(self, conditions, hyperparameter, draws=1, seed=0):
            k = Anchors(self.anchors).interval(hyperparameter)
            left, right = self.anchors[k], self.anchors[k + 1]
            s = ((hyperparameter - left) / (right - left)) ** 0.25
            return super().sample(conditions, left + s * (right - left), draws, seed)

    assert named(Hurrying(anchors=(0.0, 1.0, 1.5), moves=(1.0, 0.1))).value < 0.4


def test_c_does_not_change_the_choice():
    surrogate = Piecewise(anchors=(0.0, 0.5, 2.5), moves=(3.0, 1.0))
    none = named(surrogate, uncertainty=Uncertainty((0.1, 0.1), 0.0, True, 1, True))
    assert none.value == named(surrogate).value
    assert none.after == none.before  # nothing is expected of it: left-out anchors were predicted exactly


def test_draws_are_compared_by_their_distance():
    clouds = ConstantVelocity(anchors=(0.0, 0.2, 1.0), schema=make_schema(2))
    codes = np.repeat(np.arange(3.0), 4)[:, None]
    found = next_value(clouds, Uncertainty((0.1,), PRIOR, False, 0, False), codes, clouds.anchors)
    assert found.value == 0.6
    assert found.before - found.after == pytest.approx(
        PRIOR**2 * 8 / 15 * 0.75 * (0.8 * (0.8**2)) * (VELOCITY**2).sum(), rel=2e-3
    )
    assert len(conditions_for(clouds, codes)) == 3


def test_numbers_are_readable_and_new():
    surrogate = straight((0.01, 0.5, 0.99))
    assert named(surrogate).value in (0.25, 0.75, 0.26, 0.74)
    found = named(surrogate, values=(0.01, 0.25, 0.26, 0.5, 0.75, 0.74, 0.99))
    assert found.value not in (0.25, 0.26, 0.74, 0.75)
    assert len(f"{found.value:g}") <= 5
    assert not found.known


def test_a_family_of_whole_numbers_gets_one():
    found = named(straight((1.0, 2.0, 9.0)), accepts=float.is_integer)
    assert found.value in (5.0, 6.0)


def test_a_family_that_takes_no_other_gets_a_held_out_value_or_none():
    surrogate = straight((0.0, 0.2, 1.0))
    held_out = (0.0, 0.1, 0.2, 0.55, 0.9, 1.0)
    found = named(surrogate, held_out, accepts=lambda value: value in held_out)
    assert (found.value, found.known) == (0.55, True)
    assert found.sentence.endswith("; it is held out now, and would be a check less")
    assert named(surrogate, accepts=lambda value: False) is None


def test_a_broken_interval_comes_first():
    ruinous = Mixture(share=0.5, hyperparameter=0.1, mixture=0.0, left=5.0, right=5.0, standard_error=0.1)
    broken = Barrier((0.0, 0.2), "reward", 40, (ruinous,), advantage=(-1.0, 1.0))
    sound = Barrier((0.2, 1.0), "reward", 40, ())
    found = named(straight((0.0, 0.2, 1.0), barriers=(broken, sound)))
    assert (found.value, found.why, found.before) == (0.1, "barrier", None)
    assert found.sentence == "the λ to train next is 0.1: mixtures of the networks of 0 and 0.2 are ruinous"


def test_without_an_uncertainty_or_with_several_hyperparameters_none_is_named():
    assert named(straight((0.0, 0.2, 1.0)), uncertainty=None) is None
    values = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    x = np.arange(8.0)[:, None]
    grid = Harvest.from_arrays(np.array(values), [x + sum(v) for v in values], [x] * 4, deterministic=True)
    surrogate = Surrogate.fit(grid, SurrogateConfig(variant="K_I", clock="linear", map_steps=20))
    assert next_value(surrogate, UNCERTAINTY, x, values) is None


def test_it_agrees_with_a_fitted_surrogate_on_a_law_that_bends_early():
    x = np.random.default_rng(2).uniform(0, 1, (40, 2))
    anchors = (0.0, 0.5, 1.0)
    law = [1 - np.exp(-6 * (1 + x[:, :1]) * a) for a in anchors]
    harvest = Harvest.from_arrays(anchors, law, [x] * 3, deterministic=True)
    surrogate = Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clock="linear", map_steps=20))
    found = next_value(surrogate, Uncertainty((0.0,), 0.3, True, 1, True), x, anchors)
    assert found.anchors == (0.0, 0.5)


def test_record_and_report_say_it(tmp_path):
    score = stochastic_harvest()
    surrogate = ConstantVelocity(schema=score.schema)
    evaluation = evaluate(surrogate, score)
    found = NextValue(0.25, "uncertainty", (0.0, 0.5), 2.0, 1.5)
    facts = Facts.of("sweep", surrogate, score, score)
    judgement = Judgement(evaluation, Decision(True, "so"), facts, next_value=found)
    Record.of(judgement).write(tmp_path / "metrics.json")
    assert '"next"' in (tmp_path / "metrics.json").read_text()
    assert Record.read(tmp_path / "metrics.json").next_ == NextRecord.of(found)
    assert found.sentence == (
        "the λ to train next is 0.25: between 0 and 0.5 an anchor takes away most of the uncertainty; the squared "
        "error expected over all λ falls from 2 to 1.5 (−25 %)"
    )
    assert found.sentence in render(judgement, [], tmp_path)
    silent = replace(judgement, next_value=None)
    assert Record.of(silent).next_ is None
    assert "to train next" not in render(silent, [], tmp_path)
