"""What a fit costs: on the semicircles file in full, and with one more anchor, sample, output and condition dimension.

The synthetic harvest of the second part: ten draws each at random continuous conditions, which all anchors share; two
outputs on a half circle, all others on an arc that bends with s, and noise. One thread, one fit a size.
"""

import time
from collections.abc import Mapping

import numpy as np

from benchmarks.record import Record, Rows, Task
from benchmarks.semicircles import PUBLISHED, harvest
from benchmarks.table import Criterion, cell, criteria, median_of, number, table
from pipeline.data.harvest import Harvest
from pipeline.surrogate.config import SurrogateConfig

TITLE = "Cost of a fit"
SEEDS = 3
DRAWS = 10
BASE = {"anchors": 3, "samples": 1000, "D": 2, "C": 2}
SIZES: Mapping[str, tuple[int, ...]] = {
    "anchors": (2, 3, 5, 9),
    "samples": (500, 2000, 8000, 32_000),
    "D": (2, 4, 8, 16),
    "C": (1, 4, 16, 64),
}
EXPONENTS = {"anchors": 1.1, "samples": 1.1, "D": 2.1, "C": None}
"""Bounds on the growth: a tenth above linear and quadratic, as one fit a size is noisy; none for C."""
MEANING = {
    "anchors": "anchors",
    "samples": "samples an anchor",
    "D": "output dimension D",
    "C": "condition dimension C",
}


def synthetic(anchors: int, samples: int, D: int, C: int, seed: int = 0) -> Harvest:
    """A harvest of the given sizes, D ≥ 2, samples a multiple of ten."""
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(samples // DRAWS, C))
    conditions = np.repeat(contexts, DRAWS, axis=0).astype(np.float32)
    values = np.linspace(0.0, 1.0, anchors)
    outputs = []
    for s in values:
        angle = np.pi * s + 0.3 * conditions[:, 0] + rng.normal(0.0, 0.2, samples)
        rest = np.sin(np.pi * s) + rng.normal(0.0, 0.2, (samples, D - 2))
        outputs.append(np.column_stack([np.cos(angle), np.sin(angle), rest]).astype(np.float32))
    return Harvest.from_arrays(values, outputs, [conditions] * anchors, deterministic=False)


def fit_seconds(data: Harvest, seed: int, threads: int) -> Rows:
    """Wall and processor seconds of one fit by the default configuration."""
    import torch

    from pipeline.surrogate import Surrogate

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        begun, processor = time.perf_counter(), time.process_time()
        Surrogate.fit(data, SurrogateConfig(), seed=seed)
        wall, processor = time.perf_counter() - begun, time.process_time() - processor
    finally:
        torch.set_num_threads(before)
    return {"fit": {"seconds": wall, "processor": processor}}


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of log seconds over log size, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measure(record: Record, seeds: int, processes: int) -> None:
    """All fits in turn, in this process: nothing else may run while they are timed."""
    file = PUBLISHED if PUBLISHED.is_file() else None
    record.measure(Task("semicircles", seed, fit_seconds, (harvest(seed, file), seed, 2)) for seed in range(seeds))
    for factor, sizes in SIZES.items():
        for size in sizes:
            data = synthetic(**{**BASE, factor: size})
            record.measure([Task(f"{factor} = {size}", 0, fit_seconds, (data, 0, 1))])


def section(record: Record) -> str:
    """The full fit, then a table a factor with its exponent."""
    unit = record.stamp.unit
    full = median_of(record, "semicircles", "fit", "seconds")
    parts = [
        f"A full fit on the semicircles (3 anchors, 400 samples each), two threads allowed: "
        f"{cell(record.values('semicircles', 'fit', 'seconds'))} s (of a processor "
        f"{cell(record.values('semicircles', 'fit', 'processor'))} s), {number(full / unit)} matrix products. The "
        "authors' implementation on the CPU of a like machine: 27 to 33 hours (extrapolated); on a GPU about 15 "
        "minutes.\n",
        criteria([Criterion("full fit, s", full, high=60.0), Criterion("full fit, s (the stretch)", full, high=15.0)]),
        "One factor at a time from {} anchors, {} samples an anchor, D = {}, C = {} (one thread):\n".format(
            *BASE.values()
        ),
    ]
    lines, bounds = [], []
    for factor, sizes in SIZES.items():
        measured = [n for n in sizes if f"{factor} = {n}" in record.tasks()]
        seconds = [median_of(record, f"{factor} = {n}", "fit", "seconds") for n in measured]
        if len(measured) < 2:
            continue
        overall, last = exponent(measured, seconds), exponent(measured[-2:], seconds[-2:])
        shown = ", ".join(f"{n}: {number(t)} s ({number(t / unit)})" for n, t in zip(measured, seconds, strict=True))
        lines.append([MEANING[factor], shown, number(overall), number(last)])
        if (bound := EXPONENTS[factor]) is not None:
            bounds.append(Criterion(f"exponent in {MEANING[factor]}, largest two", last, high=bound))
    header = ["", "size: seconds (matrix products)", "exponent, all sizes", "exponent, largest two"]
    return "\n".join([*parts, table(header, lines), criteria(bounds)])
