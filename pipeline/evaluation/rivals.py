"""Methods that are fitted: on the samples that the surrogate is fitted on, judged on the samples that judge it.

Nothing here depends on the fitted surrogate, so that both are fitted at the same time.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Policy
from pipeline.data.values import numbers
from pipeline.errors import ConfigurationError, FitError
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Fitted, Fitting, Method
from pipeline.evaluation.places import linear_mesh_of
from pipeline.evaluation.rounds import Draws, check_anchors_in, draws_of, routes, score_of
from pipeline.evaluation.scores import Score
from pipeline.storage.progress import counted, counting, within

ASKED = 1000
"""Answers that a method is timed over."""


def chosen_methods(names: Sequence[str]) -> tuple[Method, ...]:
    """The quick methods that are fitted, and those of the names; "all" stands for every one.

    Raises ConfigurationError for a name that is no fitted method's.
    """
    fitted = {method.name: method for method in all_methods() if method.fit is not None}
    if unknown := sorted(set(names) - set(fitted) - {"all"}):
        raise ConfigurationError(
            f"validate.methods: {unknown} are not methods that are fitted: {sorted(fitted)}, or all"
        )
    return tuple(m for m in fitted.values() if m.cost == "quick" or m.name in names or "all" in names)


def fit_methods(methods: Collection[Method], fitting: Fitting) -> tuple[dict[str, Fitted], dict[str, float]]:
    """Every method that applies, fitted, by its name; and the seconds that each took."""
    fitted, seconds = {}, {}
    for method in counted(methods, "fitted methods", even=False):
        assert method.fit is not None
        start = time.perf_counter()
        with within(method.name):
            found = method.fit(fitting)
        if found is not None:
            fitted[method.name], seconds[method.name] = found, time.perf_counter() - start
    return fitted, seconds


@dataclass(frozen=True, eq=False)
class Court:
    """What methods are judged on: the same samples as the surrogate is. fit: the harvest of the anchors."""

    fit: Harvest
    score: Harvest
    comparison: Comparison
    rounds: tuple[Draws, ...]

    @classmethod
    def of(cls, fit: Harvest, score: Harvest, *, deterministic: bool, redraws: int = 1, seed: int = 0) -> Self:
        """As `pipeline.evaluation.evaluate.evaluate` has it; DataError where the score harvest lacks an anchor."""
        check_anchors_in(score, linear_mesh_of(fit))
        comparison = Comparison.of(score, deterministic=deterministic)
        return cls(fit, score, comparison, tuple(draws_of(score, comparison, redraws, seed)))

    @cached_property
    def starts(self) -> dict[Value, int]:
        """The number of the anchor at whose conditions methods are asked, at every held-out λ."""
        mesh, anchors = linear_mesh_of(self.fit), self.fit.values
        return {value: route.start for value, route in routes(mesh, self.score.values).items() if value not in anchors}

    def scores(self, fitted: Mapping[str, Fitted]) -> tuple[Score, ...]:
        """The scores of fitted methods at every held-out λ; FitError where an answer is not finite."""
        with counting("scores of fitted methods", len(self.rounds) * len(self.starts) * len(fitted)) as done:
            found = [self._round(fitted, draws, done) for draws in self.rounds]
        return tuple(Score.mean(cell) for cell in zip(*found, strict=True))

    def _round(self, fitted: Mapping[str, Fitted], draws: Draws, done: Callable[[], None]) -> list[Score]:
        values, anchors = self.score.values, self.fit.values
        ends = cache(lambda k: draws.truth(values.index(anchors[k])))
        scores = []
        for value, k in self.starts.items():
            index, start = values.index(value), ends(k)
            truth, seed = draws.truth(index), draws.own_seed(index)
            for name, method in fitted.items():
                outputs = method.sample(start.conditions, value, 1, seed)[:, 0]
                answer = Sample(_finite(outputs, name, value), start.conditions, start.weight)
                scores.append(score_of(self.comparison, value, name, answer, truth))
                done()
        return scores

    def policies(self, fitted: Mapping[str, Fitted]) -> dict[Value, dict[str, Policy]]:
        """Every method as a policy of every held-out λ, ascending; none without networks, as those of others."""
        if self.score.networks is None:
            return {}
        return {
            value: {name: _policy(method, value) for name, method in fitted.items()}
            for value in sorted(self.starts, key=numbers)
        }

    def seconds(self, fitted: Fitted) -> float:
        """Wall seconds of ASKED answers in one call at a held-out λ, at the score harvest's conditions."""
        value, conditions = self.asked
        return timed(lambda rows: fitted.sample(rows, value, 1, 0), conditions)

    @property
    def asked(self) -> tuple[Value, NDArray[np.floating]]:
        """The held-out λ, of which there has to be one, and the conditions (ASKED, C) that methods are timed at."""
        value, k = next(iter(self.starts.items()))
        rows = self.score.conditions[self.score.values.index(self.fit.values[k])]
        return value, np.resize(rows, (ASKED, self.width))

    @property
    def width(self) -> int:
        """The number of condition columns."""
        return len(self.score.schema.conditions)


def timed(answer: Callable[[NDArray[np.floating]], object], conditions: NDArray[np.floating]) -> float:
    """Wall seconds of an answer at conditions (N, C), after one at the first of them, which loads what is needed."""
    answer(conditions[:1])
    start = time.perf_counter()
    answer(conditions)
    return time.perf_counter() - start


def _policy(method: Fitted, value: Value) -> Policy:
    def answer(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        return method.sample(conditions, value, draws, seed)

    return answer


def _finite(outputs: NDArray[np.floating], method: str, value: Value) -> NDArray[np.floating]:
    if not np.isfinite(outputs).all():
        raise FitError(f"the outputs of {method} at hyperparameter {value} are not finite; leave it out of the methods")
    return outputs
