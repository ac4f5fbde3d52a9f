"""The left anchor's samples, moved by the surrogate's maps: for users who have samples but no networks.

With several hyperparameters the nearest anchor's; to an anchor, those of the neighbour that it is reached from.
"""

from pipeline.data.values import value_of
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, Situation
from pipeline.evaluation.served import TRANSPORT, transported


def _sample(at: Situation) -> Sample | None:
    if at.served == TRANSPORT and not at.at_anchor:
        return None  # it is the surrogate's own row
    source = value_of(at.own.mesh.vertices[at.start])
    return transported(at.surrogate, at.ends[at.start], source, at.value)


METHOD = Method(
    name="transport",
    label="transport of the left anchor's samples",
    several="transport of the nearest anchor's samples",
    role="transport",
    colour="#56B4E9",
    marker="D",
    sample=_sample,
    style={"ms": 5},
)
