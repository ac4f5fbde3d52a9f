"""The left anchor's sample, unmoved."""

from pipeline.evaluation.methods.method import Method

METHOD = Method(
    name="left_anchor",
    label="left anchor, unmoved",
    role="baseline",
    colour="#CC79A7",
    marker="v",
    sample=lambda at: at.left,
    policy=lambda at: at.left.outputs,
)
