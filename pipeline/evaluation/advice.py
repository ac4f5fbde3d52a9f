"""Is a surrogate of use for a harvest? The surrogate and the quick methods on it, and what their errors recommend."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.split import check_anchors_in, split_harvest
from pipeline.data.values import in_words
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.left_out import Plan, leave_out
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Fitting
from pipeline.evaluation.recommendation import recommend
from pipeline.evaluation.rivals import Court, chosen_methods, fit_methods
from pipeline.evaluation.scores import Evaluation
from pipeline.evaluation.standings import Standing, standings
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.anchor_samples import is_deterministic

FRACTION = 0.25
"""The share of conditions that judge, and that nothing is fitted on."""
TWO_ANCHORS = (
    "Two anchors say where outputs begin and end, and nothing of when they move. What can be known is a straight line "
    "with a clock that you declare (fit.clock); a network trained between them would be worth most."
)


@dataclass(frozen=True)
class Advice:
    """What a check found.

    evaluation: the scores at the tested λ, without any where nothing can be tested. standings: of all methods.
    sentences: what to make of it.
    """

    evaluation: Evaluation
    standings: tuple[Standing, ...]
    sentences: tuple[str, ...]


def advise(harvest: Harvest, held_out: Sequence[Value] = (), seed: int = 0) -> Advice:
    """Fit on three quarters of the conditions, with automatic settings; judge on the others at the held-out λ.

    Without held-out λ every interior anchor is left out and predicted in turn. Raises DataError where a held-out λ
    lies outside the others, or conditions cannot be divided.
    """
    anchors = [value for value in harvest.values if value not in held_out]
    check_anchors_in(harvest, anchors)
    fit, score = split_harvest(harvest, FRACTION, seed)
    evaluation = (_at_held_out if held_out else _at_left_out)(fit.select(anchors), score, seed)
    return Advice(evaluation, standings(evaluation), _sentences(evaluation, anchors, held_out=bool(held_out)))


def _at_held_out(fit: Harvest, score: Harvest, seed: int) -> Evaluation:
    settings, deterministic = SurrogateConfig(), is_deterministic(fit)
    surrogate = Surrogate.fit(fit, settings, seed=seed)
    fitted, _ = fit_methods(chosen_methods(()), Fitting(fit, deterministic, settings, seed))
    court = Court.of(fit, score, deterministic=deterministic, seed=seed)
    order = [method.name for method in all_methods()]
    return evaluate(surrogate, score, seed=seed).joined(court.scores(fitted), order)


def _at_left_out(fit: Harvest, score: Harvest, seed: int) -> Evaluation:
    deterministic = is_deterministic(fit)
    found = leave_out(fit, score, (), Plan(SurrogateConfig(), seed), deterministic=deterministic)
    comparison = Comparison.of(score, deterministic=deterministic)
    names = tuple(column.name for column in fit.schema.hyperparameters)
    return Evaluation(comparison.kind, comparison.measure, 1, found.scores, (), names=names)


def _sentences(evaluation: Evaluation, anchors: Sequence[Value], *, held_out: bool) -> tuple[str, ...]:
    tested = "; ".join(in_words(value, evaluation.names) for value in evaluation.hyperparameters)
    if not tested:
        return (f"Nothing can be tested: nothing is held out, and of {len(anchors)} anchors none can be left out.",) + (
            (TWO_ANCHORS,) if len(anchors) == 2 else ()
        )
    how = "held out" if held_out else "left out of the anchors in turn, from farther away than anything in use"
    found = recommend(evaluation)
    said = (f"Tested at {tested}, {how}.", *((found.sentence,) if found is not None else ()))
    return said + ((TWO_ANCHORS,) if len(anchors) == 2 else ())
