"""The sample of the anchor that λ is nearest to, unmoved: in λ, every hyperparameter scaled to the anchors' range."""

from pipeline.data.network import Policy
from pipeline.data.values import value_of
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation
from pipeline.evaluation.places import nearest


def _sample(at: Situation) -> Sample | None:
    return None if at.at_anchor else at.ends[nearest(at.own.mesh, at.coordinates)]


def _policy(at: PolicySituation) -> Policy:
    mesh = at.own.mesh
    return at.networks[value_of(mesh.vertices[nearest(mesh, at.coordinates)])].outputs


METHOD = Method(
    name="nearest_anchor",
    label="nearest anchor",
    role="baseline",
    unmoved=True,
    colour="#009E73",
    marker="^",
    sample=_sample,
    policy=_policy,
    # The nearest anchor often is the left one: its hollow marker stands around the other's.
    style={"ms": 11, "mfc": "none"},
)
