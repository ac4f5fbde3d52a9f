"""Quantile forecasters of the bundled temperature series, with the settings of sweeps/quantiles.yaml.

The preset declares a prior for the clock; the default configuration does not.
"""

from functools import cache

from benchmarks.held_out import Case, measure_cases, show
from benchmarks.record import Record
from benchmarks.truth import Sweep

TITLE = "Quantile forecasts, the bundled series"
SEEDS = 5
JUDGED = (0.1, 0.25, 0.5, 0.75, 0.9)


@cache
def cases() -> tuple[Case, Case]:
    """Two anchors and three."""
    sweep = Sweep.of_preset("quantiles")
    two, three = (0.01, 0.99), (0.01, 0.5, 0.99)
    return (
        Case("two anchors", sweep, two, JUDGED, clock_prior="probit"),
        Case("three anchors", sweep, three, tuple(q for q in JUDGED if q not in three), clock_prior="probit"),
    )


def measure(record: Record, seeds: int, processes: int) -> None:
    """Both cases."""
    measure_cases(record, cases(), seeds, processes)


def section(record: Record) -> str:
    """A table a case."""
    two, three = cases()
    return "\n".join(
        [
            "MSE in °F² on 600 contexts of the test split, by held-out quantile; the networks are trained at every "
            "quantile, the surrogate sees the anchors.\n",
            "Anchors 0.01 and 0.99:\n",
            show(record, two, {}, ratio=0.5),
            "Anchors 0.01, 0.50 and 0.99:\n",
            show(record, three, {}, ratio=0.3),
        ]
    )
