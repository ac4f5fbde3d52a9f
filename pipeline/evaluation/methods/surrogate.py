"""The surrogate, queried as it is served: see `pipeline.evaluation.served`."""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation
from pipeline.evaluation.places import beside, given
from pipeline.evaluation.scores import SURROGATE
from pipeline.evaluation.served import ask


def _sample(at: Situation) -> Sample:
    value = beside(at.own, at.own.mesh.vertices.index(at.coordinates)) if at.at_anchor else at.value
    return ask(at.surrogate, at.served, at.ends[at.start], at.start, value, at.seed)


def _policy(at: PolicySituation) -> Policy:
    def sample(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        return at.surrogate.sample(conditions, given(at.own.mesh, at.value), draws=draws, seed=seed)

    return sample


METHOD = Method(
    name=SURROGATE,
    label="surrogate",
    role="surrogate",
    colour="#0072B2",
    marker="o",
    sample=_sample,
    policy=_policy,
    style={"lw": 2.2, "zorder": 4},
)
