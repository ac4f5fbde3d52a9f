"""The surrogate has to beat every unmoved anchor, and must not be worse than a straight line by more than the noise.

Worse is an error above the line's by more than its allowance, in the mean over the held-out λ, with a bootstrap
interval of the difference above zero. The paired bootstrap (Efron and Tibshirani 1993, ch. 16) resamples conditions, at
which both methods were evaluated, so that what makes conditions hard for both cancels; or redraws, where conditions are
few. A surrogate at the floor cannot be distinguished from the truth by these samples, and is worse than no line: a line
between two samples averages their noise away, and may be below the floor.

Inside broken intervals the surrogate is an anchor's own network, on purpose, because mixtures are ruinous there however
near they come to the truth's outputs: such held-out λ are left out of the comparison.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.gates.gate import Gate, held_out
from pipeline.evaluation.methods.catalog import baselines
from pipeline.evaluation.methods.floor import METHOD as FLOOR_METHOD
from pipeline.evaluation.methods.method import Method
from pipeline.evaluation.scores import SURROGATE, Evaluation

FLOOR = FLOOR_METHOD.name
FEWEST = 8
"""Conditions, and redraws, below which no interval is computed, and the allowance alone decides."""

RESAMPLES, COVERAGE = 2000, 0.95


def behind(evaluation: Evaluation, method: Method) -> bool:
    """Whether a baseline bars the promotion."""
    own, other = evaluation.mean_error(SURROGATE), evaluation.mean_error(method.name)
    if method.allowance is None:
        return not own < other
    if own <= (1 + method.allowance) * other or (FLOOR in evaluation.methods and own <= evaluation.mean_error(FLOOR)):
        return False
    interval = difference_interval(evaluation, method.name)
    return interval is None or interval[0] > 0


def difference_interval(evaluation: Evaluation, method: str) -> tuple[float, float] | None:
    """The bootstrap interval of the surrogate's mean error minus the method's; None where there is too little data."""
    for errors in (evaluation.by_condition, evaluation.by_redraw):
        own, other = errors(SURROGATE), errors(method)
        if len(own) == len(other) >= FEWEST:
            return _bootstrap(np.array(own) - np.array(other))
    return None


def _bootstrap(differences: NDArray[np.float64]) -> tuple[float, float]:
    """The percentile interval of the mean; one resample at a time, so that many conditions fit into memory."""
    rng, count = np.random.default_rng(0), len(differences)
    means = [differences[rng.integers(count, size=count)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def _check(evaluation: Evaluation) -> tuple[bool, str] | None:
    everywhere, evaluation = evaluation, evaluation.outside_broken()
    if everywhere.hyperparameters and not evaluation.hyperparameters:
        return False, (
            "every held-out value lies in a broken interval, where the surrogate is an anchor's own network: hold out "
            "a value of another interval to judge it by"
        )
    scored = [method for method in baselines() if method.name in evaluation.methods]
    if not scored:
        return None
    outside = " outside broken intervals" if everywhere.broken else ""
    verdict = f"the surrogate's mean {evaluation.measure} over {held_out(evaluation)}{outside} is "
    verdict += f"{evaluation.mean_error(SURROGATE):.4g}"
    unbeaten = [method for method in scored if method.allowance is None and behind(evaluation, method)]
    better = [method for method in scored if method.allowance is not None and behind(evaluation, method)]
    faults = [f"which does not beat {_listed(evaluation, unbeaten)}"] if unbeaten else []
    faults += [f"which is beaten by {_listed(evaluation, better)}"] if better else []
    if faults:
        return False, f"{verdict}, {' and '.join(faults)}"
    return True, f"{verdict}, and no baseline is better beyond the noise ({_listed(evaluation, scored)})"


def _listed(evaluation: Evaluation, methods: list[Method]) -> str:
    return "; ".join(
        f"{method.label_for(len(evaluation.names))}: {evaluation.mean_error(method.name):.4g}" for method in methods
    )


GATE = Gate("baselines", _check)
