"""Quantile forecasters of the oil temperature of ETTh2, by the protocol of the published comparison."""

from functools import cache

from benchmarks.held_out import Case, measure_cases, show
from benchmarks.quantiles import JUDGED
from benchmarks.record import SHARED, Record
from benchmarks.truth import Sweep
from pipeline.families.protocol import IngestSection

TITLE = "Quantile forecasts, ETTh2"
SEEDS = 5
SERIES = SHARED / "data" / "ETTh2.csv"


@cache
def cases() -> tuple[Case, Case]:
    """Two anchors and three. MLP 12–256–128–3, Adam 1e-3, batches of 256, early stopping, 70/15/15 in time."""
    sweep = Sweep(
        network="quantile_forecaster",
        settings={"history": 12, "horizon": 3, "hidden": [256, 128], "learning_rate": 1e-3, "batch_size": 256},
        source=SERIES,
        ingest=IngestSection(source=SERIES.name, column="OT", units="°C"),
        values=(0.01, *JUDGED, 0.99),
        fit_conditions=1200,
        score_conditions=1200,
    )
    two, three = (0.01, 0.99), (0.01, 0.5, 0.99)
    # The published means count 0.5 with either set of anchors only where it is held out.
    return (
        Case("two anchors", sweep, two, JUDGED),
        Case("three anchors", sweep, three, tuple(q for q in JUDGED if q not in three)),
    )


def measure(record: Record, seeds: int, processes: int) -> None:
    """Both cases."""
    if not SERIES.is_file():
        record.skip(f"{SERIES.name} is missing")
        return
    measure_cases(record, cases(), seeds, processes)


def section(record: Record) -> str:
    """A table a case, with the figures of TARGETS.md."""
    two, three = cases()
    return "\n".join(
        [
            "MSE in °C² on 1,200 contexts of the test split, by held-out quantile.\n",
            "Anchors 0.01 and 0.99:\n",
            show(
                record,
                two,
                {
                    "measured elsewhere: straight line / probit clock": "2.49 / 1.18",
                    "measured elsewhere: left anchor": "18.4",
                    "measured elsewhere: interpolating the weights": "5.8",
                    "measured elsewhere: floor": "0.197",
                },
                ratio=0.5,
            ),
            "Anchors 0.01, 0.50 and 0.99:\n",
            show(
                record,
                three,
                {
                    "measured elsewhere: straight line / probit clock": "1.79 / 0.34",
                    "measured elsewhere: interpolating the weights": "2.7",
                    "measured elsewhere: floor": "0.197",
                    "target": "≤ 0.25",
                },
                ratio=0.3,
                targets=[("MSE", 0.25)],
            ),
        ]
    )
