"""Every interior anchor predicted without itself: what the surrogate is judged by where nothing is held out.

The surrogate and the quick fitted methods are fitted again to the other anchors, with the same settings, and judged at
the anchor that was left out as at a held-out λ. Its interval is wider then than any in use, so these errors are larger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pipeline.data.harvest import Harvest
from pipeline.data.retrained import Retrained
from pipeline.data.samples import group_rows
from pipeline.data.values import numbers
from pipeline.errors import BundleError
from pipeline.evaluation.comparison import evenly, match_rows
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Fitting
from pipeline.evaluation.rivals import Court, chosen_methods, fit_methods
from pipeline.evaluation.scores import Score
from pipeline.evaluation.uncertainty import (
    DRAWS,
    Array,
    Movement,
    Uncertainty,
    at_condition,
    distance_ratio,
    squared_distances,
    variance_over_trainings,
)
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json
from pipeline.storage.progress import counted
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig

MOST_CONDITIONS = 200
"""Conditions at which uncertainties are calibrated and checked where networks give draws: W₂² takes its time."""


@dataclass(frozen=True)
class LeftOut:
    """What leaving interior anchors out found.

    scores: of all methods at every interior anchor. uncertainty: calibrated on them; None where it cannot be: with
    several hyperparameters, or draws that are not repeated at a condition and cannot be, without networks.
    """

    scores: tuple[Score, ...] = ()
    uncertainty: Uncertainty | None = None

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_json(path, TypeAdapter(LeftOut).dump_python(self, mode="json"))

    @classmethod
    def read(cls, path: Path) -> "LeftOut":
        """Read what `write` wrote; BundleError where it is missing or corrupted."""
        try:
            return TypeAdapter(LeftOut).validate_python(read_json(path, "set of left-out anchors"))
        except ValidationError as error:
            raise BundleError(
                f"{path} is corrupted, or of another version; run stage leave_out again: {error}"
            ) from error


@dataclass(frozen=True)
class Plan:
    """How anchors are left out. settings, seed: of the fits; redraws: of the samples that judge them."""

    settings: SurrogateConfig
    seed: int = 0
    redraws: int = 1


def leave_out(
    fit: Harvest, score: Harvest, retrained: Sequence[Retrained], plan: Plan, *, deterministic: bool
) -> LeftOut:
    """Leave out every interior anchor of one hyperparameter in turn; with several no anchor is left out.

    score: a harvest of the anchors, and of other λ, which are not used. retrained: networks of anchors from other
    seeds, for the noise of training.
    """
    if len(fit.schema.hyperparameters) > 1:
        return LeftOut()
    score = score.select(fit.values)
    scores: list[Score] = []
    predictions: list[tuple[Movement, Array]] = []
    for value, surrogate, judged in _each(fit, score, plan, deterministic=deterministic):
        scores += judged
        if (prediction := prediction_errors(surrogate, score, value)) is not None:
            predictions.append(prediction[1:])
    noise = training_noise(score, retrained, deterministic=deterministic)
    if noise is None:
        return LeftOut(tuple(scores))
    again = any(entry.value in fit.values for entry in retrained)
    found = Uncertainty.calibrated(predictions, noise, deterministic=deterministic, retrained=again)
    return LeftOut(tuple(scores), found)


def _each(
    fit: Harvest, score: Harvest, plan: Plan, *, deterministic: bool
) -> Iterator[tuple[float, Surrogate, Sequence[Score]]]:
    """Every interior anchor, the surrogate of the others, and all scores there."""
    order = [method.name for method in all_methods()]
    for value in counted(fit.hyperparameter.tolist()[1:-1], "left-out anchors"):
        kept = fit.select([v for v in fit.values if v != value])
        surrogate = Surrogate.fit(kept, plan.settings, seed=plan.seed)
        fitted, _ = fit_methods(chosen_methods(()), Fitting(kept, deterministic, plan.settings, plan.seed))
        court = Court.of(kept, score, deterministic=deterministic, redraws=plan.redraws, seed=plan.seed)
        found = evaluate(surrogate, score, plan.redraws, plan.seed).joined(court.scores(fitted), order)
        yield value, surrogate, found.held_out


def prediction_errors(
    surrogate: Surrogate, score: Harvest, value: float
) -> tuple[NDArray[np.floating], Movement, Array] | None:
    """Conditions (N, C), the movement there, and squared errors against the network of λ: (N, D), or (N, 1) of draws.

    At some conditions of the score harvest, with λ = value; None where that has no draws to compare within a condition.
    """
    found = truth_at(score, value, deterministic=surrogate.deterministic)
    if found is None:
        return None
    conditions, truth = found
    answers = at_condition(surrogate, conditions, value)
    if len({a.shape[1] for a in (answers, truth)}) > 1:
        answers = answers[:, : truth.shape[1]]
    errors = squared_distances(answers, truth, score.schema.periods)
    return conditions, Movement.of(surrogate, conditions, value), errors


def truth_at(score: Harvest, value: float, *, deterministic: bool) -> tuple[NDArray[np.floating], Array] | None:
    """Conditions (N, C), and outputs (N, 1, D) or draws (N, n, D) of the network of λ there."""
    k = score.values.index(value)
    x, y = score.conditions[k], np.asarray(score.outputs[k], np.float64)
    conditions = distinct(x, deterministic=deterministic)
    if deterministic:
        return conditions, y[match_rows(conditions, x)][:, None]
    if score.networks is not None:
        return conditions, np.asarray(score.networks[k].outputs(conditions, DRAWS, 1), np.float64)
    groups, asked = group_rows(x, conditions)
    rows = [np.flatnonzero(groups == g) for g in asked]
    fewest = min(map(len, rows))
    return None if fewest < 2 else (conditions, np.stack([y[r[:fewest]] for r in rows]))


def distinct(conditions: NDArray[np.floating], *, deterministic: bool) -> NDArray[np.floating]:
    """The distinct rows, of which some are kept where outputs are draws."""
    found = np.unique(conditions, axis=0)
    if deterministic or len(found) <= MOST_CONDITIONS:
        return found
    return found[evenly(np.arange(len(found)))[:: -(-len(found) // MOST_CONDITIONS)]]


def training_noise(score: Harvest, retrained: Sequence[Retrained], *, deterministic: bool) -> Array | None:
    """σ² by output (D,), or η of draws (1,), from the anchors that were trained again.

    Without any: 0, or of draws η of the middle anchor's own samples. None where there are no draws to compare within a
    condition.
    """
    trained_again = [entry for entry in retrained if entry.value in score.values]
    if trained_again:
        return np.asarray(np.mean([_between(score, entry, deterministic=deterministic) for entry in trained_again], 0))
    if deterministic:
        return np.zeros(len(score.schema.outputs))
    return _noise_of_draws(score)


def _between(score: Harvest, again: Retrained, *, deterministic: bool) -> Array:
    value, periods = float(numbers(again.value)[0]), score.schema.periods
    found = truth_at(score, value, deterministic=deterministic)
    assert found is not None  # whoever trains has networks
    conditions, truth = found
    other = np.asarray(again.network.outputs(conditions, truth.shape[1], 3), np.float64)
    if deterministic:
        return variance_over_trainings(truth, other, periods)
    return distance_ratio(truth, _more(score, value, conditions), other, periods)


def _noise_of_draws(score: Harvest) -> Array | None:
    """η of a network that is not trained again: the distance of its samples that nine conditions in ten keep."""
    middle = score.hyperparameter.tolist()[len(score.values) // 2]
    found = truth_at(score, middle, deterministic=False)
    if found is None:
        return None
    conditions, draws = found
    if score.networks is None:
        half = draws.shape[1] // 2
        draws, more = draws[:, :half], draws[:, half : 2 * half]
    else:
        more = _more(score, middle, conditions)
    return distance_ratio(draws, more, more, score.schema.periods)


def _more(score: Harvest, value: float, conditions: NDArray[np.floating]) -> Array:
    """Further draws (N, DRAWS, D) of the network of λ."""
    assert score.networks is not None
    return np.asarray(score.networks[score.values.index(value)].outputs(conditions, DRAWS, 2), np.float64)
