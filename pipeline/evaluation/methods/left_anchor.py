"""The left anchor's sample, unmoved.

With several hyperparameters no corner of a cell is the left one, and the nearest anchor stands for all unmoved ones. At
the anchors it is the neighbour that each is reached from, whose distance the errors there are to be compared with.
"""

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation


def _sample(at: Situation) -> Sample | None:
    return at.ends[at.start] if len(at.coordinates) == 1 or at.at_anchor else None


def _policy(at: PolicySituation) -> Policy | None:
    return at.corners[0].outputs if len(at.coordinates) == 1 else None


METHOD = Method(
    name="left_anchor",
    label="left anchor, unmoved",
    several="neighbouring anchor, unmoved",
    role="baseline",
    unmoved=True,
    colour="#CC79A7",
    marker="v",
    sample=_sample,
    policy=_policy,
)
