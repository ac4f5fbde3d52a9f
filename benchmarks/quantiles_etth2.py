"""Quantile forecasters of the oil temperature of ETTh2, by the protocol of the published comparison.

Beside them one network of all quantiles, an implicit quantile network: it saw the held-out quantiles in training.
"""

import time
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import Case, measure_cases, show
from benchmarks.quantiles import JUDGED
from benchmarks.record import SHARED, Record, Rows, Task
from benchmarks.table import measured
from benchmarks.truth import Sweep
from pipeline.data.conditioned import Box
from pipeline.data.network import Policy
from pipeline.families.protocol import ConditionedFamily, IngestSection, ScoredFamily
from pipeline.families.quantile_forecaster.family import PINBALL

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TITLE = "Quantile forecasts, ETTh2"
SEEDS = 5
NETWORK_SEEDS = 3
"""Seeds of networks that the network of all quantiles is compared at."""
SERIES = SHARED / "data" / "ETTh2.csv"
ALL = "one network of all quantiles"
COLUMNS = {
    "MSE": "MSE to the networks trained there, °C²",
    "pinball": "pinball loss, °C",
    "seconds": "seconds of its own fit or training",
}
ROWS = {
    "surrogate": "**this project**, default configuration",
    "conditioned": "one network conditioned on λ, over 0.01 to 0.99",
    "retrained": "networks trained there from another seed",
    "trained": "networks trained there",
}


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


def all_quantiles(case: Case, seed: int) -> Rows:
    """Means over the held-out quantiles with networks of this seed, and the wall seconds of a fit, or of a training.

    MSE on the score conditions, the pinball loss on the whole test split.
    """
    from pipeline.surrogate import Surrogate

    sweep = replace(case.sweep, network_seed=seed)
    assert isinstance(sweep.family, ConditionedFamily)
    fit = sweep.harvest("fit", case.anchors, seed)
    begun = time.perf_counter()
    surrogate = Surrogate.fit(fit, seed=seed)
    fitted = time.perf_counter()
    conditioned, _ = sweep.family.train_conditioned(sweep.data, Box.around(sweep.values), seed)
    seconds = {"surrogate": fitted - begun, "conditioned": time.perf_counter() - fitted}
    rows: dict[str, list[dict[str, float]]] = {}
    for value in case.judged:
        truth = sweep.trained(value, seed).outputs
        answers: dict[str, Policy] = {
            "surrogate": partial(_served, surrogate, value),
            "conditioned": conditioned.at(value).outputs,
            "retrained": sweep.trained(value, (seed + 1) % NETWORK_SEEDS).outputs,
            "trained": truth,
        }
        for name, answer in answers.items():
            rows.setdefault(name, []).append(_judged(sweep, value, answer, truth))
    means = {name: {key: float(np.mean([row[key] for row in own])) for key in own[0]} for name, own in rows.items()}
    return {name: figures | ({"seconds": seconds[name]} if name in seconds else {}) for name, figures in means.items()}


def _served(
    surrogate: "Surrogate", value: float, conditions: NDArray[np.floating], draws: int, seed: int
) -> NDArray[np.floating]:
    return surrogate.sample(conditions, value, draws=draws, seed=seed)


def _judged(sweep: Sweep, value: float, answer: Policy, truth: Policy) -> dict[str, float]:
    assert isinstance(sweep.family, ScoredFamily)
    conditions = sweep.family.conditions(sweep.data, "score", sweep.score_conditions, 0)
    difference = np.float64(answer(conditions, 1, 0)) - truth(conditions, 1, 0)
    return {"MSE": float(np.mean(difference**2)), "pinball": sweep.family.score(answer, sweep.data, value, 0)[PINBALL]}


def measure(record: Record, seeds: int, processes: int) -> None:
    """Both cases; the network of all quantiles beside the second, one task at a time, because it is timed."""
    if not SERIES.is_file():
        record.skip(f"{SERIES.name} is missing")
        return
    measure_cases(record, cases(), seeds, processes)
    three = cases()[1]
    record.measure([Task(ALL, seed, all_quantiles, (three, seed)) for seed in range(min(seeds, NETWORK_SEEDS))])


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
            "The same anchors and one network of all quantiles, which was trained on the held-out ones, too; means "
            "over the held-out quantiles, median and range over the seeds of networks:\n",
            measured(record, ALL, COLUMNS, ROWS),
        ]
    )
