"""The sample of the anchor that λ is nearest to, unmoved."""

from pipeline.data.network import Policy
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation


def _sample(at: Situation) -> Sample | None:
    return None if at.at_anchor else at.ends[at.anchors.nearest(at.value)]


def _policy(at: PolicySituation) -> Policy:
    return at.networks[at.anchors.values[at.anchors.nearest(at.value)]].outputs


METHOD = Method(
    name="nearest_anchor",
    label="nearest anchor",
    role="baseline",
    colour="#009E73",
    marker="^",
    sample=_sample,
    policy=_policy,
    # The nearest anchor often is the left one: its hollow marker stands around the other's.
    style={"ms": 11, "mfc": "none"},
)
