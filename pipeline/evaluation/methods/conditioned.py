"""One network that takes λ as an input and was trained over all of it, the held-out λ as well: an upper mark.

It stands in the tables where `validate.conditioned` has it trained. It saw more than the surrogate, and cost a training
of its own; no gate asks for it.
"""

from pipeline.evaluation.methods.method import Method

CONDITIONED = "conditioned"

METHOD = Method(
    name=CONDITIONED,
    label="one network conditioned on λ",
    role="reference",
    colour="#009E73",
    marker="*",
    style={"ls": ":"},
)
