"""A candidate against the present champion: both answer at the same held-out λ, for the same samples of the truth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.schema import Schema
from pipeline.data.values import in_words, numbers, value_of
from pipeline.errors import HyperparameterError
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.decision import Contest
from pipeline.evaluation.evaluate import in_broken
from pipeline.evaluation.places import place_of
from pipeline.evaluation.resampling import difference_interval
from pipeline.evaluation.rounds import Draws, draws_of, routes, score_of
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score
from pipeline.evaluation.served import ask_from, served_by

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

CHAMPION = "champion"


def contest(
    candidate: "Surrogate", champion: "Surrogate", version: int, score: Harvest, redraws: int = 1, seed: int = 0
) -> Contest:
    """Compare mean errors at the λ held out from both, outside broken intervals; version: the champion's.

    The candidate loses where the champion is better beyond the noise: the paired interval of the difference is below
    0; where data are too few for one, any smaller error. Where the two cannot be compared, it wins, and the sentence
    says why. redraws, seed: as of `pipeline.evaluation.evaluate.evaluate`.
    """
    found = routes(candidate.mesh, score.values)
    values = [value for value in found if numbers(value) not in candidate.mesh.vertices and _answers(champion, value)]
    values = [value for value in values if not (in_broken(candidate, value) or in_broken(champion, value))]
    if reason := _incomparable(candidate, champion, score, values):
        return Contest(version, won=True, sentence=f"it cannot be compared with champion {version}: {reason}")
    comparison = Comparison.of(score, deterministic=candidate.deterministic)
    starts = {value: value_of(candidate.mesh.vertices[found[value].start]) for value in values}
    served = served_by(candidate, score)
    rounds = [
        _round({SURROGATE: candidate, CHAMPION: champion}, draws, served, starts)
        for draws in draws_of(score, comparison, redraws, seed)
    ]
    scores = tuple(Score.mean(cell) for cell in zip(*rounds, strict=True))
    names = tuple(column.name for column in score.schema.hyperparameters)
    return _verdict(Evaluation(comparison.kind, comparison.measure, len(rounds), scores, (), names=names), version)


def _verdict(evaluation: Evaluation, version: int) -> Contest:
    own, other = evaluation.mean_error(SURROGATE), evaluation.mean_error(CHAMPION)
    interval = difference_interval(evaluation, CHAMPION, SURROGATE)
    lost = other < own if interval is None else interval[1] < 0
    won = own < other if interval is None else interval[0] > 0
    how = "is better than" if won else "is worse than" if lost else "cannot be told from"
    at = "; ".join(in_words(value, evaluation.names) for value in evaluation.hyperparameters)
    figures = f"{evaluation.measure} {own:.4g} against {other:.4g} in the mean over {at}"
    return Contest(version, won=not lost, sentence=f"it {how} champion {version} ({figures})")


def _incomparable(candidate: "Surrogate", champion: "Surrogate", score: Harvest, values: Sequence[Value]) -> str | None:
    """Why two surrogates cannot be compared; None where they can."""
    if _columns(candidate.schema) != _columns(champion.schema):
        return "its columns are others"
    if candidate.deterministic != champion.deterministic:
        return "only one of them has draws"
    if served_by(candidate, score) != served_by(champion, score):
        return "only one of them carries networks"
    return None if values else "no value outside broken intervals is held out from both"


def _columns(schema: Schema) -> list[tuple[str, str]]:
    every = (*schema.hyperparameters, *schema.conditions, *schema.outputs)
    return [(column.name, column.kind) for column in every]


def _answers(champion: "Surrogate", value: Value) -> bool:
    """Whether a λ lies between the champion's anchors, and is none of them."""
    at = numbers(value)
    if len(at) != len(champion.mesh.vertices[0]) or at in champion.mesh.vertices:
        return False
    try:
        place_of(champion.mesh, at)
    except HyperparameterError:
        return False
    return True


def _round(surrogates: dict[str, "Surrogate"], draws: Draws, served: str, starts: dict[Value, Value]) -> list[Score]:
    """The scores of both at every λ; starts: for each, the anchor at whose conditions they are asked."""
    values = draws.score.values
    scores = []
    for value, source in starts.items():
        index = values.index(value)
        start, truth, seed = draws.truth(values.index(source)), draws.truth(index), draws.own_seed(index)
        for name, surrogate in surrogates.items():
            answer = ask_from(surrogate, served, start, source, value, seed)
            scores.append(score_of(draws.comparison, value, name, answer, truth))
    return scores
