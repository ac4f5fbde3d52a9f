"""A harvest of 100,000 samples an anchor: peak memory, time, and the error of the density that rests on a subsample.

The fit runs in a process of its own, because the peak of a process never falls.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import CHECKOUT, Record, Rows, Task
from benchmarks.table import Criterion, criteria, measured, median_of
from pipeline.data.harvest import Harvest
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TITLE = "100,000 samples an anchor"
SEEDS = 1
SAMPLES = 100_000
JUDGED = 1000
BLOCK = 100
LIMIT_GIB = 4.0
COLUMNS = {
    "imports": "GiB after the imports",
    "harvest": "GiB with the harvest",
    "peak": "GiB at the peak of the fit",
    "seconds": "fit, s",
    "density": "mean of abs(log p̂ of the subsample − of all)",
    "density_95": "its 95 % quantile",
}


def child(seed: int, samples: int = SAMPLES) -> Rows:
    """Fit in this process; peak memory in GiB, seconds, and the density's error at samples of the anchors."""
    import torch

    from benchmarks.semicircles import ANCHORS, CATEGORIES
    from pipeline.families.semicircles.family import SemicircleNetwork
    from pipeline.surrogate.model import Surrogate

    figures = {"imports": _peak_gib()}
    torch.set_num_threads(2)
    each = samples // len(CATEGORIES)
    outputs = [SemicircleNetwork(s).outputs(CATEGORIES, each, seed).reshape(-1, 2) for s in ANCHORS]
    conditions = [np.repeat(CATEGORIES, each, axis=0)] * len(ANCHORS)
    data = Harvest.from_arrays(ANCHORS, outputs, conditions, "categorical", deterministic=False)
    figures["harvest"] = _peak_gib()
    begun = time.perf_counter()
    surrogate = Surrogate.fit(data, SurrogateConfig(), seed=seed)
    figures |= {"seconds": time.perf_counter() - begun, "peak": _peak_gib()}
    errors = density_errors(surrogate, data, seed)
    return {"fit": {**figures, "density": float(errors.mean()), "density_95": float(np.quantile(errors, 0.95))}}


def density_errors(surrogate: "Surrogate", data: Harvest, seed: int) -> NDArray[np.float64]:
    """|log p̂| of the surrogate's density less that of all samples, by the same bandwidths, at fresh rows (JUDGED,)."""
    import torch

    from pipeline.transport.potential import Density

    scaling, used = surrogate._parts.scaling, surrogate._parts.density
    y = scaling.standardise(torch.tensor(np.concatenate(data.outputs), dtype=torch.float32))
    x = scaling.condition(torch.tensor(np.concatenate(data.conditions), dtype=torch.float64))
    complete = Density.of(y, x, used.output_bandwidth, used.condition_bandwidth)
    rows = torch.as_tensor(np.random.default_rng(seed).choice(len(y), JUDGED, replace=False))
    errors = []
    with torch.no_grad():
        for block in torch.split(rows, BLOCK):
            points, condition = y[block].unsqueeze(1), x[block]
            difference = used.log_density(points, condition) - complete.log_density(points, condition)
            errors.append(difference[:, 0].abs().double().numpy())
    return np.concatenate(errors)


def _peak_gib() -> float:
    """The largest memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage says begins with what the parent held when it forked
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (2**30 if sys.platform == "darwin" else 2**20))


def in_own_process(seed: int, samples: int = SAMPLES) -> Rows:
    """The same, in a fresh process."""
    code = f"import json; from benchmarks.cost_memory import child; print(json.dumps(child({seed}, {samples})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    rows: Rows = json.loads(done.stdout.splitlines()[-1])
    return rows


def measure(record: Record, seeds: int, processes: int) -> None:
    """One fit a seed."""
    record.measure(Task("semicircles", seed, in_own_process, (seed,)) for seed in range(seeds))


def section(record: Record) -> str:
    """One table."""
    peak = median_of(record, "semicircles", "fit", "peak")
    imports = median_of(record, "semicircles", "fit", "imports")
    subsample = SurrogateConfig().density_samples
    return "\n".join(
        [
            f"Semicircles, 3 anchors of {SAMPLES:,} samples; the density rests on {subsample} samples an anchor, and "
            f"is compared at {JUDGED} of all samples with the one that rests on all of them.\n",
            measured(record, "semicircles", COLUMNS, {"fit": "default configuration"}),
            criteria(
                [
                    Criterion("peak, GiB", peak, high=LIMIT_GIB),
                    Criterion("peak beyond the imports, GiB", peak - imports, high=LIMIT_GIB),
                ]
            ),
        ]
    )
