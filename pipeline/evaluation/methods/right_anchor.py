"""The right anchor's own network as a policy of λ: with the left one's, what the surrogate must not fall below.

It has no sample, and so no gate compares errors with it; with several hyperparameters no corner is the right one.
"""

from pipeline.evaluation.methods.method import Method

METHOD = Method(
    name="right_anchor",
    label="right anchor, unmoved",
    role="reference",
    colour="#CC79A7",
    marker="^",
    policy=lambda at: at.corners[1].outputs if len(at.coordinates) == 1 else None,
)
