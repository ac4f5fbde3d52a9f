"""Central bands of quantile sweeps: how many outcomes lie between the forecasts of q and of 1 − q.

A sweep of levels is a forecast of a distribution, and its bands are what is used of it. Their share of outcomes is
counted on a test split, at every pair of levels that the sweep has, method by method. At an anchor every method is the
anchor's own network; the networks' own coverage is what a surrogate can reach.
"""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Policy
from pipeline.data.values import value_of
from pipeline.evaluation.task import policies
from pipeline.evaluation.task_table import TaskTable
from pipeline.families.protocol import Data, LevelFamily
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

COVERAGE = "coverage of the central band from λ to 1 − λ, less its level 1 − 2 λ"
DIGITS = 9
"""Of levels: 1 − 0.9 is not the number 0.1."""


def band_tables(
    family: LevelFamily, data: Data, surrogate: "Surrogate", score: Harvest, seed: int
) -> tuple[TaskTable, ...]:
    """The excess of coverage of every band, by its lower level; none without networks, held-out λ or pairs of levels.

    0 is right, below 0 a band is too narrow. Nothing either where the schema does not say that outputs increase.
    """
    asked, pairs = policies(surrogate, score), _pairs(score)
    if score.schema.monotone != "increasing" or not asked or not pairs:
        return ()
    conditions, outcomes = family.test_outcomes(data)
    networks = dict(zip(score.values, score.networks or (), strict=True))
    methods = list(next(iter(asked.values())))

    def answer(value: Value, method: str) -> FloatArray:
        policy: Policy = asked[value][method] if value in asked else networks[value].outputs
        outputs: FloatArray = policy(conditions, 1, seed)[:, 0]
        return outputs

    rows = tuple(
        (low, {m: coverage(answer(low, m), answer(high, m), outcomes) - level for m in methods})
        for low, high, level in pairs
    )
    return (TaskTable(COVERAGE, rows, names=tuple(column.name for column in score.schema.hyperparameters)),)


def coverage(low: FloatArray, high: FloatArray, outcomes: FloatArray) -> float:
    """The share of outcomes (N, D) above `low` and not above `high`, both (N, D): 0 where they have crossed.

    With both ends counted by outcomes at or below, the coverage of true quantiles is their difference, with atoms, too.
    """
    return float(np.mean((outcomes > low) & (outcomes <= high)))


def _pairs(score: Harvest) -> list[tuple[Value, Value, float]]:
    """Levels q < ½ with their partners 1 − q of equal further coordinates, and the band's level; ascending."""
    vertices = {(round(v[0], DIGITS), *v[1:]): v for v in score.vertices}
    found = []
    for low in sorted(score.vertices):
        high = vertices.get((round(1 - low[0], DIGITS), *low[1:]))
        if high is not None and low[0] < high[0]:
            found.append((value_of(low), value_of(high), high[0] - low[0]))
    return found
