"""Great circles in 64 dimensions, where a fit of the learnt metric takes long: its rotations have 2,016 planes."""

from benchmarks.high_dimension import VARIANTS, measure_dimension, section
from benchmarks.record import Record

__all__ = ["SEEDS", "TITLE", "measure", "section"]

TITLE = "Higher dimension: great circles in R^64"
SEEDS = 3


def measure(record: Record, seeds: int, processes: int) -> None:
    """The default variant in 64 dimensions, and the one without a learnt metric."""
    measure_dimension(record, 64, VARIANTS[:2], seeds, processes)
