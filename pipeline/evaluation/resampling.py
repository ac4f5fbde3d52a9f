"""Intervals of mean errors, and of differences between methods, over the conditions or redraws of an evaluation.

The paired bootstrap (Efron and Tibshirani 1993, ch. 16) resamples conditions, at which all methods were evaluated, so
that what makes conditions hard for both cancels; or redraws, where conditions are few; of few of both it is
Student's t.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from pipeline.evaluation.scores import Evaluation

FEWEST = 8
"""Conditions, or redraws, below which nothing is resampled."""
FEWEST_REDRAWS = 3
"""Redraws below which there is no interval at all."""
RESAMPLES, COVERAGE = 2000, 0.95

Interval = tuple[float, float]


def mean_interval(evaluation: Evaluation, method: str) -> Interval | None:
    """The interval of a method's mean error over the held-out λ; None where there is too little data."""
    return _interval([np.array(errors(method)) for errors in (evaluation.by_condition, evaluation.by_redraw)])


def difference_interval(evaluation: Evaluation, one: str, other: str) -> Interval | None:
    """The interval of one method's mean error minus another's; None where there is too little data."""
    return _interval([left - right for left, right in _paired(evaluation, one, other)])


def ratio_interval(evaluation: Evaluation, one: str, other: str) -> Interval | None:
    """The interval of one method's mean error over another's, above 0; None where there is too little data.

    By linearisation: the ratio r of the means plus the mean of (one − r · other) / mean(other), resampled.
    """
    pairs = _paired(evaluation, one, other)
    if any(len(right) and right.mean() == 0 for _, right in pairs):
        return None
    ratio = evaluation.mean_error(one) / evaluation.mean_error(other)
    return _interval([ratio + _linearised(left, right) if len(left) else left for left, right in pairs])


def _linearised(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((left - left.mean() / right.mean() * right) / right.mean())


def _paired(evaluation: Evaluation, one: str, other: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Errors of two methods by condition, then by redraw; without rows where they are not paired."""
    pairs = []
    for errors in (evaluation.by_condition, evaluation.by_redraw):
        left, right = errors(one), errors(other)
        fits = len(left) == len(right)
        pairs.append((np.array(left if fits else (), float), np.array(right if fits else (), float)))
    return pairs


def _interval(samples: Sequence[NDArray[np.float64]]) -> Interval | None:
    for sample in samples:
        if len(sample) >= FEWEST:
            return bootstrap(sample)
    redraws = samples[-1]
    return _student(redraws) if len(redraws) >= FEWEST_REDRAWS else None


def bootstrap(sample: NDArray[np.float64]) -> Interval:
    """The percentile interval of the mean (n,); one resample at a time, so that many conditions fit into memory."""
    rng, count = np.random.default_rng(0), len(sample)
    means = [sample[rng.integers(count, size=count)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def _student(sample: NDArray[np.float64]) -> Interval:
    error = sample.std(ddof=1) / np.sqrt(len(sample)) * student.ppf((1 + COVERAGE) / 2, len(sample) - 1)
    return float(sample.mean() - error), float(sample.mean() + error)
