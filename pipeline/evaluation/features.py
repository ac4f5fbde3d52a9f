"""Distances between features of outputs: the surrogate's errors in a feature space that the family defines.

A family that has `features` (of images: what tells one from another) computes them at every held-out λ for the policies
that task scores compare, and for a second sample of the network that was trained there. Samples are compared within
each condition where a condition has several draws, and over all conditions as one sample where it has one. The trained
network's own distance is the floor.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Policy
from pipeline.errors import ConfigurationError
from pipeline.evaluation.comparison import LARGEST_GROUP, evenly
from pipeline.evaluation.distances import squared_mean_discrepancy, wasserstein2_squared
from pipeline.evaluation.task import policies
from pipeline.evaluation.task_table import TaskTable
from pipeline.families.protocol import Data, FeaturedFamily

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

FEATURE_W2, FEATURE_MMD = "W₂² of features", "MMD² of features"


def feature_tables(
    family: FeaturedFamily, data: Data, surrogate: "Surrogate", score: Harvest, seed: int
) -> tuple[TaskTable, ...]:
    """Exact W₂² and MMD² of features; none where nothing is held out, or the harvest has no networks.

    The MMD's kernel is Gaussian; one bandwidth serves all λ and conditions, so that figures compare over λ: the median
    distance between two samples of the truth that differ, 1 where none do. Raises ConfigurationError where `features`
    returns anything but finite numbers, a row for every row.
    """
    return features_of(family, data, policies(surrogate, score), score, seed, deterministic=surrogate.deterministic)


def features_of(
    family: FeaturedFamily,
    data: Data,
    asked: Mapping[Value, Mapping[str, Policy]],
    score: Harvest,
    seed: int,
    *,
    deterministic: bool,
) -> tuple[TaskTable, ...]:
    """The same of any policies, by their λ and methods; none where nothing is asked. Errors as `feature_tables`."""
    if not asked or score.networks is None:
        return ()
    first = score.values.index(next(iter(asked)))
    conditions, counts = np.unique(score.conditions[first], axis=0, return_counts=True)
    draws = 1 if deterministic else min(int(counts.min()), LARGEST_GROUP)
    if draws == 1:
        conditions = conditions[evenly(np.arange(len(conditions)))]
    truth_seed, seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))

    def groups(policy: Policy, own_seed: int) -> NDArray[np.float64]:
        outputs = policy(conditions, draws, own_seed)
        rows = outputs.reshape(-1, outputs.shape[-1])
        found = np.asarray(family.features(rows, np.repeat(conditions, draws, axis=0), data), np.float64)
        _check(found, len(rows), type(family).__name__)
        return found.reshape(len(conditions), draws, -1) if draws > 1 else found[None]

    trained = dict(zip(score.values, score.networks, strict=True))
    truth = {value: groups(trained[value].outputs, truth_seed) for value in asked}
    apart = np.concatenate([pdist(group) for sample in truth.values() for group in sample])
    bandwidth = float(np.median(apart[apart > 0])) if apart.any() else 1.0
    found = {value: {m: groups(policy, seed) for m, policy in methods.items()} for value, methods in asked.items()}

    def table(name: str, distance: Callable[[NDArray[np.float64], NDArray[np.float64]], float]) -> TaskTable:
        def mean(value: Value, method: str) -> float:
            return float(np.mean([distance(a, b) for a, b in zip(found[value][method], truth[value], strict=True)]))

        rows = tuple((value, {m: mean(value, m) for m in found[value]}) for value in found)
        return TaskTable(name, rows, names=tuple(column.name for column in score.schema.hyperparameters))

    return (
        table(FEATURE_W2, wasserstein2_squared),
        table(FEATURE_MMD, lambda a, b: squared_mean_discrepancy(a, b, bandwidth)),
    )


def _check(features: NDArray[np.float64], rows: int, family: str) -> None:
    if features.ndim != 2 or len(features) != rows or not np.isfinite(features).all():
        raise ConfigurationError(
            f"features() of {family} returned an array of shape {features.shape} for {rows} rows of outputs; "
            "finite numbers of shape (rows, F) are needed"
        )
