"""By how many standard errors the surrogate's task score falls below those of both neighbouring anchors' networks.

Of families that give the scores of single episodes, which start alike for all policies: the differences are paired.
Distances say little of a policy: outputs near to those of two good policies may lose everything.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric, held_out_values
from pipeline.evaluation.methods.left_anchor import METHOD as LEFT
from pipeline.evaluation.methods.right_anchor import METHOD as RIGHT
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.task_table import TaskTable

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


MOST = 1000.0
"""Standard errors that a difference without any spread counts as."""


def shortfall(table: TaskTable, value: Value) -> float | None:
    """At one held-out λ, in standard errors of the difference; below 0 where the surrogate is better than an anchor.

    None where there are fewer than two episodes, or none of an anchor.
    """
    episodes = table.episodes.get(value, {})
    if not {SURROGATE, LEFT.name, RIGHT.name} <= set(episodes):
        return None
    behind = [episodes[anchor] - episodes[SURROGATE] for anchor in (LEFT.name, RIGHT.name)]
    return min(map(_standard_errors, behind)) if len(behind[0]) > 1 else None


def _standard_errors(differences: NDArray[np.float64]) -> float:
    mean, error = float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(differences)))
    if error == 0:
        return 0.0 if mean == 0 else float(np.copysign(np.inf, mean))
    return mean / error


def _worst(judgement: "Judgement", value: Value) -> tuple[float, str] | None:
    """At one λ the largest shortfall of all tables, and that table's name."""
    found = [(behind, table.name) for table in judgement.task if (behind := shortfall(table, value)) is not None]
    return max(found, default=None)


def _figure(judgement: "Judgement", values: tuple[Value, ...]) -> Figure | None:
    found = [worst for value in values if (worst := _worst(judgement, value)) is not None]
    if not found:
        return None
    mean = float(np.mean([np.clip(behind, -MOST, MOST) for behind, _ in found]))
    return Figure(mean, beside=f"in standard errors, of the {max(found)[1]}")


METRIC = Metric("task_shortfall", "the fall of the task's score below those of both anchors", _figure, held_out_values)
