"""What the surrogate and the methods that nobody fits take: wall seconds of a fit, and of 1,000 answers in one call."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.findings import Cost
from pipeline.evaluation.methods.catalog import baselines
from pipeline.evaluation.rivals import ASKED, Court, timed
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.served import ask, served_by
from pipeline.evaluation.task import policies

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


def costs_of(surrogate: "Surrogate", court: Court, fit_seconds: float) -> tuple[Cost, ...]:
    """Of the surrogate, asked as it is served, and of the baselines that answer at any condition without a fit.

    fit_seconds: of the surrogate; the others have none. () where nothing is held out.
    """
    if not court.starts:
        return ()
    value, conditions = court.asked
    known = {method.name for method in baselines()}
    found = {name: p for name, p in policies(surrogate, court.score).get(value, {}).items() if name in known}
    unfitted = [Cost(name, 0.0, timed(partial(_once, policy), conditions)) for name, policy in found.items()]
    return (Cost(SURROGATE, fit_seconds, _served_seconds(surrogate, court)), *unfitted)


def _once(policy: Policy, conditions: NDArray[np.floating]) -> NDArray[np.floating]:
    return policy(conditions, 1, 0)


def _served_seconds(surrogate: "Surrogate", court: Court) -> float:
    value, conditions = court.asked
    score, start = court.score, court.starts[value]
    own = score.outputs[score.values.index(court.fit.values[start])]
    outputs, served = np.resize(own, (ASKED, own.shape[1])), served_by(surrogate, score)

    def answer(rows: NDArray[np.floating]) -> None:
        ask(surrogate, served, Sample(outputs[: len(rows)], rows), start, value, 0)

    return timed(answer, conditions)
