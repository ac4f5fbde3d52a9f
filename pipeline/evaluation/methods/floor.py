"""A second sample of the truth, of the same size: below its error a method cannot be distinguished from the truth."""

from pipeline.evaluation.methods.method import Method

METHOD = Method(
    name="floor",
    label="floor (fresh truth)",
    role="reference",
    colour="#555555",
    marker="_",
    sample=lambda at: None if at.fresh is None else at.fresh(),
    style={"ls": "--", "ms": 14, "mew": 2},
)
