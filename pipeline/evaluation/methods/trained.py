"""The network that was trained at λ itself: the reference for what takes its place."""

from pipeline.evaluation.methods.method import Method

TRAINED = "trained"

METHOD = Method(
    name=TRAINED,
    label="network trained there",
    role="reference",
    colour="#222222",
    marker="x",
    policy=lambda at: at.networks[at.value].outputs,
)
