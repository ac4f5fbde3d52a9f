"""What an answer costs: transport beside its bare networks, and the import and load of a bundle."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.cost_fit import synthetic
from benchmarks.record import CHECKOUT, Record, Rows, Task
from benchmarks.semicircles import harvest
from benchmarks.table import Criterion, criteria, measured, median_of
from pipeline.data.harvest import Harvest
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.shapes import FloatArray
    from pipeline.surrogate import Surrogate
    from pipeline.transport.condition import Condition

TITLE = "Cost of an answer"
SEEDS = 3
BATCHES = (1000, 1)
REPEATS = 300
STARTS = 5
COLUMNS = {"transport": "transport, ms", "bare": "bare networks, ms", "ratio": "ratio", "units": "matrix products"}
START = """
import time
begun = time.perf_counter()
from pipeline.surrogate.model import Surrogate
imported = time.perf_counter()
Surrogate.load({path!r})
print(imported - begun, time.perf_counter() - imported)
"""


def problems() -> dict[str, Harvest]:
    """A categorical condition in the plane, and twelve continuous ones with three outputs, as in a forecast."""
    return {"semicircles": harvest(0), "D = 3, C = 12": synthetic(anchors=3, samples=1200, D=3, C=12)}


def best_of_turns(functions: list[Callable[[], object]], repeats: int = REPEATS) -> list[float]:
    """The least seconds of each function, called in turn with the others, so that all see the same machine."""
    best = [np.inf] * len(functions)
    for turn in range(repeats + 10):
        for k, function in enumerate(functions):
            begun = time.perf_counter()
            function()
            if turn >= 10:
                best[k] = min(best[k], time.perf_counter() - begun)
    return best


def answers(surrogate: "Surrogate", data: Harvest, unit: float) -> Rows:
    """Milliseconds of `transport` and of map network and path network alone on the same inputs."""
    import torch

    left, right = data.hyperparameter[:2].tolist()
    parts, rows = surrogate._parts, {}
    for batch in BATCHES:
        take = np.arange(batch) % len(data.outputs[0])
        y, x = data.outputs[0][take].copy(), data.conditions[0][take].copy()
        start = parts.scaling.standardise(torch.tensor(y, dtype=torch.float32))
        condition = parts.scaling.condition(torch.tensor(x, dtype=torch.float64))

        def transport(y: "FloatArray" = y, x: "FloatArray" = x) -> object:
            return surrogate.transport(y, x, left, 0.6 * left + 0.4 * right)

        @torch.no_grad()
        def bare(start: "Tensor" = start, condition: "Condition" = condition) -> object:
            return parts.paths.coefficients(start, parts.maps(start, condition, 0), condition)

        whole, networks = best_of_turns([transport, bare])
        rows[f"{batch} samples" if batch > 1 else "1 sample"] = {
            "transport": 1000 * whole,
            "bare": 1000 * networks,
            "ratio": whole / networks,
            "units": whole / unit,
        }
    return rows


def start_up(surrogate: "Surrogate") -> Rows:
    """Seconds to import what a served model needs, and to load a bundle, each in fresh processes."""
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "surrogate")
        surrogate.save(path)
        seconds = []
        for _ in range(STARTS):
            command = [sys.executable, "-c", START.format(path=path)]
            done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
            seconds.append([float(value) for value in done.stdout.split()])
    imports, loads = zip(*seconds, strict=True)
    return {"start": {"import": median(imports), "load": median(loads)}}


def measure(record: Record, seeds: int, processes: int) -> None:
    """One fit a problem; its answers `seeds` times; one thread, as small products gain nothing from two."""
    import torch

    from pipeline.surrogate import Surrogate

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, data in problems().items():
            surrogate = Surrogate.fit(data, SurrogateConfig())
            unit = record.stamp.unit
            record.measure(Task(name, seed, answers, (surrogate, data, unit)) for seed in range(seeds))
            if name == "semicircles":
                record.measure([Task("start", 0, start_up, (surrogate,))])
    finally:
        torch.set_num_threads(threads)


def section(record: Record) -> str:
    """A table a problem, and the start."""
    parts = [
        f"One thread, the best of {REPEATS} calls in turn with the bare networks: `maps(y, x)` and the path network's "
        "coefficients, on tensors that are standardised already. Published implementation: 53 ms for 1,000 samples, "
        "0.9 ms for one.\n"
    ]
    rows = {"1000 samples": "1,000 samples", "1 sample": "one sample"}
    for task in record.tasks():
        if task != "start":
            parts += [f"{task}:\n", measured(record, task, COLUMNS, rows)]
            ratio = median_of(record, task, "1000 samples", "ratio")
            parts.append(criteria([Criterion("transport of 1,000 samples / bare networks", ratio, high=1.5)]))
    columns = {"import": "import, s", "load": "load of a bundle, s"}
    parts.append(measured(record, "start", columns, {"start": f"a fresh process, the median of {STARTS}"}))
    return "\n".join(parts)
