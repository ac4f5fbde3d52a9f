"""Two-moons diffusion models with the dropout rate as λ, with the settings of sweeps/two_moons.yaml."""

from functools import cache

from benchmarks.held_out import Case, measure_cases, show
from benchmarks.record import Record
from benchmarks.truth import Sweep

TITLE = "Two-moons diffusion, dropout as λ"
SEEDS = 5
REDRAWS = 2
JUDGED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PUBLISHED = {
    "published K_θ−U / K_I−U (their networks)": "0.079 / 0.060",
    "their networks: exact transport, straight lines": "0.568",
    "their networks: left anchor / nearest anchor": "0.053 / 0.938",
    "their networks: best speed at each λ": "0.044",
    "their networks: upper bound of the floor (250 each)": "0.040",
}


@cache
def cases() -> tuple[Case, Case]:
    """Two anchors and three; the published mean leaves 0.5 out, which is an anchor there."""
    sweep = Sweep.of_preset("two_moons")
    two, three = (0.0, 0.99), (0.0, 0.5, 0.99)
    return (
        Case("two anchors", sweep, two, JUDGED, REDRAWS),
        Case("three anchors", sweep, three, tuple(v for v in JUDGED if v not in three), REDRAWS),
    )


def measure(record: Record, seeds: int, processes: int) -> None:
    """Both cases."""
    measure_cases(record, cases(), seeds, processes)


def section(record: Record) -> str:
    """A table a case."""
    two, three = cases()
    return "\n".join(
        [
            "Exact W₂² within a class, mean over both, 500 samples a class against 500 of the truth, by held-out "
            f"dropout rate; anchors drawn afresh for every seed, {REDRAWS} redraws of starts and truth.\n",
            "Anchors 0 and 0.99:\n",
            show(record, two, {}, ratio=0.5),
            "Anchors 0, 0.5 and 0.99:\n",
            show(record, three, {**PUBLISHED, "target": "≤ 0.050"}, ratio=0.3, targets=[("W₂²", 0.05)]),
        ]
    )
