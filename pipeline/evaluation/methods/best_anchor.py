"""The one anchor whose own network scores best under λ's score: what a user has who may try all of them at λ.

It stands in the tables of task scores, of families that give their episodes one by one (`pipeline.evaluation.task`). It
has no sample, so no gate compares errors with it.
"""

from pipeline.evaluation.methods.method import Method

BEST_ANCHOR = "best_anchor"

METHOD = Method(
    name=BEST_ANCHOR, label="best single anchor under λ's score", role="reference", colour="#999999", marker="D"
)
